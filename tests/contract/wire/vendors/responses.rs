//! OpenAI's responses.
//! <https://platform.openai.com/docs/api-reference/responses>
//! <https://platform.openai.com/docs/api-reference/responses-streaming>

use serde_json::Value;

use super::{
    Asked, Vendor, arguments, items, last_said, recorded_path, refused, schema_or_none, text,
};
use crate::upstream::Received;
use crate::wire::bench::Instance;
use crate::wire::recording::{Recorded, Recording, frames};
use crate::wire::said::{
    ANY_FAILURE, Call, Choice, Failure, IN_STREAM, Said, UPSTREAM_FAILURE, Usage,
};

pub(super) const VENDOR: Vendor = Vendor {
    folder: "openai-responses",
    instance: Instance {
        settings: "plugin = \"openai\"\noptions = { api = \"responses\" }\n",
        base: "/v1",
        ..Instance::named("responses")
    },
    read,
    asked,
    path: recorded_path,
    headers: &[("authorization", "Bearer KEY")],
    arrived,
};

/// Calls that the client must run, though other dialects have no words for them.
const CLIENT_RUNS: [&str; 3] = ["computer_call", "local_shell_call", "apply_patch_call"];

fn read(status: u16, reply: &Recorded) -> Said {
    match reply {
        Recorded::Json(body) => refused(status, &body["error"]["message"])
            .unwrap_or_else(|| response(body, ANY_FAILURE)),
        Recorded::Events(stream) => streamed(&frames(stream)),
        Recorded::Lines(_) | Recorded::Text(_) => refused(status, &Value::Null)
            .unwrap_or_else(|| Said::failed(Failure::wordless(UPSTREAM_FAILURE))),
    }
}

fn response(response: &Value, failed: std::ops::RangeInclusive<u16>) -> Said {
    let said = output(items(&response["output"]), finish(response));
    let said = Said { usage: usage(&response["usage"]), ..said };
    match text(&response["status"]) {
        "completed" | "incomplete" => said,
        // It has failed, or does not exist yet, or never will.
        _ => said.but(Failure::saying(failed, &response["error"]["message"])),
    }
}

/// <https://platform.openai.com/docs/api-reference/responses/object>
fn finish(response: &Value) -> &'static [&'static str] {
    match (text(&response["status"]), text(&response["incomplete_details"]["reason"])) {
        (_, "max_output_tokens") => &["length"],
        (_, "content_filter") => &["content_filter"],
        ("completed", _) => &["stop"],
        _ => &[],
    }
}

fn output(items_of_output: &[Value], finish: &'static [&'static str]) -> Said {
    let mut choice = Choice::default();
    let mut opaque = Vec::new();
    let mut must_run = false;
    for item in items_of_output {
        match text(&item["type"]) {
            "message" => {
                say(&mut choice, item);
                opaque.extend(items(&item["content"]).iter().flat_map(cited));
            }
            "reasoning" => {
                choice.reasoning += &reasoning(item);
                opaque.push(text(&item["encrypted_content"]).to_owned());
            }
            "function_call" => choice.calls.push(Call {
                id: text(&item["call_id"]).to_owned(),
                name: text(&item["name"]).to_owned(),
                arguments: arguments(text(&item["arguments"])),
            }),
            "custom_tool_call" => choice.calls.push(Call {
                id: text(&item["call_id"]).to_owned(),
                name: text(&item["name"]).to_owned(),
                arguments: arguments(text(&item["input"])),
            }),
            "tool_search_call" => must_run |= item["execution"] == "client",
            "shell_call" => must_run |= item["environment"]["type"] == "local",
            kind => must_run |= CLIENT_RUNS.contains(&kind),
        }
    }
    let must_run = must_run && finish == ["stop"];
    let choice = choice.ended(if must_run { &["tool_calls"] } else { finish });
    Said::one(choice, Usage::default()).with_opaque(opaque)
}

fn say(choice: &mut Choice, message: &Value) {
    for part in items(&message["content"]) {
        choice.text += if part["type"] == "output_text" { text(&part["text"]) } else { "" };
        choice.refusal += text(&part["refusal"]);
    }
}

/// The addresses of the sources of a text.
fn cited(part: &Value) -> impl Iterator<Item = String> {
    items(&part["annotations"]).iter().map(|source| text(&source["url"]).to_owned())
}

/// The summaries; models that show their reasoning itself have none.
fn reasoning(item: &Value) -> String {
    let joined = |list: &Value, between: &str| -> String {
        items(list).iter().map(|part| text(&part["text"])).collect::<Vec<_>>().join(between)
    };
    match joined(&item["summary"], "\n\n") {
        summary if summary.is_empty() => joined(&item["content"], ""),
        summary => summary,
    }
}

fn usage(usage: &Value) -> Usage {
    let count = |place: &str| usage.pointer(place).and_then(Value::as_u64);
    Usage {
        input: count("/input_tokens"),
        output: count("/output_tokens"),
        cached: count("/input_tokens_details/cached_tokens"),
        written: count("/input_tokens_details/cache_write_tokens"),
        reasoning: count("/output_tokens_details/reasoning_tokens"),
        ..Usage::default()
    }
}

/// A stream that ends as it should repeats the whole response. Of one that fails, what was said so
/// far is read from its deltas.
fn streamed(frames: &[Value]) -> Said {
    const ENDS: [&str; 3] = ["response.completed", "response.incomplete", "response.failed"];
    if let Some(error) = frames.iter().find(|frame| frame["type"] == "error") {
        let message = error.get("message").unwrap_or(&error["error"]["message"]);
        return so_far(frames).but(Failure::saying(IN_STREAM, message));
    }
    let end = frames.iter().find(|frame| ENDS.contains(&text(&frame["type"])));
    match end.map(|end| (text(&end["type"]), &end["response"])) {
        None => so_far(frames).but(Failure::wordless(IN_STREAM)),
        Some(("response.failed", failed)) => {
            so_far(frames).but(Failure::saying(IN_STREAM, &failed["error"]["message"]))
        }
        Some((_, whole)) if items(&whole["output"]).is_empty() => {
            let said = so_far(frames);
            Said { usage: usage(&whole["usage"]), ..said }
        }
        // Reasoning is encrypted anew each time it is shown: what counts is what its item says.
        Some((_, whole)) => Said { opaque: so_far(frames).opaque, ..response(whole, IN_STREAM) },
    }
}

fn so_far(frames: &[Value]) -> Said {
    let joined = |kind: &str| -> String {
        frames.iter().filter(|it| it["type"] == kind).map(|it| text(&it["delta"])).collect()
    };
    let done = frames.iter().filter(|it| it["type"] == "response.output_item.done");
    let done: Vec<_> = done.map(|it| it["item"].clone()).collect();
    let mut said = output(&done, &[]);
    if let Some(choice) = said.choices.get_mut(&0) {
        choice.text = joined("response.output_text.delta");
        choice.refusal = joined("response.refusal.delta");
    }
    said
}

fn question(body: &Value) -> Asked {
    let input = &body["input"];
    let users = items(input).iter().filter(|item| item["role"] == "user");
    let said = users.flat_map(|item| match &item["content"] {
        Value::Array(parts) => parts.iter().map(|part| &part["text"]).collect(),
        text => vec![text],
    });
    let said: Vec<_> = if input.is_string() { vec![input] } else { said.collect() };
    let tools = items(&body["tools"]).iter().filter(|tool| tool["type"] == "function");
    let tool = |tool: &Value| (text(&tool["name"]).to_owned(), schema_or_none(&tool["parameters"]));
    Asked {
        model: text(&body["model"]).to_owned(),
        text: last_said(said),
        tools: tools.map(tool).collect(),
        stream: body["stream"] == true,
    }
}

fn asked(recording: &Recording) -> Asked {
    Asked { stream: recording.reply.is_stream(), ..question(&recording.request) }
}

fn arrived(received: &Received) -> Asked {
    question(&received.json())
}
