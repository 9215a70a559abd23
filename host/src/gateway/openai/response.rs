//! The normalised reply → `OpenAI`'s chat completion, for replies that have no first lane.
//! <https://platform.openai.com/docs/api-reference/chat/object>
//!
//! What the provider did not say is absent. A vendor's own parts are neither text nor a call that
//! the client could run; they go among the details of the reasoning, which clients send back.

use allos_plugin_api::{
    Annotation, AudioPart, Choice, Dialect, Extra, FinishReason, ImagePart, Logprobs, Part,
    ProviderData, ProviderResponse, ReasoningPart, Source, TokenLogprob, ToolCall, Usage,
};
use serde_json::{Map, Value, json};

use super::order::Place;
use super::reasoning::{is_opaque, write_detail};
use super::vendor::{OwnKind, own_kind};
use crate::gateway::request_id::{random_id, unix_seconds};

/// Writes a whole reply. `model` is the name that the client asked for.
pub(super) fn completion(response: &ProviderResponse, model: &str) -> Value {
    let choices: Vec<Value> = response.choices.iter().map(choice).collect();
    let mut completion = json!({
        "id": response.id.clone().unwrap_or_else(|| random_id("chatcmpl-")),
        "object": "chat.completion",
        "created": response.created.unwrap_or_else(unix_seconds),
        "model": response.model.as_deref().unwrap_or(model),
        "choices": choices,
    });
    if let Some(reported) = &response.usage {
        completion["usage"] = usage(reported);
    }
    completion
}

fn choice(choice: &Choice) -> Value {
    json!({
        "index": choice.index,
        "message": message(&choice.message.content),
        "logprobs": choice.logprobs.as_ref().map(logprobs),
        "finish_reason": finish_reason(&choice.finish_reason),
    })
}

/// What the parts of an answer become as members of one message.
#[derive(Default)]
struct Answer<'a> {
    text: Option<String>,
    refusal: Option<String>,
    reasoning: Vec<(Thought<'a>, Place)>,
    calls: Vec<Value>,
    annotations: Vec<Value>,
    images: Vec<Value>,
    audio: Option<Value>,
    extra_content: Option<Value>,
    /// Where the next part stands.
    place: Place,
}

/// A piece of the reasoning.
enum Thought<'a> {
    Modelled(&'a ReasoningPart),
    AsItCame(Value),
}

fn message(parts: &[Part]) -> Value {
    let mut answer = Answer::default();
    for part in parts {
        answer.add(part);
    }
    answer.write()
}

impl<'a> Answer<'a> {
    fn add(&mut self, part: &'a Part) {
        match part {
            Part::Text(part) => {
                self.text.get_or_insert_default().push_str(&part.text);
                self.place.pass_text(&part.text);
                self.annotations.extend(part.annotations.iter().map(annotation));
                let data = extra_content(None, &part.provider_data, &part.extra);
                self.extra_content = data.or(self.extra_content.take());
            }
            Part::Refusal(part) => self.refusal.get_or_insert_default().push_str(&part.text),
            Part::Reasoning(part) => self.think(Thought::Modelled(part)),
            Part::Vendor(part) => match own_kind(part, self.reasoning.len()) {
                Some(OwnKind::Detail(raw)) => self.think(Thought::AsItCame(raw)),
                Some(OwnKind::CustomCall) => self.call(part.raw.clone()),
                None => {}
            },
            Part::ToolCall(call) => self.call(tool_call(call)),
            Part::Image(part) => self.images.extend(image(part)),
            Part::Audio(part) => self.audio = Some(audio(part)),
            _ => {}
        }
    }

    fn think(&mut self, thought: Thought<'a>) {
        self.reasoning.push((thought, self.place));
    }

    fn call(&mut self, call: Value) {
        self.place.pass_call();
        self.calls.push(call);
    }

    fn write(self) -> Value {
        let silent = self.calls.is_empty() && self.refusal.is_none() && self.audio.is_none();
        let text = self.text.or_else(|| silent.then(String::new));
        let mut message = Map::new();
        message.insert("role".to_owned(), "assistant".into());
        message.insert("content".to_owned(), text.into());
        message.insert("refusal".to_owned(), self.refusal.into());
        write_reasoning(&self.reasoning, &mut message);
        let lists = [
            ("tool_calls", self.calls),
            ("annotations", self.annotations),
            ("images", self.images),
        ];
        for (name, list) in lists {
            if !list.is_empty() {
                message.insert(name.to_owned(), list.into());
            }
        }
        for (name, value) in [("audio", self.audio), ("extra_content", self.extra_content)] {
            if let Some(value) = value {
                message.insert(name.to_owned(), value);
            }
        }
        Value::Object(message)
    }
}

/// The text for every client, and the details where a vendor must see more than the text again.
fn write_reasoning(thoughts: &[(Thought<'_>, Place)], message: &mut Map<String, Value>) {
    let text = |(thought, _): &(Thought<'_>, Place)| match thought {
        Thought::Modelled(part) => part.text.clone(),
        Thought::AsItCame(_) => String::new(),
    };
    let text: String = thoughts.iter().map(text).collect();
    if !text.is_empty() {
        message.insert("reasoning_content".to_owned(), text.into());
    }
    let is_opaque = |(thought, _): &(Thought<'_>, Place)| match thought {
        Thought::Modelled(part) => is_opaque(part),
        Thought::AsItCame(_) => true,
    };
    if thoughts.iter().any(is_opaque) {
        let detail = |(index, (thought, place)): (usize, &(Thought<'_>, Place))| {
            let mut detail = match thought {
                Thought::Modelled(part) => write_detail(part, index),
                Thought::AsItCame(detail) => detail.clone(),
            };
            place.note(&mut detail);
            detail
        };
        let details = thoughts.iter().enumerate().map(detail);
        message.insert("reasoning_details".to_owned(), details.collect());
    }
}

/// A call that the client is to run.
pub(super) fn tool_call(call: &ToolCall) -> Value {
    let mut written = json!({
        "id": call.id,
        "type": "function",
        "function": { "name": call.name, "arguments": call.arguments },
    });
    let signature = call.signature.as_deref();
    if let Some(extra) = extra_content(signature, &call.provider_data, &call.extra) {
        written["extra_content"] = extra;
    }
    written
}

/// What a vendor must see again, in the place that Google has for it.
/// <https://ai.google.dev/gemini-api/docs/thought-signatures>
pub(super) fn extra_content(
    signature: Option<&str>,
    provider_data: &ProviderData,
    extra: &Extra,
) -> Option<Value> {
    let known = extra.get("extra_content").and_then(Value::as_object);
    let mut content = known.cloned().unwrap_or_default();
    for (format, value) in provider_data {
        content.insert(format.clone(), value.clone());
    }
    if let Some(signature) = signature {
        let google = content.entry("google").or_insert_with(|| json!({}));
        if let Some(google) = google.as_object_mut() {
            google.insert("thought_signature".to_owned(), signature.into());
        }
    }
    (!content.is_empty()).then_some(Value::Object(content))
}

/// A remark on the text: the vendor's own object where it has this dialect's shape.
pub(super) fn annotation(annotation: &Annotation) -> Value {
    let raw = annotation.raw.as_ref();
    if let Some(raw) = raw.filter(|raw| raw.get(&annotation.kind).is_some()) {
        return raw.clone();
    }
    let mut remark = Map::new();
    for (name, text) in [("url", &annotation.url), ("title", &annotation.title)] {
        if let Some(text) = text {
            remark.insert(name.to_owned(), text.as_str().into());
        }
    }
    for (name, index) in
        [("start_index", annotation.start_index), ("end_index", annotation.end_index)]
    {
        if let Some(index) = index {
            remark.insert(name.to_owned(), index.into());
        }
    }
    json!({ "type": annotation.kind, annotation.kind.as_str(): remark })
}

/// An image that the model made, in the shape that `OpenRouter` uses, with what a vendor must see
/// again. <https://openrouter.ai/docs/features/multimodal/image-generation>
pub(super) fn image(part: &ImagePart) -> Option<Value> {
    let url = match &part.source {
        Source::Data(data) => data.to_url(),
        Source::Url(address) => address.url.clone(),
        _ => return None,
    };
    let mut image = json!({ "type": "image_url", "image_url": { "url": url } });
    if let Some(extra) = extra_content(None, &part.provider_data, &part.extra) {
        image["extra_content"] = extra;
    }
    Some(image)
}

/// Sound that the model made.
pub(super) fn audio(part: &AudioPart) -> Value {
    let mut audio = part.extra.clone();
    let seen_again = part.provider_data.get(Dialect::OpenAiChat.as_str());
    if let Some(id) = seen_again.and_then(|data| data.pointer("/audio/id")) {
        audio.insert("id".to_owned(), id.clone());
    }
    match &part.source {
        Source::Data(data) => audio.insert("data".to_owned(), data.base64.as_str().into()),
        Source::Id(source) => audio.insert("id".to_owned(), source.id.as_str().into()),
        _ => None,
    };
    if let Some(transcript) = &part.transcript {
        audio.insert("transcript".to_owned(), transcript.as_str().into());
    }
    Value::Object(audio)
}

/// Why an answer ended. `error` is `OpenRouter`'s word; `OpenAI` has none for it.
pub(super) fn finish_reason(reason: &FinishReason) -> &str {
    reason.unified.as_str()
}

/// What a call cost. The total is given where both of its halves are known.
pub(super) fn usage(usage: &Usage) -> Value {
    let total = usage
        .input_tokens
        .zip(usage.output_tokens)
        .map(|(input, output)| input.saturating_add(output));
    let mut written = counts([
        ("prompt_tokens", usage.input_tokens),
        ("completion_tokens", usage.output_tokens),
        ("total_tokens", total),
    ]);
    let prompt = counts([
        ("cached_tokens", usage.cache_read_tokens),
        ("cache_write_tokens", usage.cache_write_tokens),
        ("audio_tokens", usage.audio_input_tokens),
    ]);
    let completion = counts([
        ("reasoning_tokens", usage.reasoning_tokens),
        ("audio_tokens", usage.audio_output_tokens),
    ]);
    let details = [("prompt_tokens_details", prompt), ("completion_tokens_details", completion)];
    for (name, details) in details {
        if !details.is_empty() {
            written.insert(name.to_owned(), details.into());
        }
    }
    Value::Object(written)
}

fn counts<const N: usize>(counts: [(&str, Option<u64>); N]) -> Map<String, Value> {
    let known = counts.into_iter().filter_map(|(name, count)| Some((name, count?)));
    known.map(|(name, count)| (name.to_owned(), count.into())).collect()
}

/// The log-probabilities of an answer's tokens.
pub(super) fn logprobs(logprobs: &Logprobs) -> Value {
    let list = |tokens: &[TokenLogprob]| -> Value {
        if tokens.is_empty() { Value::Null } else { tokens.iter().map(token).collect() }
    };
    json!({ "content": list(&logprobs.content), "refusal": list(&logprobs.refusal) })
}

fn token(token: &TokenLogprob) -> Value {
    let mut written = alternative(token);
    written["top_logprobs"] = token.top.iter().map(alternative).collect();
    written
}

fn alternative(token: &TokenLogprob) -> Value {
    let bytes = token.bytes.as_deref().unwrap_or(token.token.as_bytes());
    json!({ "token": token.token, "logprob": token.logprob, "bytes": bytes })
}

#[cfg(test)]
mod tests;
