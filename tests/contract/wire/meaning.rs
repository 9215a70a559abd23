//! What requests and replies of OpenAI's chat dialect mean, in one spelling each: the same meaning
//! gives equal JSON, however a client or a service has written it.
//!
//! It is written from the vendors' documentation and the recordings alone, so that it cannot share
//! a mistake with the plugins or the gateway.

use serde_json::{Map, Value, json};

/// What a request means: its conversation, its tools and its parameters.
pub(super) fn request(body: &Value) -> Value {
    let mut meaning = json!({
        "model": body["model"],
        "stream": body["stream"].as_bool().unwrap_or(false),
        "messages": items(&body["messages"]).map(message).collect::<Vec<_>>(),
        "tools": items(&body["tools"]).map(tool).collect::<Vec<_>>(),
    });
    meaning["tool_choice"] = tool_choice(&body["tool_choice"]);
    meaning["parameters"] = parameters(body);
    meaning
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn message(message: &Value) -> Value {
    let mut meaning = spoken(message);
    meaning.insert("role".to_owned(), message["role"].clone());
    for name in ["name", "tool_call_id"] {
        if message[name].is_string() {
            meaning.insert(name.to_owned(), message[name].clone());
        }
    }
    Value::Object(meaning)
}

/// What a message says, in a request or a reply.
fn spoken(message: &Value) -> Map<String, Value> {
    let content = match &message["content"] {
        Value::String(text) => vec![json!({"type": "text", "text": text})],
        content => items(content).cloned().collect(),
    };
    let parts = content.iter().filter(|part| part["type"] != "thinking");
    let calls = items(&message["tool_calls"]).map(call);
    let mut spoken = Map::new();
    spoken.insert("parts".to_owned(), parts.filter_map(part).collect());
    spoken.insert("calls".to_owned(), calls.collect());
    spoken.insert("reasoning".to_owned(), reasoning(message, &content).into());
    spoken.insert("refusal".to_owned(), message["refusal"].as_str().unwrap_or_default().into());
    spoken
}

fn part(part: &Value) -> Option<Value> {
    match part["type"].as_str()? {
        "text" if part["text"] == "" => None,
        "text" => Some(json!({"text": part["text"]})),
        "image_url" => {
            let image = &part["image_url"];
            let url = image.get("url").unwrap_or(image);
            let detail = image["detail"].as_str().filter(|detail| *detail != "auto");
            Some(json!({"image": url, "detail": detail}))
        }
        _ => Some(super::difference::without_nulls(part)),
    }
}

fn call(call: &Value) -> Value {
    let function = function(call);
    json!({"id": call["id"], "name": function["name"], "arguments": function["arguments"]})
}

/// The function that is called. A custom tool takes a text in place of arguments.
fn function(call: &Value) -> Value {
    let custom = &call["custom"];
    let (named, said) = if custom.is_object() {
        (custom, &custom["input"])
    } else {
        (&call["function"], &call["function"]["arguments"])
    };
    json!({"name": named["name"], "arguments": said.as_str().unwrap_or_default()})
}

/// The text of the reasoning, wherever the service puts it.
fn reasoning(message: &Value, content: &[Value]) -> String {
    let named = ["reasoning_content", "reasoning"]
        .into_iter()
        .find_map(|name| message[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned));
    let thinking = content.iter().filter(|part| part["type"] == "thinking");
    let thinking = thinking.flat_map(|part| items(&part["thinking"]));
    let details = items(&message["reasoning_details"]);
    let details = details.filter_map(|it| it["text"].as_str().or(it["summary"].as_str()));
    let thought: String = thinking.filter_map(|part| part["text"].as_str()).collect();
    named.or_else(|| (!thought.is_empty()).then_some(thought)).unwrap_or_else(|| details.collect())
}

fn tool(tool: &Value) -> Value {
    let Some(function) = tool.get("function") else { return tool.clone() };
    let members = ["name", "description", "parameters", "strict"].into_iter();
    let members = members.filter(|name| !function[*name].is_null());
    members.map(|name| (name.to_owned(), function[name].clone())).collect()
}

fn tool_choice(choice: &Value) -> Value {
    match choice {
        Value::Object(members) => json!({"tool": members["function"]["name"]}),
        Value::String(word) if word == "any" => "required".into(),
        word => word.clone(),
    }
}

/// The parameters that allos models, those that are set.
fn parameters(body: &Value) -> Value {
    const SAME: [&str; 12] = [
        "temperature",
        "top_p",
        "frequency_penalty",
        "presence_penalty",
        "seed",
        "parallel_tool_calls",
        "logprobs",
        "top_logprobs",
        "user",
        "response_format",
        "reasoning_effort",
        "n",
    ];
    let set = SAME.into_iter().filter(|name| !body[*name].is_null());
    let mut meaning: Map<_, _> = set.map(|name| (name.to_owned(), body[name].clone())).collect();
    if meaning.get("n") == Some(&json!(1)) {
        meaning.remove("n");
    }
    let limit = ["max_completion_tokens", "max_tokens"].into_iter().find(|it| !body[*it].is_null());
    if let Some(name) = limit {
        meaning.insert("limit".to_owned(), body[name].clone());
    }
    match &body["stop"] {
        Value::Null => {}
        Value::String(stop) => drop(meaning.insert("stop".to_owned(), json!([stop]))),
        stop => drop(meaning.insert("stop".to_owned(), stop.clone())),
    }
    if let Some(effort) = body["reasoning"]["effort"].as_str() {
        meaning.insert("reasoning_effort".to_owned(), effort.into());
    }
    Value::Object(meaning)
}

/// What a reply in one piece means.
pub(super) fn reply(body: &Value) -> Value {
    let choices = items(&body["choices"]).map(|choice| {
        let mut meaning = spoken(&choice["message"]);
        join_text(&mut meaning);
        meaning.insert("opaque".to_owned(), opaque(&choice["message"]).into());
        let has_calls = meaning["calls"].as_array().is_some_and(|calls| !calls.is_empty());
        let finish = match &choice["finish_reason"] {
            // A call that was cut off is none that the client must run.
            reason if !has_calls || reason == "length" => reason.clone(),
            _ => json!("tool_calls"),
        };
        meaning.insert("finish".to_owned(), finish);
        meaning.insert("index".to_owned(), choice["index"].clone());
        Value::Object(meaning)
    });
    json!({
        "id": body["id"],
        "model": body["model"],
        "created": body["created"],
        "choices": choices.collect::<Vec<_>>(),
        "usage": usage(&body["usage"]),
    })
}

/// A reply's text is one text, in however many parts it came.
fn join_text(meaning: &mut Map<String, Value>) {
    let parts = meaning.remove("parts").unwrap_or_default();
    let text: String = items(&parts).filter_map(|part| part["text"].as_str()).collect();
    let others: Vec<_> = items(&parts).filter(|part| part.get("text").is_none()).cloned().collect();
    meaning.insert("text".to_owned(), text.into());
    meaning.insert("others".to_owned(), others.into());
}

/// The signatures and encrypted texts that must come back to the service.
fn opaque(message: &Value) -> String {
    let details = items(&message["reasoning_details"]);
    details.flat_map(|it| [&it["signature"], &it["data"]]).filter_map(Value::as_str).collect()
}

/// The tokens of a call, those that were reported.
fn usage(usage: &Value) -> Value {
    let places = [
        ("input", "/prompt_tokens"),
        ("output", "/completion_tokens"),
        ("cached", "/prompt_tokens_details/cached_tokens"),
        ("written", "/prompt_tokens_details/cache_write_tokens"),
        ("reasoning", "/completion_tokens_details/reasoning_tokens"),
        ("audio in", "/prompt_tokens_details/audio_tokens"),
        ("audio out", "/completion_tokens_details/audio_tokens"),
    ];
    let reported = places.into_iter().filter_map(|(name, place)| {
        let tokens = usage.pointer(place).filter(|tokens| !tokens.is_null())?;
        Some((name.to_owned(), tokens.clone()))
    });
    let mut reported: Map<_, _> = reported.collect();
    // Where services put it that do not follow OpenAI in this.
    let elsewhere = ["cached_tokens", "num_cached_tokens", "prompt_cache_hit_tokens"];
    if let Some(name) = elsewhere.into_iter().find(|name| usage[*name].is_u64()) {
        reported.entry("cached").or_insert_with(|| usage[name].clone());
    }
    reported.into()
}

/// What a stream means: the reply that its frames add up to, and the error that ended it.
pub(super) fn stream(frames: &[Value]) -> Value {
    let end = frames.iter().position(|frame| frame["error"].is_object());
    let whole = &frames[..end.unwrap_or(frames.len())];
    let first = |name: &str| {
        let mut values = whole.iter().map(|frame| frame[name].clone());
        values.find(|value| !value.is_null() && value != "").unwrap_or_default()
    };
    let mut indices: Vec<_> =
        whole.iter().flat_map(|it| items(&it["choices"])).map(|it| it["index"].clone()).collect();
    indices.sort_by_key(Value::as_u64);
    indices.dedup();
    let choices = indices.iter().map(|index| whole_choice(whole, index));
    let last_usage = whole.iter().rev().map(|frame| &frame["usage"]).find(|it| it.is_object());
    let body = json!({
        "id": first("id"),
        "model": first("model"),
        "created": first("created"),
        "choices": choices.collect::<Vec<_>>(),
        "usage": last_usage,
    });
    let mut meaning = reply(&body);
    if let Some(end) = end {
        meaning["error"] = error(&frames[end]);
        // What a service said about the end of an answer that then failed, means nothing.
        for choice in meaning["choices"].as_array_mut().into_iter().flatten() {
            choice["finish"] = Value::Null;
        }
    }
    meaning
}

/// One choice of a stream, put together as it would have come in one piece.
fn whole_choice(frames: &[Value], index: &Value) -> Value {
    let choices = || {
        let choices = frames.iter().flat_map(|frame| items(&frame["choices"]));
        choices.filter(move |choice| choice["index"] == *index)
    };
    let joined = |name: &str| -> String {
        choices().filter_map(|choice| choice["delta"][name].as_str()).collect()
    };
    let mut calls: Vec<Value> = Vec::new();
    for delta in choices().flat_map(|choice| items(&choice["delta"]["tool_calls"])) {
        add_call(&mut calls, delta);
    }
    let details = choices().flat_map(|choice| items(&choice["delta"]["reasoning_details"]));
    let finish = choices().map(|choice| &choice["finish_reason"]).find(|it| it.is_string());
    json!({
        "index": index,
        "finish_reason": finish,
        "message": {
            "content": joined("content"),
            "refusal": joined("refusal"),
            "reasoning": joined("reasoning"),
            "reasoning_content": joined("reasoning_content"),
            "reasoning_details": details.collect::<Vec<_>>(),
            "tool_calls": calls,
        },
    })
}

fn add_call(calls: &mut Vec<Value>, delta: &Value) {
    let index = delta["index"].as_u64().unwrap_or(0);
    let is_other = |call: &Value| {
        let id = delta["id"].as_str().unwrap_or_default();
        !id.is_empty() && call["id"] != "" && call["id"] != id
    };
    let known = calls.iter().rposition(|call| call["index"] == index && !is_other(call));
    let at = known.unwrap_or_else(|| {
        calls.push(json!({"index": index, "id": "", "function": {"name": "", "arguments": ""}}));
        calls.len() - 1
    });
    let more = json!({"id": delta["id"], "function": function(delta)});
    for place in ["/id", "/function/name", "/function/arguments"] {
        let (Some(known), Some(more)) =
            (calls[at].pointer_mut(place), more.pointer(place).and_then(Value::as_str))
        else {
            continue;
        };
        // Some services repeat the id and the name with every piece.
        let so_far = if place.ends_with("arguments") { known.as_str() } else { None };
        if !more.is_empty() {
            *known = format!("{}{more}", so_far.unwrap_or_default()).into();
        }
    }
}

/// What an error says: its message and its code as a text.
pub(super) fn error(body: &Value) -> Value {
    let error = &body["error"];
    let code = match &error["code"] {
        Value::Number(code) => Value::from(code.to_string()),
        code => code.clone(),
    };
    json!({"message": error["message"], "code": code})
}
