//! Parts, signatures, calls, sources and usage of an answer.

use allos_plugin_api::Collector;

use super::*;

fn collect(candidates: &[Value]) -> (Vec<Part>, FinishReason) {
    let mut answer = Answer::new(0);
    let mut events = Vec::new();
    for candidate in candidates {
        events.extend(answer.read(candidate, Some("r1")));
    }
    events.extend(answer.finish());
    let mut collector = Collector::default();
    for event in events {
        collector.push(event.into());
    }
    let choice = collector.into_response().unwrap().choices.remove(0);
    (choice.message.content, choice.finish_reason)
}

fn parts(parts: &Value) -> Value {
    json!({ "content": { "parts": parts }, "finishReason": "STOP" })
}

fn text_of(part: &Part) -> (&str, Option<&str>) {
    let Part::Text(part) = part else { panic!("{part:?}") };
    (&part.text, part.provider_data.get(DATA).and_then(|data| data["thought_signature"].as_str()))
}

#[test]
fn pieces_of_a_text_are_one_part_until_it_is_signed() {
    let pieces = [
        json!([{ "text": "a" }]),
        json!([{ "text": "b" }, { "text": "", "thoughtSignature": "s1" }]),
        json!([{ "text": "c", "thoughtSignature": "s2" }, { "text": "" }]),
    ];
    let (content, _) = collect(&pieces.map(|piece| parts(&piece)));
    let texts: Vec<_> = content.iter().map(text_of).collect();
    assert_eq!(texts, [("ab", Some("s1")), ("c", Some("s2"))]);
}

#[test]
fn a_signature_that_comes_alone_is_kept_on_an_empty_text() {
    for alone in
        [json!({ "thoughtSignature": "s" }), json!({ "text": "", "thoughtSignature": "s" })]
    {
        let call = json!({ "functionCall": { "name": "f" } });
        let (content, _) = collect(&[parts(&json!([call, alone]))]);
        assert_eq!(text_of(&content[1]), ("", Some("s")));
    }
}

#[test]
fn thoughts_are_reasoning_of_googles_format() {
    let (content, _) = collect(&[
        parts(&json!([{ "text": "h", "thought": true }])),
        parts(&json!([{ "text": "m", "thought": true, "thoughtSignature": "s" }, { "text": "4" }])),
    ]);
    let Part::Reasoning(thought) = &content[0] else { panic!("{content:?}") };
    assert_eq!((thought.text.as_str(), thought.signature.as_deref()), ("hm", Some("s")));
    assert_eq!(thought.format.as_deref(), Some(REASONING_FORMAT));
    assert_eq!(text_of(&content[1]), ("4", None));
}

#[test]
fn calls_keep_their_ids_or_get_one_each() {
    let calls = json!([
        { "functionCall": { "id": "x", "name": "f", "args": { "b": 1, "a": 2 } }, "thoughtSignature": "s" },
        { "functionCall": { "name": "g" } },
        { "functionCall": { "name": "g", "args": {} } },
    ]);
    let (content, finish) = collect(&[parts(&calls)]);
    let calls: Vec<_> = content
        .iter()
        .map(|part| match part {
            Part::ToolCall(call) => {
                (call.id.as_str(), call.arguments.as_str(), call.signature.as_deref())
            }
            _ => panic!("{part:?}"),
        })
        .collect();
    let expected = [
        ("x", r#"{"b":1,"a":2}"#, Some("s")),
        ("gemini-call-r1-0-1", "{}", None),
        ("gemini-call-r1-0-2", "{}", None),
    ];
    assert_eq!(calls, expected);
    assert_eq!(finish, FinishReason::new(Finish::ToolCalls, "STOP"));
}

#[test]
fn media_are_parts_and_what_google_ran_stays_as_it_came() {
    let code = json!({ "executableCode": { "code": "1" }, "thoughtSignature": "s" });
    let draft =
        json!({ "thought": true, "inlineData": { "mimeType": "image/png", "data": "AA==" } });
    let (content, _) = collect(&[parts(&json!([
        { "inlineData": { "mimeType": "image/png", "data": "AAAA" }, "thoughtSignature": "s" },
        { "inlineData": { "mimeType": "audio/wav", "data": "AAAA" } },
        code, draft,
    ]))]);
    let Part::Image(image) = &content[0] else { panic!("{content:?}") };
    assert_eq!(image.source, Source::data("image/png", "AAAA"));
    assert_eq!(image.provider_data, seen_again(Some("s")));
    assert!(matches!(&content[1], Part::Audio(_)));
    for (part, raw) in content[2..].iter().zip([code, draft]) {
        assert_eq!(part, &vendor(&raw));
    }
}

#[test]
fn sources_are_remarks_on_the_text_that_they_are_about() {
    let metadata = json!({
        "groundingChunks": [
            { "web": { "uri": "u", "title": "t" } },
            { "retrievedContext": { "title": "doc", "text": "x" } },
        ],
        "groundingSupports": [
            { "segment": { "endIndex": 3, "text": "é1" }, "groundingChunkIndices": [0, 9] },
            { "segment": { "startIndex": 1, "endIndex": 2, "text": "b" }, "groundingChunkIndices": [1] },
        ],
    });
    let url = json!({ "urlMetadata": [
        { "retrievedUrl": "u", "urlRetrievalStatus": "URL_RETRIEVAL_STATUS_SUCCESS" },
        { "retrievedUrl": "v", "urlRetrievalStatus": "URL_RETRIEVAL_STATUS_SUCCESS" },
        { "retrievedUrl": "w", "urlRetrievalStatus": "URL_RETRIEVAL_STATUS_ERROR" },
    ]});
    let said = json!([{ "text": "é1" }, { "executableCode": {} }, { "text": "ab" }]);
    let mut candidate = parts(&said);
    candidate["groundingMetadata"] = metadata;
    candidate["urlContextMetadata"] = url;
    let (content, _) = collect(&[
        candidate.clone(),
        json!({ "groundingMetadata": candidate["groundingMetadata"] }),
    ]);
    let remarks = |part: &Part| -> Vec<_> {
        let Part::Text(part) = part else { panic!("{part:?}") };
        let remarks = part.annotations.iter();
        remarks.map(|it| (it.kind.clone(), it.url.clone(), it.start_index, it.end_index)).collect()
    };
    let web = ("url_citation".to_owned(), Some("u".to_owned()), Some(0), Some(3));
    assert_eq!(remarks(&content[0]), [web]);
    let document = ("retrievedContext".to_owned(), None, Some(1), Some(2));
    let page = ("url_citation".to_owned(), Some("v".to_owned()), None, None);
    assert_eq!(remarks(&content[2]), [document, page]);
}

#[test]
fn usage_counts_everything_that_was_read_and_generated() {
    let raw = json!({
        "promptTokenCount": 10, "toolUsePromptTokenCount": 5, "cachedContentTokenCount": 4,
        "candidatesTokenCount": 2, "thoughtsTokenCount": 7,
        "promptTokensDetails": [{ "modality": "AUDIO", "tokenCount": 3 }],
    });
    let usage = read_usage(&raw).unwrap();
    assert_eq!((usage.input_tokens, usage.output_tokens), (Some(15), Some(9)));
    assert_eq!((usage.cache_read_tokens, usage.reasoning_tokens), (Some(4), Some(7)));
    assert_eq!((usage.audio_input_tokens, usage.audio_output_tokens), (Some(3), None));
    let blocked = read_usage(&json!({ "promptTokenCount": 3 })).unwrap();
    assert_eq!((blocked.input_tokens, blocked.output_tokens), (Some(3), Some(0)));
    assert_eq!(read_usage(&json!({})), None);
}

#[test]
fn every_reason_to_end_has_a_meaning() {
    for (raw, unified) in [
        ("STOP", Finish::Stop),
        ("MAX_TOKENS", Finish::Length),
        ("SAFETY", Finish::ContentFilter),
        ("IMAGE_PROHIBITED_CONTENT", Finish::ContentFilter),
        ("MALFORMED_FUNCTION_CALL", Finish::Error),
        ("NEW_WORD", Finish::Other("NEW_WORD".to_owned())),
    ] {
        assert_eq!(finish_reason(raw), FinishReason::new(unified, raw));
    }
}

#[test]
fn log_probabilities_come_with_their_alternatives() {
    let logprobs = read_logprobs(&json!({
        "chosenCandidates": [{ "token": "a", "logProbability": -0.5 }, { "token": "b" }],
        "topCandidates": [{ "candidates": [{ "token": "a", "logProbability": -0.5 }] }],
    }))
    .unwrap();
    let read: Vec<_> =
        logprobs.content.iter().map(|it| (it.token.as_str(), it.logprob, it.top.len())).collect();
    assert_eq!(read, [("a", -0.5, 1), ("b", 0.0, 0)]);
}
