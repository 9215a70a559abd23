//! Tests of what comes back through clients that send back the message that they received.

use allos_plugin_api::{
    Choice, Event, FinishReason, PartEnd, ProviderChunk, ProviderResponse, ReasoningPart,
    ReasoningStart, Signature, TextDelta, ToolCall, ToolCallDelta, ToolCallStart, VendorPart,
    WholePart,
};

use super::*;
use crate::gateway::answer::Lanes;
use crate::gateway::json::Path;
use crate::gateway::openai::message::message;
use crate::gateway::openai::response::completion;
use crate::gateway::openai::stream::ChatFrames;

fn thought(index: u32, text: &str) -> Part {
    Part::Reasoning(ReasoningPart {
        text: text.to_owned(),
        signature: Some("s".to_owned()),
        extra: [("index".to_owned(), json!(index))].into_iter().collect(),
        ..ReasoningPart::default()
    })
}

fn own(kind: &str) -> Part {
    let format = "anthropic-messages".to_owned();
    let provider_data = [(format.clone(), json!({ "container": "c" }))].into();
    Part::Vendor(VendorPart { format, raw: json!({ "type": kind }), provider_data })
}

fn call(id: &str) -> Part {
    let (id, name, arguments) = (id.to_owned(), "f".to_owned(), "{}".to_owned());
    Part::ToolCall(ToolCall { id, name, arguments, ..ToolCall::default() })
}

/// Answers whose parts follow each other in an order of their own.
fn answers() -> [Vec<Part>; 4] {
    let text = Part::text;
    [
        vec![thought(0, "one"), text("hm"), thought(1, "two"), call("a")],
        vec![
            thought(0, "one"),
            text("I look."),
            own("server_tool_use"),
            own("web_search_tool_result"),
            text("Found."),
            call("a"),
        ],
        vec![thought(0, "one"), call("a"), thought(1, "two"), call("b"), own("of_tomorrow")],
        vec![
            text("Ça va? "),
            thought(0, "one"),
            text("☔ it "),
            own("of_tomorrow"),
            text("rains"),
            call("a"),
            call("b"),
            thought(2, "three"),
        ],
    ]
}

fn written(parts: &[Part]) -> Value {
    let choices = vec![Choice::new(parts.to_vec(), FinishReason::STOP)];
    let response = ProviderResponse { choices, ..ProviderResponse::default() };
    completion(&response, "m")["choices"][0]["message"].take()
}

/// The message that a client puts together from a stream.
fn streamed(parts: &[Part]) -> Value {
    let mut frames = Lanes::new(ChatFrames::new("m".to_owned(), false));
    let events = (0..).zip(parts).flat_map(|(index, part)| events(index, part));
    let chunks = events.map(ProviderChunk::from);
    let bytes: Vec<u8> = chunks.flat_map(|chunk| frames.chunk(chunk)).collect();
    let (mut text, mut details, mut calls) = (String::new(), Vec::new(), Vec::new());
    for line in String::from_utf8_lossy(&bytes).lines() {
        let Some(data) = line.strip_prefix("data: ") else { continue };
        let mut frame: Value = serde_json::from_str(data).unwrap_or_default();
        let delta = &mut frame["choices"][0]["delta"];
        text.push_str(delta["content"].as_str().unwrap_or_default());
        let list = |it: &mut Value| it.as_array_mut().map(std::mem::take).unwrap_or_default();
        details.extend(list(&mut delta["reasoning_details"]));
        for mut piece in list(&mut delta["tool_calls"]) {
            if piece["id"].is_string() {
                piece["function"]["arguments"] = "{}".into();
                piece.as_object_mut().map(|piece| piece.remove("index"));
                calls.push(piece);
            }
        }
    }
    let text = (!text.is_empty()).then_some(text);
    json!({
        "role": "assistant", "content": text, "reasoning_details": details, "tool_calls": calls,
    })
}

fn events(index: u32, part: &Part) -> Vec<Event> {
    let delta = |text: &str| TextDelta { index, text: text.to_owned() };
    let end = PartEnd::new(index);
    match part {
        Part::Text(part) => {
            let texts = part.text.split_inclusive(' ').map(|text| Event::TextDelta(delta(text)));
            texts.chain([Event::TextEnd(end)]).collect()
        }
        Part::Reasoning(part) => {
            let extra = part.extra.clone();
            let signature = part.signature.clone().unwrap_or_default();
            vec![
                Event::ReasoningStart(ReasoningStart { index, extra, ..Default::default() }),
                Event::ReasoningDelta(delta(&part.text)),
                Event::Signature(Signature { index, signature }),
                Event::ReasoningEnd(end),
            ]
        }
        Part::ToolCall(call) => {
            let (id, name) = (call.id.clone(), call.name.clone());
            let arguments = call.arguments.clone();
            vec![
                Event::ToolCallStart(ToolCallStart { index, id, name, ..Default::default() }),
                Event::ToolCallDelta(ToolCallDelta { index, arguments }),
                Event::ToolCallEnd(end),
            ]
        }
        part => vec![Event::Part(WholePart { index, part: part.clone() })],
    }
}

fn read(message_of_client: Value) -> Vec<Part> {
    message(message_of_client, Path::Body).map(|message| message.content).unwrap_or_default()
}

#[test]
fn parts_come_back_in_the_order_in_which_they_were_said() {
    for parts in answers() {
        assert_eq!(read(written(&parts)), parts);
        assert_eq!(read(streamed(&parts)), parts);
    }
}

#[test]
fn where_details_stand_first_there_is_no_note() {
    let parts = [thought(0, "one"), own("server_tool_use"), Part::text("hm"), call("a")];
    for message in [written(&parts), streamed(&parts)] {
        assert!(!message.to_string().contains(OWN), "{message}");
        assert_eq!(read(message), parts);
    }
}

#[test]
fn the_pieces_of_a_text_are_those_of_the_answer_whatever_the_client_makes_of_it() {
    let [_, parts, ..] = answers();
    let text = |text: &str| json!({ "type": "text", "text": text });
    let mut message = written(&parts);
    message["content"] = json!([text("I "), text("look.Fou"), text("nd.")]);
    let [one, _, tool, result, _, call] = parts.as_slice() else { panic!("{parts:?}") };
    let text = Part::text;
    let expected = [
        one.clone(),
        text("I "),
        text("look."),
        tool.clone(),
        result.clone(),
        text("Fou"),
        text("nd."),
        call.clone(),
    ];
    assert_eq!(read(message), expected);
}

#[test]
fn what_belongs_to_a_text_stays_with_its_end() {
    let [_, parts, ..] = answers();
    let mut message = written(&parts);
    message["extra_content"] = json!({ "google": { "thought_signature": "s" } });
    let texts = read(message).into_iter().filter_map(|part| match part {
        Part::Text(part) => Some((part.text, part.provider_data.len())),
        _ => None,
    });
    assert_eq!(texts.collect::<Vec<_>>(), [("I look.".to_owned(), 0), ("Found.".to_owned(), 1)]);
}

#[test]
fn a_message_that_was_edited_has_the_plain_order_and_all_of_its_text() {
    let [first, second, third, _] = answers();
    for text in ["", "I", "i look.Found.", "I löok.Found.", "☔☔☔☔", "Found. I look."] {
        let mut message = written(&second);
        message["content"] = text.into();
        let parts = read(message);
        let [one, _, tool, result, _, call] = second.clone().try_into().expect("six parts");
        assert_eq!(parts, [one, tool, result, Part::text(text), call]);
    }
    let mut message = written(&first);
    message["content"] = Value::Null;
    let [one, _, two, call] = first.try_into().expect("four parts");
    assert_eq!(read(message), [one, two, call]);
    let mut message = written(&third);
    message.as_object_mut().map(|message| message.remove("tool_calls"));
    let [one, _, two, _, tool] = third.try_into().expect("five parts");
    assert_eq!(read(message)[..3], [one, two, tool]);
}

#[test]
fn a_note_that_is_none_of_the_gateways_does_no_harm() {
    let after =
        |text: i64, calls: i64| json!({ "after": { "text": text, "sum": 0, "calls": calls } });
    let notes = [json!(5), json!({}), after(-1, 0), after(1, 0), after(0, 9), after(i64::MAX, 0)];
    for note in notes {
        let mut message = written(&[thought(0, "one"), Part::text("é"), call("a")]);
        message["reasoning_details"][0]["extra_content"] = json!({ "allos": note });
        assert_eq!(read(message), [thought(0, "one"), Part::text("é"), call("a")]);
    }
}
