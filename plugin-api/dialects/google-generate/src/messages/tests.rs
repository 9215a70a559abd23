//! Roles, calls and their results, signatures and media in `contents`.

use allos_plugin_api::{ImagePart, ProviderData, Source, VendorPart};

use super::*;
use crate::DATA;

fn written(messages: &[Message], generation: Generation) -> (Value, Vec<String>) {
    let mut warnings = Warnings::default();
    let members = write(messages, generation, &mut warnings).unwrap();
    (Value::Object(members), warnings.into_vec())
}

fn refused(messages: &[Message]) -> String {
    let error = write(messages, SIGNS, &mut Warnings::default()).unwrap_err();
    error.message().to_owned()
}

fn call(id: &str, signature: Option<&str>) -> Part {
    Part::ToolCall(ToolCall {
        id: id.to_owned(),
        name: "f".to_owned(),
        arguments: r#"{"a":1}"#.to_owned(),
        signature: signature.map(str::to_owned),
        ..ToolCall::default()
    })
}

fn result(id: &str, content: Vec<Part>) -> Message {
    let tool_name = Some("f".to_owned());
    let result =
        ToolResult { tool_call_id: id.to_owned(), tool_name, content, ..ToolResult::default() };
    Message::new(Role::Tool, vec![Part::ToolResult(result)])
}

fn image(source: Source) -> Part {
    Part::Image(ImagePart {
        source,
        detail: None,
        provider_data: ProviderData::new(),
        extra: Extra::new(),
    })
}

fn part(part: &Value) -> Part {
    serde_json::from_value(part.clone()).unwrap()
}

fn responses(contents: &Value, at: usize) -> Vec<Value> {
    let parts = contents["contents"][at]["parts"].as_array().unwrap();
    parts.iter().map(|part| part["functionResponse"]["response"].clone()).collect()
}

#[test]
fn results_of_a_turn_stand_together_in_the_order_of_their_calls() {
    let made = [format!("{MADE_ID}r-0-0"), format!("{MADE_ID}r-0-1")];
    let calls = vec![call(&made[0], Some("s")), call(&made[1], None)];
    let (body, warnings) = written(
        &[
            Message::system("be brief"),
            Message::user("hi"),
            Message::new(Role::Assistant, calls),
            result(&made[1], vec![Part::text("two")]),
            result(&made[0], vec![Part::text(r#"{"n":1}"#)]),
            Message::user("go on"),
        ],
        SIGNS,
    );
    assert_eq!(body["systemInstruction"], json!({ "parts": [{ "text": "be brief" }] }));
    let call = json!({ "name": "f", "args": { "a": 1 } });
    let first = json!({ "functionCall": call, "thoughtSignature": "s" });
    let expected = json!({ "role": "model", "parts": [first, { "functionCall": call }] });
    assert_eq!(body["contents"][1], expected, "an id that was made is not sent");
    assert_eq!(
        body["contents"][2],
        json!({ "role": "user", "parts": [
            { "functionResponse": { "name": "f", "response": { "n": 1 } } },
            { "functionResponse": { "name": "f", "response": { "result": "two" } } },
            { "text": "go on" },
        ]})
    );
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn a_failed_tool_says_so() {
    let mut message = result("c", vec![Part::text("no")]);
    if let Part::ToolResult(result) = &mut message.content[0] {
        result.is_error = true;
    }
    let (body, _) = written(&[message], SIGNS);
    assert_eq!(responses(&body, 0), [json!({ "error": "no" })]);
    assert_eq!(body["contents"][0]["parts"][0]["functionResponse"]["id"], "c");
}

#[test]
fn a_lost_signature_is_replaced_in_the_current_turn_with_a_warning() {
    let step = |id: &str, signature| {
        Message::new(Role::Assistant, vec![call(id, signature), call(id, None)])
    };
    let turn = |signature| {
        [Message::user("x"), step("a", signature), result("a", vec![]), Message::assistant("y")]
    };
    let messages: Vec<_> = [turn(None), turn(None)].concat();
    let signatures = |generation| {
        let (body, warnings) = written(&messages, generation);
        let contents = body["contents"].as_array().unwrap().clone();
        let parts =
            contents.iter().flat_map(|content| content["parts"].as_array().unwrap().clone());
        let calls = parts.filter(|part| part["functionCall"].is_object());
        let signatures: Vec<_> = calls.map(|part| part["thoughtSignature"].clone()).collect();
        (signatures, warnings.len())
    };
    let none = Value::Null;
    assert_eq!(signatures((2, 5)), (vec![none.clone(); 4], 0));
    let expected = vec![none.clone(), none.clone(), json!(NO_SIGNATURE), none];
    assert_eq!(signatures(SIGNS), (expected, 1));
    let (_, warnings) = written(&turn(Some("s")), SIGNS);
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn signatures_go_back_to_where_they_were() {
    let data = ProviderData::from([(DATA.to_owned(), json!({ "thought_signature": "t" }))]);
    let thought = ReasoningPart {
        text: "hm".to_owned(),
        signature: Some("r".to_owned()),
        format: Some(REASONING_FORMAT.to_owned()),
        ..ReasoningPart::default()
    };
    let foreign = ReasoningPart { format: Some("other".to_owned()), ..thought.clone() };
    let raw = json!({ "executableCode": { "code": "1" }, "thoughtSignature": "v" });
    let vendor = |format: &str| {
        let (format, provider_data) = (format.to_owned(), ProviderData::new());
        Part::Vendor(VendorPart { format, raw: raw.clone(), provider_data })
    };
    let content = vec![
        Part::Reasoning(thought),
        Part::Reasoning(foreign),
        Part::Text(TextPart { text: "a".to_owned(), provider_data: data, ..TextPart::default() }),
        vendor(FORMAT),
        vendor("openai-responses"),
        Part::text(""),
    ];
    let (body, warnings) = written(&[Message::new(Role::Assistant, content)], SIGNS);
    let expected = json!([
        { "text": "hm", "thought": true, "thoughtSignature": "r" },
        { "text": "a", "thoughtSignature": "t" },
        raw,
    ]);
    assert_eq!(body["contents"][0]["parts"], expected);
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    let asked = Message::new(Role::User, vec![vendor("openai-responses")]);
    assert_eq!(
        refused(&[asked]),
        "content in the words of openai-responses in messages[0] is not supported"
    );
}

#[test]
fn bytes_are_sent_inline_and_addresses_by_their_uri() {
    let content = vec![
        image(Source::data("image/png", "AAAA")),
        image(Source::url("https://example.com/a.JPG?x=1")),
        image(Source::id("files/abc")),
        part(&json!({ "type": "audio", "source": {
            "type": "data", "media_type": "audio/mpeg", "base64": "BB==",
        }})),
        part(&json!({ "type": "file", "source": {
            "type": "data", "media_type": "application/pdf", "base64": "CC==",
        }})),
    ];
    let (body, _) = written(&[Message::new(Role::User, content)], SIGNS);
    let expected = json!([
        { "inlineData": { "mimeType": "image/png", "data": "AAAA" } },
        { "fileData": { "mimeType": "image/jpeg", "fileUri": "https://example.com/a.JPG?x=1" } },
        { "fileData": { "fileUri": "https://generativelanguage.googleapis.com/v1beta/files/abc" } },
        { "inlineData": { "mimeType": "audio/mpeg", "data": "BB==" } },
        { "inlineData": { "mimeType": "application/pdf", "data": "CC==" } },
    ]);
    assert_eq!(body["contents"][0]["parts"], expected);
    let foreign = Message::new(Role::User, vec![image(Source::id("file-1"))]);
    assert!(refused(&[foreign]).contains("messages[0]"));
}

#[test]
fn an_image_of_a_tool_is_in_its_result_where_gemini_takes_that() {
    let message = result("c", vec![Part::text("see"), image(Source::data("image/png", "AAAA"))]);
    let data = json!({ "inlineData": { "mimeType": "image/png", "data": "AAAA" } });
    let (new, _) = written(std::slice::from_ref(&message), SIGNS);
    assert_eq!(new["contents"][0]["parts"][0]["functionResponse"]["parts"], json!([data]));
    let (old, _) = written(&[message], (2, 5));
    assert_eq!(old["contents"][0]["parts"][1], data);
}

#[test]
fn what_the_model_made_and_cannot_be_told_again_is_left_out_with_a_warning() {
    let bytes = part(&json!({ "type": "audio", "source": { "type": "data", "base64": "AAAA" } }));
    let spoken = Message::new(Role::Assistant, vec![bytes.clone(), Part::text("a")]);
    let (members, warnings) = written(&[Message::user("say it"), spoken], SIGNS);
    assert_eq!(members["contents"][1]["parts"], json!([{ "text": "a" }]));
    assert_eq!(warnings.len(), 1);
    assert!(refused(&[Message::new(Role::User, vec![bytes])]).contains("media type"));
}

#[test]
fn what_gemini_cannot_express_is_refused_with_its_place() {
    let mut unnamed = result("c", vec![]);
    if let Part::ToolResult(result) = &mut unnamed.content[0] {
        result.tool_name = None;
    }
    for (message, says) in [
        (unnamed, "the unknown call `c` in messages[0]"),
        (Message::new(Role::Tool, vec![Part::text("x")]), "in messages[0]"),
        (Message::new(Role::System, vec![image(Source::url("https://x/y"))]), "in messages[0]"),
        (Message::new(Role::Other("function".to_owned()), vec![]), "the role `function`"),
        (Message::system("alone"), "nothing that the model can answer"),
    ] {
        let error = refused(&[message]);
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn a_later_instruction_is_moved_with_a_warning() {
    let (body, warnings) = written(&[Message::user("a"), Message::system("b")], SIGNS);
    assert_eq!(body["systemInstruction"]["parts"][0]["text"], "b");
    assert!(warnings[0].contains("messages[1]"), "{warnings:?}");
}
