//! OpenAI's chat completions, and the services that speak their dialect: the recordings of them,
//! and what a client of the gateway gets in this dialect.
//! <https://platform.openai.com/docs/api-reference/chat/object>

use serde_json::Value;

use super::{Asked, arguments, items, last_said, schema_or_none, text};
use crate::wire::meaning;
use crate::wire::recording::{Recorded, Recording, frames};
use crate::wire::said::{Call, Choice, Failure, IN_STREAM, Said, UPSTREAM_FAILURE, Usage};

/// What a reply says.
pub(in crate::wire) fn read(status: u16, reply: &Recorded) -> Said {
    match reply {
        Recorded::Json(body) if status >= 400 => {
            Said::failed(Failure::saying(status..=status, &meaning::error(body)["message"]))
        }
        Recorded::Json(body) => answer(&meaning::reply(body)),
        Recorded::Events(stream) => streamed(status, stream),
        Recorded::Lines(_) | Recorded::Text(_) => Said::failed(Failure::wordless(UPSTREAM_FAILURE)),
    }
}

fn streamed(status: u16, stream: &str) -> Said {
    let meaning = meaning::stream(&frames(stream));
    let said = answer(&meaning);
    let error = &meaning["error"];
    if error.is_object() {
        return said.but(Failure::saying(status..=*IN_STREAM.end(), &error["message"]));
    }
    let is_over = |choice: &Choice| !choice.finish.is_empty();
    if said.choices.is_empty() || !said.choices.values().all(is_over) {
        return said.but(Failure::wordless(IN_STREAM));
    }
    said
}

fn answer(meaning: &Value) -> Said {
    let choices = items(&meaning["choices"]).iter();
    let choices =
        choices.map(|choice| (choice["index"].as_u64().unwrap_or(0), read_choice(choice)));
    Said { choices: choices.collect(), usage: usage(meaning), ..Said::default() }
}

fn read_choice(choice: &Value) -> Choice {
    let finish = choice["finish"].as_str().into_iter().collect::<Vec<_>>();
    Choice {
        text: text(&choice["text"]).to_owned(),
        reasoning: text(&choice["reasoning"]).to_owned(),
        refusal: text(&choice["refusal"]).to_owned(),
        calls: items(&choice["calls"]).iter().map(call).collect(),
        finish: Vec::new(),
    }
    .ended(&finish)
}

fn call(call: &Value) -> Call {
    Call {
        id: text(&call["id"]).to_owned(),
        name: text(&call["name"]).to_owned(),
        arguments: arguments(text(&call["arguments"])),
    }
}

fn usage(meaning: &Value) -> Usage {
    let count = |name: &str| meaning["usage"][name].as_u64();
    Usage {
        input: count("input"),
        output: count("output"),
        cached: count("cached"),
        written: count("written"),
        reasoning: count("reasoning"),
        audio_in: count("audio in"),
        audio_out: count("audio out"),
        zeros_may_lack: false,
    }
}

/// The question of a request: the last text of the last user's message.
pub(in crate::wire) fn asked(recording: &Recording) -> Asked {
    let body = &recording.request;
    let users = items(&body["messages"]).iter().filter(|message| message["role"] == "user");
    let said = users.flat_map(|message| match &message["content"] {
        Value::Array(parts) => parts.iter().map(|part| &part["text"]).collect(),
        text => vec![text],
    });
    let tools = items(&body["tools"]).iter().map(|tool| &tool["function"]);
    let tool = |function: &Value| {
        (text(&function["name"]).to_owned(), schema_or_none(&function["parameters"]))
    };
    Asked {
        model: text(&body["model"]).to_owned(),
        text: last_said(said),
        tools: tools.filter(|function| function.is_object()).map(tool).collect(),
        stream: recording.reply.is_stream(),
    }
}
