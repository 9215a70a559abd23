//! What is tried with each service. What a model says is its own business; that it answers, in the
//! form that was asked for, is checked.

use serde_json::{Value, json};

use crate::Outcome;
use crate::client::{Answer, Client};
use crate::folder::PluginFolder;
use crate::process::{Gateway, serving};
use crate::providers::{Provider, variable};

const CHAT: &str = "/v1/chat/completions";

/// A service behind a gateway of its own.
pub(crate) struct Asked {
    provider: &'static Provider,
    client: Client,
    gateway: Gateway,
    _folder: PluginFolder,
}

/// One thing to try.
#[derive(Clone, Copy)]
pub(crate) enum Check {
    Chat,
    Stream,
    Tool,
    Models,
    CountTokens,
    Embeddings,
}

impl Check {
    pub(crate) const ALL: [Self; 6] =
        [Self::Chat, Self::Stream, Self::Tool, Self::Models, Self::CountTokens, Self::Embeddings];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Stream => "stream",
            Self::Tool => "tool",
            Self::Models => "models",
            Self::CountTokens => "count-tokens",
            Self::Embeddings => "embeddings",
        }
    }

    /// Why it is not tried with a service.
    pub(crate) fn reason_to_skip(self, provider: &Provider) -> Option<&'static str> {
        match self {
            Self::CountTokens if !provider.counts_tokens => Some("it cannot"),
            Self::Embeddings if provider.embed_model().is_none() => Some("it cannot"),
            _ => None,
        }
    }

    pub(crate) async fn run(self, asked: &Asked) -> Outcome {
        match self {
            Self::Chat => asked.chats().await,
            Self::Stream => asked.streams().await,
            Self::Tool => asked.calls_a_tool().await,
            Self::Models => asked.lists_models().await,
            Self::CountTokens => asked.counts_tokens().await,
            Self::Embeddings => asked.embeds().await,
        }
    }
}

impl Asked {
    /// Starts the gateway, with the key and the way out that this program has.
    pub(crate) async fn start(provider: &'static Provider) -> Self {
        let folder = PluginFolder::with(&[provider.plugin]);
        let config = folder.configure(&provider.configuration());
        let mut command = serving(&folder, &config);
        let is_proxy = |name: &str| name.to_ascii_uppercase().ends_with("_PROXY");
        command.envs(std::env::vars().filter(|(name, _)| is_proxy(name)));
        command.envs(provider.key.and_then(|key| Some((key, variable(key)?))));
        let gateway = Gateway::start_command(command).await;
        Self { provider, client: Client::new(), gateway, _folder: folder }
    }

    async fn chats(&self) -> Outcome {
        let body = self.post(CHAT, &self.saying("Say the word: ready")).await?;
        let choice = &body["choices"][0];
        check(has_text(&choice["message"]["content"]), "there is no text", &body)?;
        check(choice["finish_reason"] == "stop", "it did not finish", &body)?;
        check(body["usage"]["prompt_tokens"].as_u64() > Some(0), "no tokens were counted", &body)
    }

    async fn streams(&self) -> Outcome {
        let mut request = self.saying("Count from one to five, in words.");
        request["stream"] = true.into();
        request["stream_options"] = json!({ "include_usage": true });
        let answer = succeeded(self.client.post(&self.url(CHAT), &request).await)?;
        let frames = answer.frames();
        let last = frames.last().cloned().unwrap_or_default();
        check(!answer.streamed_text().is_empty(), "there is no text", &last)?;
        let mut finishes = frames.iter().map(|it| &it["choices"][0]["finish_reason"]);
        check(finishes.any(|it| it == "stop"), "it did not finish", &last)?;
        check(last["usage"]["completion_tokens"].as_u64() > Some(0), "it has no usage", &last)
    }

    /// Offers a tool, and gives what it answers back with the message that asked for it.
    async fn calls_a_tool(&self) -> Outcome {
        let question = "What is the temperature in Paris? Ask the tool.";
        let mut request = self.saying(question);
        request["tools"] = json!([{ "type": "function", "function": {
            "name": "get_temperature",
            "description": "Tells the temperature of a city",
            "parameters": {
                "type": "object",
                "properties": { "city": { "type": "string" } },
                "required": ["city"],
            },
        }}]);
        if self.provider.takes_tool_choice {
            request["tool_choice"] = "required".into();
        }
        let body = self.post(CHAT, &request).await?;
        let (message, call) = (&body["choices"][0]["message"], body.pointer(CALL));
        check(body["choices"][0]["finish_reason"] == "tool_calls", "no tool was called", &body)?;
        let call = call.ok_or("there is no call")?;
        let arguments = call["function"]["arguments"].as_str().unwrap_or_default();
        let arguments: Value = serde_json::from_str(arguments).map_err(|it| it.to_string())?;
        check(has_text(&arguments["city"]), "the call does not name the city", &body)?;

        let result = json!({ "role": "tool", "tool_call_id": call["id"], "content": "31 °C" });
        request["messages"] = json!([request["messages"][0], message, result]);
        request["tool_choice"] = "auto".into();
        let body = self.post(CHAT, &request).await?;
        let text = body["choices"][0]["message"]["content"].as_str().unwrap_or_default();
        check(text.contains("31"), "the answer does not hold what the tool said", &body)
    }

    async fn lists_models(&self) -> Outcome {
        let answer = succeeded(self.client.get(&self.url("/v1/models")).await)?.json();
        let prefix = format!("{}/", self.provider.name);
        let mut ids = answer["data"].as_array().into_iter().flatten();
        let is_own = |it: &Value| it["id"].as_str().is_some_and(|id| id.starts_with(&prefix));
        check(ids.any(is_own), "there is no model", &Value::Null)
    }

    async fn counts_tokens(&self) -> Outcome {
        let mut request = self.saying("Say the word: ready");
        request.as_object_mut().map(|members| members.remove(LIMIT));
        let body = self.post("/v1/messages/count_tokens", &request).await?;
        check(body["input_tokens"].as_u64() > Some(0), "no tokens were counted", &body)
    }

    async fn embeds(&self) -> Outcome {
        let request = json!({ "model": self.provider.embed_model(), "input": ["one", "two"] });
        let body = self.post("/v1/embeddings", &request).await?;
        let length = |at: usize| body["data"][at]["embedding"].as_array().map(Vec::len);
        check(length(0) > Some(0), "there is no vector", &Value::Null)?;
        check(length(0) == length(1), "the vectors differ in length", &Value::Null)
    }

    /// A request with one message, and room for a model that thinks.
    fn saying(&self, text: &str) -> Value {
        let messages = [json!({ "role": "user", "content": text })];
        json!({ "model": self.provider.model(), "messages": messages, LIMIT: 2048 })
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value, String> {
        succeeded(self.client.post(&self.url(path), body).await).map(|answer| answer.json())
    }

    fn url(&self, path: &str) -> String {
        self.gateway.url(path)
    }
}

const LIMIT: &str = "max_tokens";
const CALL: &str = "/choices/0/message/tool_calls/0";

fn succeeded(answer: Answer) -> Result<Answer, String> {
    match answer.status {
        200 => Ok(answer),
        status => Err(format!("status {status}: {}", answer.text)),
    }
}

fn has_text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.trim().is_empty())
}

/// A failure says what came instead.
fn check(is_fine: bool, complaint: &str, body: &Value) -> Outcome {
    match (is_fine, body) {
        (true, _) => Ok(()),
        (false, Value::Null) => Err(complaint.to_owned()),
        (false, body) => Err(format!("{complaint}: {body}")),
    }
}
