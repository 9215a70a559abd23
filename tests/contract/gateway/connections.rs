//! Connections that end early, on either side, and a gateway that is told to stop.

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{CHAT, Served, chunk, hello, streamed};
use crate::calls::soon;
use crate::folder::PluginFolder;
use crate::upstream::{Reply, Upstream};

fn first_words() -> Value {
    chunk(&json!({"role": "assistant", "content": "so far"}), None)
}

/// Ends the gateway's process, and tells its exit code.
async fn end(served: Served) -> (Option<i32>, PluginFolder) {
    let Served { gateway, folder, .. } = served;
    let ended = tokio::task::spawn_blocking(move || gateway.process.end());
    (ended.await.expect("it ends").0.code(), folder)
}

#[tokio::test]
async fn a_client_that_leaves_closes_the_upstream_connection() {
    let mut upstream = Upstream::always(Reply::events([first_words()]).then_nothing()).await;
    let served = Served::openai(&upstream).await;
    let mut stream = served.client.stream(&served.url(CHAT), &streamed("openai/gpt")).await;
    assert_eq!(soon(stream.next_text()).await.as_deref(), Some("so far"));
    drop(stream);
    soon(upstream.closed()).await;
}

#[tokio::test]
async fn a_client_that_leaves_before_the_answer_closes_the_upstream_connection() {
    let mut upstream = Upstream::always(Reply::silence()).await;
    let served = Served::openai(&upstream).await;
    for request in [hello("openai/gpt"), streamed("openai/gpt")] {
        let address = served.url("");
        let address = address.trim_start_matches("http://");
        let mut connection = TcpStream::connect(address).await.expect("a connection");
        let body = request.to_string();
        let head = format!(
            "POST {CHAT} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        connection.write_all(format!("{head}{body}").as_bytes()).await.expect("a request");
        soon(upstream.arrived()).await;
        drop(connection);
        soon(upstream.closed()).await;
    }
}

#[tokio::test]
async fn half_a_request_harms_nobody() {
    let served = Served::echo().await;
    let address = served.url("");
    let address = address.trim_start_matches("http://");
    for half in
        ["POST /v1/chat", "POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 99\r\n\r\n{"]
    {
        let mut connection = TcpStream::connect(address).await.expect("a connection");
        connection.write_all(half.as_bytes()).await.expect("half a request");
    }
    let mut connection = TcpStream::connect(address).await.expect("a connection");
    connection.write_all(b"no http at all\r\n\r\n").await.expect("some bytes");
    let mut answer = String::new();
    soon(connection.read_to_string(&mut answer)).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert_eq!(served.post(CHAT, &hello("echo/echo")).await.status, 200);
}

#[tokio::test]
async fn a_stream_arrives_as_it_is_made() {
    let mut upstream = Upstream::always(Reply::events([first_words()]).then_nothing()).await;
    let served = Served::openai(&upstream).await;
    let mut streams = Vec::new();
    for _ in 0..8 {
        streams.push(served.client.stream(&served.url(CHAT), &streamed("openai/gpt")).await);
    }
    for stream in &mut streams {
        assert_eq!(soon(stream.next_text()).await.as_deref(), Some("so far"));
        soon(upstream.arrived()).await;
    }
}

#[tokio::test]
async fn a_gateway_that_is_told_to_stop_lets_streams_in_flight_finish() {
    let words = "one two three";
    let served = Served::start(&["waits_for_a_file"], "").await;
    let file = served.folder.path().join("go on");
    let model = format!("waits-for-a-file/{}", file.display());
    let mut request = streamed(&model);
    request["messages"][0]["content"] = words.into();
    let mut stream = served.client.stream(&served.url(CHAT), &request).await;
    assert_eq!(soon(stream.next_text()).await.as_deref(), Some("waiting "));
    served.gateway.process.signal(Signal::TERM);
    let url = served.url("/healthz");
    soon(async { while served.client.request("GET", &url).send().await.is_ok() {} }).await;
    std::fs::write(&file, "").expect("a file");
    assert_eq!(soon(stream.next_text()).await.as_deref(), Some(words));
    assert_eq!(soon(stream.next_text()).await, None);
    let (code, _folder) = end(served).await;
    assert_eq!(code, Some(0));
}

#[tokio::test]
async fn a_gateway_that_is_told_to_stop_waits_no_longer_than_it_may() {
    let mut upstream = Upstream::always(Reply::events([first_words()]).then_nothing()).await;
    let toml = format!(
        "[gateway]\nshutdown_seconds = 1\n\
         [providers.openai]\napi_key = \"key\"\nbase_url = {:?}\n",
        upstream.url("/v1")
    );
    let served = Served::start(&["openai", "poll_never_returns"], &toml).await;
    let mut stream = served.client.stream(&served.url(CHAT), &streamed("openai/gpt")).await;
    assert_eq!(soon(stream.next_text()).await.as_deref(), Some("so far"));
    let (client, url) = (served.client.clone(), served.url(CHAT));
    let stuck = tokio::spawn(async move {
        let request = client.request("POST", &url);
        let body = hello("poll-never-returns/any").to_string();
        request.header("content-type", "application/json").body(body).send().await.is_ok()
    });
    served.gateway.process.signal(Signal::TERM);
    let (code, _folder) = end(served).await;
    assert_eq!(code, Some(0));
    soon(upstream.closed()).await;
    let _answered_or_cut_off = soon(stuck).await;
    let last = soon(stream.next()).await;
    assert!(last.is_none_or(|frame| frame.contains("shutting down")), "the client is told");
}
