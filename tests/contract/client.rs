//! An HTTP client for tests: what the gateway's own clients do, no more.

use std::collections::BTreeMap;

use serde_json::Value;

/// An answer that has arrived as a whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// By name in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) text: String,
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {:?}", self.text))
    }

    /// The value of a header, or nothing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The `data` of each event of a stream.
    pub(crate) fn events(&self) -> Vec<String> {
        let events = self.text.split("\n\n").filter_map(|event| event.strip_prefix("data: "));
        events.map(str::to_owned).collect()
    }

    /// The frames of a stream, without the word that ends it.
    pub(crate) fn frames(&self) -> Vec<Value> {
        let data = self.events().into_iter().filter(|data| data != "[DONE]");
        data.map(|data| serde_json::from_str(&data).expect("a frame is JSON")).collect()
    }

    /// The text of the first choice of a stream.
    pub(crate) fn streamed_text(&self) -> String {
        let frames = self.frames();
        let deltas = frames.iter().filter_map(|it| it["choices"][0]["delta"]["content"].as_str());
        deltas.collect()
    }

    /// The status, and what the error of OpenAI's shape says: type, code and message.
    pub(crate) fn error(&self) -> (u16, String, Value, String) {
        let body = self.json();
        let error = &body["error"];
        for name in ["message", "type", "param", "code"] {
            assert!(error.get(name).is_some(), "an error has a member `{name}`: {body}");
        }
        let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
        (self.status, text("type"), error["code"].clone(), text("message"))
    }
}

/// A client with a connection pool of its own.
#[derive(Clone)]
pub(crate) struct Client(reqwest::Client);

impl Client {
    /// A client that never gives up by itself.
    pub(crate) fn new() -> Self {
        let _another_test_was_first = rustls::crypto::ring::default_provider().install_default();
        Self(reqwest::Client::builder().no_proxy().build().expect("a client"))
    }

    /// Posts JSON and reads the whole answer.
    pub(crate) async fn post(&self, url: &str, body: &Value) -> Answer {
        self.send(self.request("POST", url).json_body(body)).await
    }

    /// Gets a page.
    pub(crate) async fn get(&self, url: &str) -> Answer {
        self.send(self.request("GET", url)).await
    }

    /// Posts JSON and reads the answer as it arrives.
    pub(crate) async fn stream(&self, url: &str, body: &Value) -> Arriving {
        let request = self.request("POST", url).json_body(body);
        Arriving { response: request.send().await.expect("an answer"), rest: Vec::new() }
    }

    /// A request to be completed.
    pub(crate) fn request(&self, method: &str, url: &str) -> reqwest::RequestBuilder {
        self.0.request(method.parse().expect("a method"), url)
    }

    /// Sends a request and reads the whole answer.
    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.expect("an answer");
        let headers = response.headers().iter();
        let headers = headers
            .map(|(name, value)| {
                (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into())
            })
            .collect();
        let status = response.status().as_u16();
        Answer { status, headers, text: response.text().await.expect("a whole answer") }
    }
}

/// A stream that is still arriving. Dropping it closes its connection.
pub(crate) struct Arriving {
    response: reqwest::Response,
    rest: Vec<u8>,
}

impl Arriving {
    /// The `data` of the next event; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.rest.windows(2).position(|end| end == b"\n\n") {
                let event: Vec<_> = self.rest.drain(..end + 2).collect();
                let event = std::str::from_utf8(&event).expect("an event is text");
                match event.strip_prefix("data: ") {
                    Some(data) => return Some(data.trim_end_matches('\n').to_owned()),
                    None => continue,
                }
            }
            let piece = self.response.chunk().await.expect("an unbroken connection")?;
            self.rest.extend_from_slice(&piece);
        }
    }

    /// The text of the next frame that has any.
    pub(crate) async fn next_text(&mut self) -> Option<String> {
        while let Some(data) = self.next().await {
            let frame: Value = serde_json::from_str(&data).ok()?;
            let text = frame["choices"][0]["delta"]["content"].as_str().unwrap_or_default();
            if !text.is_empty() {
                return Some(text.to_owned());
            }
        }
        None
    }
}

/// What reqwest's own `json` does, which is a feature of it that the host does not use.
pub(crate) trait JsonBody {
    /// Sets a body of JSON.
    fn json_body(self, body: &Value) -> Self;
}

impl JsonBody for reqwest::RequestBuilder {
    fn json_body(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }
}
