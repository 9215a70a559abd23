//! Example payloads, committed: a field that changes its name or its form is a visible diff.
//!
//! `ALLOS_UPDATE_SNAPSHOTS=1 cargo test -p allos-plugin-api` writes the files anew. A payload that
//! was committed once must be readable for as long as the ABI version stands.

#![allow(clippy::unwrap_used)] // a test may panic

use std::fmt::Debug;
use std::path::Path;

use allos_plugin_api::boundary::payload::{decode, encode};
use allos_plugin_api::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn check<T: Serialize + DeserializeOwned + PartialEq + Debug>(name: &str, value: &T) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/snapshots/{name}.json"));
    let payload = encode(value).unwrap();
    let written: Value = decode(&payload).unwrap();
    if std::env::var_os("ALLOS_UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&file, serde_json::to_string_pretty(&written).unwrap() + "\n").unwrap();
    }
    let committed: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(written, committed, "{name} is written in another form than was committed");
    assert_eq!(&decode::<T>(&encode(&committed).unwrap()).unwrap(), value, "{name} is read back");
}

fn extra(name: &str) -> Extra {
    Extra::from_iter([(name.to_owned(), json!({"type": "ephemeral"}))])
}

fn provider_data() -> ProviderData {
    ProviderData::from_iter([("openai-responses".to_owned(), json!({"id": "rs_1"}))])
}

fn every_part() -> Vec<Part> {
    let call = ToolCall {
        id: "call_1".into(),
        name: "weather".into(),
        arguments: "{\"city\":\"Zürich\"}".into(),
        signature: Some("c2ln".into()),
        ..ToolCall::default()
    };
    let result = ToolResult {
        tool_call_id: "call_1".into(),
        tool_name: Some("weather".into()),
        content: vec![Part::text("12 °C")],
        is_error: true,
        ..ToolResult::default()
    };
    let reasoning = ReasoningPart {
        text: "hm".into(),
        summary: true,
        signature: Some("c2ln".into()),
        redacted: Some("eHh4".into()),
        id: Some("rs_1".into()),
        format: Some("openai-responses-v1".into()),
        provider_data: provider_data(),
        extra: Extra::new(),
    };
    let annotation = Annotation {
        kind: "url_citation".into(),
        url: Some("https://example.com".into()),
        title: Some("Example".into()),
        start_index: Some(0),
        end_index: Some(5),
        raw: Some(json!({"type": "url_citation"})),
    };
    let text = TextPart {
        text: "hello".into(),
        annotations: vec![annotation],
        provider_data: provider_data(),
        extra: extra("cache_control"),
    };
    vec![
        Part::Text(text),
        Part::Image(ImagePart {
            source: Source::url("data:image/png;base64,AAAA"),
            detail: Some("low".into()),
            provider_data: ProviderData::new(),
            extra: Extra::new(),
        }),
        Part::Audio(AudioPart {
            source: Source::id("audio_1"),
            format: Some("wav".into()),
            transcript: Some("hello".into()),
            provider_data: ProviderData::new(),
            extra: Extra::new(),
        }),
        Part::File(FilePart {
            source: Source::url("https://example.com/a.pdf"),
            filename: Some("a.pdf".into()),
            provider_data: ProviderData::new(),
            extra: Extra::new(),
        }),
        Part::Reasoning(reasoning),
        Part::Refusal(RefusalPart { text: "no".into(), ..RefusalPart::default() }),
        Part::ToolCall(call),
        Part::ToolResult(result),
        Part::Vendor(VendorPart {
            format: "anthropic-messages".into(),
            raw: json!({"type": "server_tool_use"}),
            provider_data: ProviderData::new(),
        }),
    ]
}

#[test]
fn a_chat_request_is_written_as_it_was_committed() {
    let vendor = || VendorObject { format: "openai-chat".into(), raw: json!({"type": "custom"}) };
    let function = FunctionTool {
        name: "weather".into(),
        description: Some("the weather".into()),
        parameters: Some(json!({"type": "object"})),
        strict: Some(true),
        extra: Extra::new(),
    };
    let request = ChatRequest {
        tools: vec![ToolDefinition::Function(function), ToolDefinition::Vendor(vendor())],
        tool_choice: Some(ToolChoice::tool("weather")),
        parallel_tool_calls: Some(false),
        response_format: Some(ResponseFormat::JsonSchema(JsonSchema {
            name: "city".into(),
            schema: Some(json!({"type": "object"})),
            strict: Some(true),
            ..JsonSchema::default()
        })),
        max_output_tokens: Some(100),
        temperature: Some(0.5),
        top_p: Some(0.9),
        top_k: Some(40),
        frequency_penalty: Some(0.1),
        presence_penalty: Some(-0.1),
        stop: vec!["END".into()],
        seed: Some(-7),
        reasoning: Some(Reasoning {
            effort: Some(ReasoningEffort::High),
            budget_tokens: Some(1024),
            extra: Extra::new(),
        }),
        choices: Some(2),
        logprobs: Some(true),
        top_logprobs: Some(3),
        user: Some("ann".into()),
        extra: extra("service_tier"),
        headers: [("anthropic-beta".to_owned(), "x".to_owned())].into(),
        body: Some(RawBody::new(Dialect::OpenAiChat, "{}")),
        ..ChatRequest::new(
            "gpt-4o",
            vec![
                Message::system("be brief"),
                Message { name: Some("ann".into()), ..Message::new(Role::User, every_part()) },
            ],
        )
    };
    check("chat_request", &request);
}

#[test]
fn a_response_is_written_as_it_was_committed() {
    let token = TokenLogprob {
        token: "hi".into(),
        logprob: -0.25,
        bytes: Some(vec![104, 105]),
        top: vec![TokenLogprob { token: "ho".into(), logprob: -1.5, ..TokenLogprob::default() }],
    };
    let response = ProviderResponse {
        id: Some("resp_1".into()),
        message_id: Some("msg_1".into()),
        upstream_request_id: Some("req_1".into()),
        model: Some("gpt-4o-2024-08-06".into()),
        created: Some(1_700_000_000),
        choices: vec![Choice {
            logprobs: Some(Logprobs { content: vec![token], refusal: Vec::new() }),
            ..Choice::new(every_part(), FinishReason::new(Finish::ToolCalls, "tool_use"))
        }],
        usage: Some(usage()),
        warnings: vec!["top_k was ignored".into()],
        headers: [("x-ratelimit-remaining-requests".to_owned(), "9".to_owned())].into(),
        body: Some(RawBody::new(Dialect::AnthropicMessages, "{}")),
    };
    check("response", &response);
}

fn usage() -> Usage {
    Usage {
        input_tokens: Some(10),
        output_tokens: Some(0),
        cache_read_tokens: Some(4),
        cache_write_tokens: Some(2),
        reasoning_tokens: Some(3),
        audio_input_tokens: Some(1),
        audio_output_tokens: None,
        raw: Some(json!({"prompt_tokens": 10})),
    }
}

#[test]
fn every_chunk_is_written_as_it_was_committed() {
    let text = |index| TextDelta { index, text: "hi".into() };
    let events = vec![
        Event::Start(Start { id: Some("resp_1".into()), ..Start::default() }),
        Event::TextStart(PartStart { index: 0 }),
        Event::TextDelta(text(0)),
        Event::TextEnd(PartEnd { provider_data: provider_data(), ..PartEnd::new(0) }),
        Event::ReasoningStart(ReasoningStart { index: 1, ..ReasoningStart::default() }),
        Event::ReasoningDelta(text(1)),
        Event::Signature(Signature { index: 1, signature: "c2ln".into() }),
        Event::ReasoningEnd(PartEnd { redacted: Some("gAAAA".into()), ..PartEnd::new(1) }),
        Event::ToolCallStart(ToolCallStart {
            index: 2,
            id: "call_1".into(),
            name: "weather".into(),
            extra: Extra::new(),
        }),
        Event::ToolCallDelta(ToolCallDelta { index: 2, arguments: "{}".into() }),
        Event::ToolCallEnd(PartEnd::new(2)),
        Event::RefusalDelta(text(3)),
        Event::Annotation(AnnotationAdded { index: 0, annotation: Annotation::default() }),
        Event::Logprobs(Logprobs::default()),
        Event::Part(WholePart { index: 4, part: Part::text("whole") }),
        Event::Heartbeat(NoFields {}),
        Event::Usage(usage()),
        Event::Finish(FinishReason::STOP),
    ];
    let chunks: Vec<ProviderChunk> = events.into_iter().map(ProviderChunk::from).collect();
    check("chunks", &chunks);
    let body = RawBody::new(Dialect::OpenAiChat, "{}");
    check("chunk_of_second_choice", &ProviderChunk::text("hi").for_choice(1).with_body(body));
}

#[test]
fn an_error_is_written_as_it_was_committed() {
    let error = ProviderError::new(ErrorKind::RateLimit, "slow down")
        .with_provider("openai")
        .with_hint("wait")
        .with_status(429)
        .with_code("rate_limit_exceeded")
        .with_param("model")
        .with_retry_after(std::time::Duration::from_millis(1500))
        .with_upstream_request_id("req_1")
        .with_headers([("retry-after".to_owned(), "2".to_owned())].into())
        .with_upstream_text("{}")
        .with_body(RawBody::new(Dialect::OpenAiChat, "{}"));
    check("error", &error);
}

#[test]
fn configuration_models_and_embeddings_are_written_as_they_were_committed() {
    let config = ProviderConfig {
        instance: "groq".into(),
        model: Some("m".into()),
        api_key: Some(Secret::new("key")),
        base_url: Some("https://example.com/v1".into()),
        headers: [("x-team".to_owned(), Secret::new("blue"))].into(),
        options: extra("region"),
    };
    check("config", &config);
    let model = Model {
        display_name: Some("GPT-4o".into()),
        context_window: Some(128_000),
        max_output_tokens: Some(16_384),
        created: Some(1_700_000_000),
        owned_by: Some("openai".into()),
        raw: Some(json!({"id": "gpt-4o"})),
        ..Model::new("gpt-4o")
    };
    check("models", &vec![model]);
    let tokens = EmbedInput::Tokens(EmbedTokens { tokens: vec![1, 2] });
    let request = EmbedRequest {
        model: "embed".into(),
        inputs: vec![EmbedInput::text("hi"), tokens],
        dimensions: Some(2),
        ..EmbedRequest::default()
    };
    check("embed_request", &request);
    let response = EmbedResponse {
        embeddings: vec![vec![0.5, -0.5], vec![1.0, 0.0]],
        usage: Some(usage()),
        ..EmbedResponse::default()
    };
    check("embed_response", &response);
    check("token_count", &TokenCount { input_tokens: 7, body: None });
}
