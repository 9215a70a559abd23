//! Payloads between versions: what one side does not know costs the other nothing.

#![allow(clippy::unwrap_used)] // a test may panic
use allos_plugin_api::boundary::payload::{decode, encode};
use allos_plugin_api::{
    ChatRequest, ErrorKind, Event, Message, Part, ProviderChunk, ProviderError, ProviderResponse,
    Role, ToolCall, ToolChoice,
};
use serde_json::{Value, json};

/// A payload as some other version of this crate would have written it.
fn from_other_version<T: serde::de::DeserializeOwned>(value: &Value) -> Result<T, ProviderError> {
    decode(&encode(value).unwrap())
}

/// What this version writes, as a value.
fn written<T: serde::Serialize>(value: &T) -> Value {
    decode(&encode(value).unwrap()).unwrap()
}

#[test]
fn a_field_of_a_newer_version_is_ignored() {
    let request: ChatRequest = from_other_version(&json!({
        "model": "m",
        "telepathy": {"depth": 3},
        "messages": [{
            "role": "user",
            "mood": ["good"],
            "content": [{"type": "text", "text": "hi", "colour": "red"}],
        }],
    }))
    .unwrap();
    assert_eq!(request, ChatRequest::new("m", vec![Message::user("hi")]));
}

#[test]
fn a_variant_of_a_newer_version_is_kept_as_it_came() {
    let smell = json!({"type": "smell", "strength": 0.5, "notes": ["rose", null]});
    let message: Message =
        from_other_version(&json!({"role": "oracle", "content": [smell]})).unwrap();
    assert_eq!(message.role, Role::Other("oracle".to_owned()));
    assert_eq!(message.content, [Part::Other(smell.as_object().unwrap().clone())]);
    assert_eq!(written(&message), json!({"role": "oracle", "content": [smell]}));
}

#[test]
fn an_unknown_variant_whose_tag_comes_last_is_kept_as_well() {
    let chunk = br#"{"event":{"notes":["rose"],"type":"smell"}}"#;
    let chunk: ProviderChunk = serde_json::from_slice(chunk).unwrap();
    let Event::Other(raw) = chunk.event else { panic!("{chunk:?}") };
    assert_eq!(Value::Object(raw), json!({"type": "smell", "notes": ["rose"]}));
}

#[test]
fn of_two_tags_the_first_counts() {
    for part in [
        r#"{"type": "smell", "type": "tool_call", "notes": []}"#,
        r#"{"notes": [], "type": "smell", "type": "tool_call"}"#,
    ] {
        let part: Part = serde_json::from_str(part).unwrap();
        assert_eq!(written(&part), json!({"type": "smell", "notes": []}));
    }
}

#[test]
fn a_field_that_an_older_version_does_not_write_takes_its_default() {
    let response: ProviderResponse = from_other_version(&json!({
        "choices": [{
            "message": {"role": "assistant", "content": [{"type": "text", "text": "hi"}]},
            "finish_reason": {"unified": "stop"},
        }],
    }))
    .unwrap();
    assert_eq!(response, ProviderResponse::text("hi"));
    let error: ProviderError =
        from_other_version(&json!({"kind": "rate_limit", "message": "slow down"})).unwrap();
    assert_eq!(error.kind(), &ErrorKind::RateLimit);
}

#[test]
fn what_this_version_writes_is_read_by_one_that_knows_only_the_first_fields() {
    #[derive(serde::Deserialize)]
    struct OldMessage {
        role: String,
    }
    let mut message = Message::user("hi");
    message.name = Some("ann".to_owned());
    message.content.push(Part::ToolCall(ToolCall { id: "1".into(), ..ToolCall::default() }));
    let old: OldMessage = decode(&encode(&message).unwrap()).unwrap();
    assert_eq!(old.role, "user");
}

#[test]
fn a_malformed_known_variant_is_refused() {
    for part in [
        json!({"type": "text", "text": 7}),
        json!({"type": "text"}),
        json!({"text": 7, "type": "text"}),
        json!({"type": "tool_call", "id": "1", "name": "f"}),
        json!({"type": "image", "source": {"type": "url"}}),
        json!({"text": "no tag"}),
        json!("no map"),
    ] {
        let message = json!({"role": "user", "content": [part]});
        let error = from_other_version::<Message>(&message).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::MalformedReply, "{part}");
    }
}

#[test]
fn bytes_that_are_no_payload_are_refused() {
    let whole = encode(&ChatRequest::new("m", vec![Message::user("hi")])).unwrap();
    for length in 0..whole.len() {
        assert!(decode::<ChatRequest>(&whole[..length]).is_err(), "{length} bytes");
    }
    assert!(decode::<ChatRequest>(b"\xc1\xff\xff").is_err());
}

#[test]
fn every_choice_of_a_tool_survives() {
    let choices = [ToolChoice::AUTO, ToolChoice::NONE, ToolChoice::REQUIRED, ToolChoice::tool("f")];
    for choice in choices {
        assert_eq!(from_other_version::<ToolChoice>(&written(&choice)).unwrap(), choice);
    }
}
