//! What requests and replies of Anthropic's dialect mean, in one spelling each: a text alone and a
//! list of one block are the same, as are what is absent and what is null.

use serde_json::{Map, Value, json};

use crate::wire::difference::without_nulls;

/// The members of a request that allos models.
const MODELLED: [&str; 9] = [
    "model",
    "max_tokens",
    "stream",
    "temperature",
    "top_p",
    "top_k",
    "stop_sequences",
    "thinking",
    "tool_choice",
];

/// What a request means.
pub(super) fn request(body: &Value) -> Value {
    let body = without_nulls(body);
    let modelled = MODELLED.iter().filter_map(|name| Some((*name, body.get(*name)?)));
    let modelled = modelled.filter(|(name, value)| *name != "stream" || **value == true);
    let mut meaning: Map<_, _> =
        modelled.map(|(name, value)| (name.to_owned(), value.clone())).collect();
    // An effort alone is a wish to think, once it is out of Anthropic's words.
    if body["output_config"]["effort"].is_string() && body.get("thinking").is_none() {
        meaning.insert("thinking".to_owned(), json!({"type": "adaptive"}));
    }
    meaning.insert("system".to_owned(), blocks(&body["system"]));
    meaning.insert("messages".to_owned(), conversation(&body["messages"]));
    meaning.insert("tools".to_owned(), items(&body["tools"]).map(tool).collect());
    Value::Object(meaning)
}

/// The members of a request that allos does not model: each must arrive, or be warned of.
pub(super) fn further(body: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let members = body.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    members.filter(|(name, _)| {
        let parts = ["system", "messages", "tools"];
        !MODELLED.contains(&name.as_str()) && !parts.contains(&name.as_str())
    })
}

/// What a reply in one piece means.
pub(super) fn reply(message: &Value) -> Value {
    let usage = &message["usage"];
    let counts =
        ["input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"];
    let counts = counts.into_iter().filter(|name| usage[*name].is_u64());
    let counts: Map<_, _> = counts.map(|name| (name.to_owned(), usage[name].clone())).collect();
    without_nulls(&json!({
        "id": message["id"],
        "model": message["model"],
        "role": message["role"],
        "content": blocks(&without_nulls(&message["content"])),
        "stop_reason": message["stop_reason"],
        "stop_sequence": message["stop_sequence"],
        "container": message["container"],
        "usage": counts,
    }))
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// Messages of one role that follow each other are one.
/// <https://docs.anthropic.com/en/api/messages#body-messages>
fn conversation(list: &Value) -> Value {
    let mut turns: Vec<Value> = Vec::new();
    for message in items(list) {
        let more = blocks(&message["content"]);
        match turns.last_mut().filter(|turn| turn["role"] == message["role"]) {
            Some(turn) => {
                let said = turn["content"].as_array_mut().expect("a list of blocks");
                said.extend(items(&more).cloned());
            }
            None => turns.push(json!({"role": message["role"], "content": more})),
        }
    }
    turns.into()
}

fn blocks(content: &Value) -> Value {
    match content {
        Value::String(text) => json!([{"type": "text", "text": text}]),
        content => items(content).filter(|it| !is_empty_text(it)).map(block).collect(),
    }
}

fn is_empty_text(block: &Value) -> bool {
    block["type"] == "text" && block["text"] == ""
}

fn block(block: &Value) -> Value {
    let members = block.as_object().into_iter().flatten();
    let members = members.filter(|(name, value)| !says_nothing(name, value));
    let mut meaning: Map<_, _> =
        members.map(|(name, value)| (name.clone(), value.clone())).collect();
    if block["type"] == "tool_result" {
        meaning.insert("content".to_owned(), blocks(&block["content"]));
    }
    Value::Object(meaning)
}

/// Whether a member of a block says what its absence says.
fn says_nothing(name: &str, value: &Value) -> bool {
    match name {
        "citations" => value.as_array().is_some_and(Vec::is_empty),
        "is_error" => *value == false,
        "caller" => *value == json!({"type": "direct"}),
        _ => false,
    }
}

fn tool(tool: &Value) -> Value {
    let mut tool = tool.clone();
    let is_custom = tool["type"] == "custom";
    tool.as_object_mut().filter(|_| is_custom).map(|members| members.remove("type"));
    tool
}
