//! Tests of the turns that messages become.

use super::*;

fn written(model: &str, messages: &Value) -> Result<(Conversation, Vec<String>), ProviderError> {
    let messages: Vec<Message> = serde_json::from_value(messages.clone()).unwrap();
    let mut warnings = Warnings::default();
    let conversation = write(model, &messages, &mut warnings)?;
    Ok((conversation, warnings.into_vec()))
}

fn text(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}

fn said(role: &str, parts: &[Value]) -> Value {
    json!({ "role": role, "content": parts })
}

fn call(id: &str, arguments: &str) -> Value {
    json!({ "type": "tool_call", "id": id, "name": "f", "arguments": arguments })
}

fn result(id: &str, parts: &[Value]) -> Value {
    json!({ "type": "tool_result", "tool_call_id": id, "content": parts })
}

#[test]
fn results_of_one_turn_are_one_message_and_come_first() {
    let messages = json!([
        said("user", &[text("go")]),
        said("assistant", &[text(" "), call("a", ""), call("b", r#"{"x":1}"#)]),
        said("user", &[text("by the way")]),
        said("tool", &[result("a", &[text("1")])]),
        {
            "role": "tool", "content": [result("b", &[])],
            "extra": { "cache_control": { "type": "ephemeral" } },
        },
        said("user", &[text("go on")]),
    ]);
    let (conversation, warnings) = written("claude-sonnet-4-5", &messages).unwrap();
    let expected = json!([
        { "role": "user", "content": [text("go")] },
        { "role": "assistant", "content": [
            { "type": "tool_use", "input": {}, "id": "a", "name": "f" },
            { "type": "tool_use", "input": { "x": 1 }, "id": "b", "name": "f" },
        ] },
        { "role": "user", "content": [
            { "type": "tool_result", "tool_use_id": "a", "content": [text("1")] },
            { "type": "tool_result", "tool_use_id": "b", "cache_control": { "type": "ephemeral" } },
            text("by the way"),
            text("go on"),
        ] },
    ]);
    assert_eq!((json!(conversation.messages), warnings.len()), (expected, 0));
}

#[test]
fn a_later_system_message_stays_where_the_model_takes_it() {
    let messages = |after: &[Value]| {
        let mut messages = vec![
            said("system", &[text("a")]),
            said("developer", &[text("b")]),
            said("user", &[text("hi")]),
            said("system", &[text("c")]),
            said("system", &[text("d")]),
        ];
        messages.extend(after.iter().cloned());
        json!(messages)
    };
    let roles = |conversation: &Conversation| {
        let roles = conversation.messages.iter().map(|it| it["role"].as_str().unwrap().to_owned());
        roles.collect::<Vec<_>>().join(" ")
    };
    let (answered, asked) = (said("assistant", &[text("ok")]), said("user", &[text("and")]));
    for (model, after, expected, system) in [
        ("claude-opus-4-8", vec![], "user system", 2),
        ("claude-sonnet-5", vec![answered.clone()], "user system assistant", 2),
        ("claude-opus-4-8", vec![asked.clone()], "user", 4),
        ("claude-opus-4-7", vec![answered], "user assistant", 4),
        ("glm-4.6", vec![asked], "user", 4),
    ] {
        let (conversation, warnings) = written(model, &messages(&after)).unwrap();
        let got = (roles(&conversation), conversation.system.len());
        assert_eq!(got, (expected.to_owned(), system), "{model}");
        assert_eq!(warnings.is_empty(), system == 2, "{model}: {warnings:?}");
    }
}

#[test]
fn thoughts_go_back_with_anthropics_signature_alone() {
    let thought = |members: Value| {
        let mut part = json!({ "type": "reasoning", "text": "hm" });
        part.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        part
    };
    let thinking = json!({ "type": "thinking", "thinking": "hm", "signature": "s" });
    let redacted = json!({ "type": "redacted_thinking", "data": "d" });
    for (part, expected) in [
        (thought(json!({ "signature": "s", "format": "anthropic-claude-v1" })), Some(&thinking)),
        (thought(json!({ "signature": "s" })), Some(&thinking)),
        (thought(json!({ "redacted": "d", "text": "" })), Some(&redacted)),
        (thought(json!({ "signature": "s", "format": "google-gemini-v1" })), None),
        (thought(json!({ "redacted": "d", "format": "openai-responses-v1" })), None),
        (thought(json!({ "format": "anthropic-claude-v1" })), None),
    ] {
        let messages = json!([said("assistant", &[part.clone(), text("hi")])]);
        let (conversation, warnings) = written("claude-opus-4-8", &messages).unwrap();
        let content = conversation.messages[0]["content"].as_array().unwrap();
        let got = (content.len() == 2).then(|| &content[0]);
        assert_eq!((got, warnings.is_empty()), (expected, expected.is_some()), "{part}");
    }
}

#[test]
fn a_thought_whose_text_is_withheld_keeps_its_signature() {
    let part = json!({ "type": "reasoning", "text": "", "signature": "s" });
    let (conversation, _) = written("m", &json!([said("assistant", &[part])])).unwrap();
    let expected = json!([{ "type": "thinking", "thinking": "", "signature": "s" }]);
    assert_eq!(conversation.messages[0]["content"], expected);
}

#[test]
fn cache_control_of_a_message_goes_to_its_last_block_and_of_a_part_to_that() {
    let cached = json!({ "cache_control": { "type": "ephemeral", "ttl": "1h" } });
    let part = json!({ "type": "text", "text": "a", "extra": cached });
    let thought = json!({ "type": "reasoning", "text": "hm", "signature": "s" });
    let messages = json!([
        { "role": "system", "content": [part, text("b")] },
        { "role": "user", "content": [text("c"), text("d")], "extra": cached },
        { "role": "assistant", "content": [text("e"), thought], "extra": cached },
    ]);
    let (conversation, warnings) = written("m", &messages).unwrap();
    let is_cached = |block: &Value| block["cache_control"] == cached["cache_control"];
    let of = |blocks: &Value| -> Vec<bool> {
        blocks.as_array().unwrap().iter().map(is_cached).collect()
    };
    assert_eq!(of(&json!(conversation.system)), [true, false]);
    assert_eq!(of(&conversation.messages[0]["content"]), [false, true]);
    assert_eq!(of(&conversation.messages[1]["content"]), [true, false]);
    assert_eq!(warnings.len(), 0);
}

#[test]
fn what_the_vendor_ran_goes_back_as_it_came_and_a_foreign_trace_is_left_out() {
    let part = |format: &str| {
        let raw = json!({ "type": "server_tool_use", "id": "s" });
        json!({ "type": "vendor", "format": format, "raw": raw })
    };
    let messages = json!([said("assistant", &[part(FORMAT), part("openai-responses"), text("a")])]);
    let (conversation, warnings) = written("m", &messages).unwrap();
    let expected = json!([{ "type": "server_tool_use", "id": "s" }, text("a")]);
    assert_eq!(conversation.messages[0]["content"], expected);
    assert_eq!(warnings, ["ignored: content in the words of openai-responses"]);
    let error = written("m", &json!([said("user", &[part("openai-responses")])])).unwrap_err();
    assert!(error.message().contains("openai-responses in messages[0]"), "{error}");
}

#[test]
fn citations_go_back_and_the_annotations_of_others_do_not() {
    let citation = json!({ "type": "char_location", "cited_text": "x", "document_index": 0 });
    let part = json!({ "type": "text", "text": "a", "annotations": [
        { "kind": "char_location", "raw": citation },
        { "kind": "url_citation", "raw": { "type": "url_citation", "url_citation": {} } },
    ] });
    let (conversation, warnings) = written("m", &json!([said("assistant", &[part])])).unwrap();
    assert_eq!(conversation.messages[0]["content"][0]["citations"], json!([citation]));
    assert_eq!(warnings.len(), 1);
}

#[test]
fn a_document_has_its_title_and_what_is_said_about_it() {
    let part = json!({
        "type": "file", "filename": "a.pdf",
        "source": { "type": "data", "media_type": "application/pdf", "base64": "AA==" },
        "extra": { "context": "c", "citations": { "enabled": true }, "file_format": "x" },
    });
    let (conversation, warnings) = written("m", &json!([said("user", &[part])])).unwrap();
    let block = &conversation.messages[0]["content"][0];
    assert_eq!((&block["type"], &block["title"]), (&json!("document"), &json!("a.pdf")));
    assert_eq!((&block["context"], &block["citations"]["enabled"]), (&json!("c"), &json!(true)));
    assert_eq!(warnings, ["ignored: messages[0].file_format"]);
}

#[test]
fn what_the_api_cannot_express_is_refused_with_what_and_where() {
    let audio = json!({ "type": "audio", "source": { "type": "data", "base64": "AA==" } });
    let image = json!({ "type": "image", "source": { "type": "url", "url": "https://a/b.png" } });
    for (role, part, word) in [
        ("user", audio, "sound"),
        ("assistant", image.clone(), "an image that is not the user's"),
        ("system", image, "an image that is not the user's"),
        ("user", call("a", "{}"), "a tool call"),
        ("assistant", call("a", "{"), "are not a JSON object"),
        ("assistant", result("a", &[]), "a tool result"),
        ("tool", text("a"), "no tool result"),
        ("function", text("a"), "the role `function`"),
        ("user", json!({ "type": "hologram" }), "unknown kind"),
        ("user", result("a", &[result("b", &[])]), "a tool result in a tool result"),
    ] {
        let error = written("m", &json!([said(role, &[part])])).unwrap_err();
        assert!(error.message().contains(word), "{role}: {error}");
    }
}
