//! A panic ends the call that it happens in and nothing else: not the host, not the provider.

use allos_host::Host;
use allos_plugin_api::{ErrorKind, ProviderError};

use crate::calls::{assert_neighbours_answer, chat, request, soon, stream};
use crate::folder::PluginFolder;
use crate::isolation::{Isolation, in_both_isolations};

in_both_isolations! {
    a_panic_in_chat_is_an_error_and_the_next_call_works,
    a_panic_in_the_middle_of_a_stream_keeps_the_text_so_far,
    a_panic_whose_payload_panics_is_an_error_too,
    a_panic_while_a_call_is_dropped_harms_nobody,
    a_panic_while_a_provider_is_dropped_harms_nobody,
}

fn assert_panicked(error: &ProviderError, message: &str) {
    assert_eq!(*error.kind(), ErrorKind::Panicked, "{error}");
    assert!(error.message().contains(message), "{error}");
    assert!(!error.message().contains('\n'), "{error}");
    assert!(!error.is_retryable());
}

async fn host(isolation: Isolation, fixture: &str) -> (PluginFolder, Host) {
    let folder = PluginFolder::with(&["echo", fixture]);
    let host = isolation.host(&folder, "").await;
    (folder, host)
}

async fn a_panic_in_chat_is_an_error_and_the_next_call_works(isolation: Isolation) {
    let (_folder, host) = host(isolation, "panic_in_chat").await;
    for _ in 0..3 {
        let error = chat(&host, "panic-in-chat", "panic").await.expect_err("it panics");
        assert_panicked(&error, "the fixture panics in chat");
        assert!(error.message().contains("panic_in_chat.rs:"), "{error}");
        let streamed = stream(&host, "panic-in-chat", "panic").await;
        assert_panicked(&streamed.error.expect("it panics"), "the fixture panics in chat");
        let answer = chat(&host, "panic-in-chat", "calm").await.expect("it answers");
        assert_eq!(answer.first_text(), "calm");
    }
    assert_neighbours_answer(&host).await;
}

async fn a_panic_in_the_middle_of_a_stream_keeps_the_text_so_far(isolation: Isolation) {
    let (_folder, host) = host(isolation, "panic_in_stream").await;
    let streamed = stream(&host, "panic-in-stream", "any").await;
    assert_eq!(streamed.text, "one two ");
    assert!(streamed.finishes.is_empty());
    assert_panicked(&streamed.error.expect("it panics"), "in the middle of a stream");
    assert_neighbours_answer(&host).await;
}

async fn a_panic_whose_payload_panics_is_an_error_too(isolation: Isolation) {
    let (_folder, host) = host(isolation, "panic_payload_panics").await;
    let error = chat(&host, "panic-payload-panics", "panic").await.expect_err("it panics");
    assert_panicked(&error, "panic");
    let answer = chat(&host, "panic-payload-panics", "calm").await.expect("it answers");
    assert_eq!(answer.first_text(), "calm");
    assert_neighbours_answer(&host).await;
}

async fn a_panic_while_a_call_is_dropped_harms_nobody(isolation: Isolation) {
    let (_folder, host) = host(isolation, "panic_in_call_drop").await;
    let handle = host.provider("panic-in-call-drop").expect("it is registered");
    for _ in 0..3 {
        let mut waiting = handle.stream_chat(request("wait", "hello"));
        assert!(soon(waiting.next()).await.expect("a first chunk").is_ok());
        drop(waiting);
    }
    let _panics_at_the_end_of_the_call = chat(&host, "panic-in-call-drop", "calm").await;
    assert_neighbours_answer(&host).await;
}

async fn a_panic_while_a_provider_is_dropped_harms_nobody(isolation: Isolation) {
    let (folder, host) = host(isolation, "panic_in_provider_drop").await;
    let answer = chat(&host, "panic-in-provider-drop", "calm").await.expect("it answers");
    assert_eq!(answer.first_text(), "calm");
    drop(host);
    let host = isolation.host(&folder, "").await;
    let answer = chat(&host, "panic-in-provider-drop", "calm").await.expect("it answers again");
    assert_eq!(answer.first_text(), "calm");
    assert_neighbours_answer(&host).await;
}
