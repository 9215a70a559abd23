//! Tests of what the gateway answers before any provider is asked, over real connections.

use std::error::Error;
use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;

type Outcome = Result<(), Box<dyn Error>>;

/// A gateway without any provider.
struct Served {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<io::Result<()>>,
    _folder: tempfile::TempDir,
}

async fn start(key: Option<&str>) -> Result<Served, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let host = Host::builder().plugin_dir(folder.path()).cache_dir(folder.path().join("cache"));
    let host = host.build().await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let api_key = key.map(Secret::new);
    let shutdown = Duration::from_secs(5);
    let settings = Settings { api_key, max_body_bytes: 100, shutdown, config_source: None };
    let (stop, stopped) = oneshot::channel();
    let stopped = async move { drop(stopped.await) };
    let task = tokio::spawn(serve(listener, host, settings, stopped));
    Ok(Served { address, stop, task, _folder: folder })
}

impl Served {
    /// Sends a request and gives back the status and the body.
    async fn ask(&self, head: &str, body: &str) -> Result<(u16, Value, String), Box<dyn Error>> {
        let mut connection = TcpStream::connect(self.address).await?;
        let length = body.len();
        let request = format!(
            "{head}\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        connection.write_all(request.as_bytes()).await?;
        let mut reply = String::new();
        connection.read_to_string(&mut reply).await?;
        let (head, body) = reply.split_once("\r\n\r\n").ok_or("no head")?;
        let status = head.split(' ').nth(1).ok_or("no status")?.parse()?;
        Ok((status, serde_json::from_str(body)?, head.to_owned()))
    }

    async fn post(&self, body: &str) -> Result<(u16, Value, String), Box<dyn Error>> {
        let head = "POST /v1/chat/completions HTTP/1.1\r\ncontent-type: application/json";
        self.ask(head, body).await
    }
}

#[tokio::test]
async fn a_model_that_nobody_has_is_404_in_the_dialects_shape() -> Outcome {
    let served = start(None).await?;
    let message = r#"{"model":"foo/x","messages":[{"role":"user","content":"hello"}]}"#;
    let (status, body, head) = served.post(message).await?;
    assert_eq!((status, &body["error"]["code"]), (404, &Value::from("model_not_found")));
    assert!(head.contains("x-request-id: req_"), "{head}");
    Ok(())
}

#[tokio::test]
async fn bad_bodies_are_refused_with_the_place() -> Outcome {
    let served = start(None).await?;
    let (status, body, _) = served.post("{").await?;
    assert_eq!((status, &body["error"]["code"]), (400, &Value::from("invalid_json")));
    let (status, body, _) = served.post(r#"{"model":5}"#).await?;
    assert_eq!((status, &body["error"]["param"]), (400, &Value::from("model")));
    let (status, body, _) = served.post(&"x".repeat(101)).await?;
    assert_eq!((status, &body["error"]["code"]), (413, &Value::from("request_too_large")));
    let (status, body, _) = served.ask("POST /v1/embeddings HTTP/1.1", "{}").await?;
    assert_eq!((status, &body["error"]["code"]), (415, &Value::from("unsupported_media_type")));
    Ok(())
}

#[tokio::test]
async fn unknown_paths_and_methods_have_the_dialects_shape() -> Outcome {
    let served = start(None).await?;
    let (status, body, _) = served.ask("GET /v2/chat HTTP/1.1", "").await?;
    assert_eq!((status, &body["error"]["code"]), (404, &Value::from("unknown_url")));
    let (status, body, _) = served.ask("GET /v1/chat/completions HTTP/1.1", "").await?;
    assert_eq!((status, &body["error"]["code"]), (405, &Value::from("method_not_allowed")));
    Ok(())
}

#[tokio::test]
async fn a_key_is_needed_for_all_but_health() -> Outcome {
    let served = start(Some("k1")).await?;
    let (status, body, _) = served.ask("GET /v1/models HTTP/1.1", "").await?;
    assert_eq!((status, &body["error"]["code"]), (401, &Value::from("invalid_api_key")));
    let head = "GET /v1/models HTTP/1.1\r\nauthorization: Bearer k1";
    assert_eq!(served.ask(head, "").await?.0, 200);
    assert_eq!(served.ask("GET /healthz HTTP/1.1", "").await?.0, 200);
    assert_eq!(served.ask("GET /readyz HTTP/1.1", "").await?.0, 503);
    Ok(())
}

#[tokio::test]
async fn a_gateway_that_is_told_to_stop_ends() -> Outcome {
    let served = start(None).await?;
    served.stop.send(()).map_err(|()| "the gateway is gone")?;
    served.task.await??;
    Ok(())
}
