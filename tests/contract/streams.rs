//! What a host makes of streams and payloads that break the contract of a provider.

use allos_host::Host;
use allos_plugin_api::{ErrorKind, FinishReason};

use crate::calls::{assert_neighbours_answer, chat, sixty_four, soon, stream};
use crate::folder::PluginFolder;
use crate::isolation::{Isolation, in_both_isolations};

in_both_isolations! {
    an_error_in_the_middle_of_a_stream_keeps_the_text_and_what_the_upstream_said,
    a_stream_that_ends_without_a_finish_is_an_error,
    a_stream_that_finishes_twice_has_one_finish_and_then_an_error,
    a_malformed_payload_is_an_error_wherever_it_comes,
}

async fn host(isolation: Isolation, fixture: &str) -> (PluginFolder, Host) {
    let folder = PluginFolder::with(&["echo", fixture]);
    let host = isolation.host(&folder, "").await;
    (folder, host)
}

async fn an_error_in_the_middle_of_a_stream_keeps_the_text_and_what_the_upstream_said(
    isolation: Isolation,
) {
    let (_folder, host) = host(isolation, "error_in_stream").await;
    let streamed = stream(&host, "error-in-stream", "any").await;
    assert_eq!(streamed.text, "one two ");
    assert!(streamed.finishes.is_empty(), "no finish is invented");
    let error = streamed.error.expect("it fails");
    assert_eq!(*error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.message(), "the upstream is overloaded");
    assert_eq!((error.status(), error.code()), (Some(529), Some("overloaded")));
    assert_eq!(error.provider(), Some("error-in-stream"));
    let error = chat(&host, "error-in-stream", "any").await.expect_err("it fails in one piece");
    assert_eq!((error.status(), error.code()), (Some(529), Some("overloaded")));
    assert_neighbours_answer(&host).await;
}

async fn a_stream_that_ends_without_a_finish_is_an_error(isolation: Isolation) {
    let (_folder, host) = host(isolation, "stream_without_finish").await;
    let streamed = stream(&host, "stream-without-finish", "any").await;
    assert_eq!(streamed.text, "one ");
    assert!(streamed.finishes.is_empty(), "no finish is invented");
    let error = streamed.error.expect("it was truncated");
    assert_eq!(*error.kind(), ErrorKind::MalformedReply);
    assert!(error.is_retryable());
    let error = chat(&host, "stream-without-finish", "any").await.expect_err("it was truncated");
    assert_eq!(*error.kind(), ErrorKind::MalformedReply);
    assert_neighbours_answer(&host).await;
}

async fn a_stream_that_finishes_twice_has_one_finish_and_then_an_error(isolation: Isolation) {
    let (_folder, host) = host(isolation, "stream_finishes_twice").await;
    let streamed = stream(&host, "stream-finishes-twice", "any").await;
    assert_eq!(streamed.text, "one", "nothing comes after the finish");
    assert_eq!(streamed.finishes, [FinishReason::STOP]);
    let error = streamed.error.expect("it broke the contract");
    assert_eq!(*error.kind(), ErrorKind::MalformedReply);
    assert_neighbours_answer(&host).await;
}

async fn a_malformed_payload_is_an_error_wherever_it_comes(isolation: Isolation) {
    let (_folder, host) = host(isolation, "malformed_payload").await;
    let handle = host.provider("malformed-payload").expect("it is registered");
    let streamed = stream(&host, "malformed-payload", "any").await;
    assert_eq!((streamed.text.as_str(), streamed.finishes.len()), ("", 0));
    let errors = [
        streamed.error,
        chat(&host, "malformed-payload", "any").await.err(),
        soon(handle.context_window("any")).await.err(),
        soon(handle.models()).await.err(),
    ];
    let errors = errors.into_iter().map(|error| error.expect("it cannot be read"));
    for error in errors.chain(sixty_four(&host, "malformed-payload", "any").await) {
        assert_eq!(*error.kind(), ErrorKind::MalformedReply, "{error}");
        assert!(error.message().contains("payload"), "{error}");
        assert_eq!(error.provider(), Some("malformed-payload"));
    }
    assert_neighbours_answer(&host).await;
}
