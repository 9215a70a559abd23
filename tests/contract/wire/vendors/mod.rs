//! The vendors' APIs: how what a recording of each says is read, what a client asks to get it, and
//! what must arrive at the vendor.
//!
//! Everything here is written from the vendors' documentation and the recordings alone.

pub(super) mod anthropic;
pub(super) mod chat;
mod google;
mod ollama;
mod responses;

use serde_json::{Value, json};

use crate::upstream::Received;
use crate::wire::bench::{Instance, key};
use crate::wire::difference::Differences;
use crate::wire::recording::{Recorded, Recording};
use crate::wire::said::{Failure, Said};

/// One API of a vendor.
pub(super) struct Vendor {
    /// The folder of its recordings.
    pub(super) folder: &'static str,
    /// The instance that speaks it.
    pub(super) instance: Instance,
    /// What a reply says, by its status and its body.
    pub(super) read: fn(u16, &Recorded) -> Said,
    /// What a client asks to make the vendor answer so.
    pub(super) asked: fn(&Recording) -> Asked,
    /// The path, query included, at which the request must arrive.
    pub(super) path: fn(&Recording) -> String,
    /// The headers that must arrive.
    pub(super) headers: &'static [(&'static str, &'static str)],
    /// What of the question arrived, in the vendor's shape.
    pub(super) arrived: fn(&Received) -> Asked,
}

/// All of them. A header's value `KEY` stands for the instance's key.
pub(super) const VENDORS: [Vendor; 4] =
    [anthropic::VENDOR, google::VENDOR, responses::VENDOR, ollama::VENDOR];

/// What a client asks: enough of it to see that it arrives.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Asked {
    pub(super) model: String,
    /// What the user says last.
    pub(super) text: String,
    /// The tools that the client can run: names and schemas of their arguments.
    pub(super) tools: Vec<(String, Value)>,
    pub(super) stream: bool,
}

impl Asked {
    /// The same question in OpenAI's dialect.
    pub(super) fn in_openai_dialect(&self) -> Value {
        let tools = self.tools.iter().map(|(name, schema)| {
            json!({"type": "function", "function": {"name": name, "parameters": schema}})
        });
        let mut body = json!({
            "model": self.model,
            "messages": [{"role": "user", "content": self.text}],
        });
        write_tools(tools.collect(), &mut body);
        if self.stream {
            body["stream"] = true.into();
            body["stream_options"] = json!({"include_usage": true});
        }
        body
    }

    /// The same question in Anthropic's dialect.
    pub(super) fn in_anthropic_dialect(&self) -> Value {
        let tools = self.tools.iter();
        let tools = tools.map(|(name, schema)| json!({"name": name, "input_schema": schema}));
        let mut body = json!({
            "model": self.model,
            "max_tokens": 4096,
            "messages": [{"role": "user", "content": self.text}],
        });
        write_tools(tools.collect(), &mut body);
        if self.stream {
            body["stream"] = true.into();
        }
        body
    }
}

fn write_tools(tools: Vec<Value>, body: &mut Value) {
    if !tools.is_empty() {
        body["tools"] = tools.into();
    }
}

impl Vendor {
    /// What a client sends in OpenAI's dialect.
    pub(super) fn client_request(&self, recording: &Recording) -> Value {
        let plain = || (self.asked)(recording).in_openai_dialect();
        recording.client.clone().unwrap_or_else(plain)
    }

    /// Whether what reached the vendor is what a client asked.
    pub(super) fn check_arrival(
        &self,
        recording: &Recording,
        received: &Received,
        differences: &mut Differences,
    ) {
        let path = Value::from((self.path)(recording));
        differences.equal("path", &path, &received.path.as_str().into());
        let key = key(self.instance.name);
        for (name, value) in self.headers {
            let expected = value.replace("KEY", &key);
            differences.equal(name, &expected.into(), &received.header(name).into());
        }
        if recording.client.is_some() {
            differences.contained_deep("request", &recording.request, &received.json());
            return;
        }
        let (asked, arrived) = ((self.asked)(recording), (self.arrived)(received));
        let names = |asked: &Asked| asked.tools.iter().map(|it| it.0.clone()).collect::<Vec<_>>();
        let seen = |asked: &Asked| {
            json!({
                "model": asked.model, "text": asked.text, "tools": names(asked),
                "stream": asked.stream,
            })
        };
        differences.equal("request", &seen(&asked), &seen(&arrived));
    }
}

/// The path of a recording, which may have been made with a query of the client's own.
fn recorded_path(recording: &Recording) -> String {
    recording.path.split('?').next().unwrap_or_default().to_owned()
}

/// The members of a list, or nothing.
fn items(list: &Value) -> &[Value] {
    list.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A text, or an empty one.
fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The last thing that a user says, or something to say.
fn last_said<'a>(texts: impl IntoIterator<Item = &'a Value>) -> String {
    let texts = texts.into_iter().filter_map(Value::as_str).filter(|text| !text.is_empty());
    texts.last().unwrap_or("hello").to_owned()
}

/// A schema that says something, or the schema of no arguments.
fn schema_or_none(schema: &Value) -> Value {
    let none = || json!({"type": "object", "properties": {}});
    if schema.is_object() { schema.clone() } else { none() }
}

/// The arguments of a call, from their JSON text. An empty text says that there are none.
fn arguments(text: &str) -> Value {
    match text.trim() {
        "" => json!({}),
        text => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
    }
}

/// A reply in one piece whose status says that there is no answer.
fn refused(status: u16, message: &Value) -> Option<Said> {
    (status >= 400).then(|| Said::failed(Failure::saying(status..=status, message)))
}
