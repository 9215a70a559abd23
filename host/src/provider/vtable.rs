//! A provider's vtable as ordinary Rust calls it: operations by name, futures and frames that
//! cannot unwind.

use allos_plugin_abi::abi_stable::std_types::{ROption, RResult, RStr};
use allos_plugin_abi::async_ffi::{ContextExt, FfiFuture, FfiPoll};
use allos_plugin_abi::{FrameStreamBox, Outcome, Payload, ProviderBox};
use allos_plugin_api::boundary::payload::encode_error;
use allos_plugin_api::{ErrorKind, ProviderError};
use futures_util::FutureExt;

/// An operation that is answered in one piece, as the vtable has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation<'name> {
    Chat,
    ContextWindow,
    Optional(&'name str),
}

impl Operation<'_> {
    /// Has a provider carry it out.
    pub(crate) fn start(self, provider: &ProviderBox, input: Payload) -> FfiFuture<Outcome> {
        match self {
            Self::Chat => provider.chat(input),
            Self::ContextWindow => provider.context_window(input),
            Self::Optional(name) => provider.call(RStr::from_str(name), input),
        }
    }
}

/// Awaits a future of a plugin's. Such a future panics where its poll did.
pub(crate) async fn finish(future: FfiFuture<Outcome>) -> Outcome {
    let polled = std::panic::AssertUnwindSafe(future).catch_unwind().await;
    polled.unwrap_or_else(|_| RResult::RErr(encode_error(&panicked())))
}

/// The next frame of a stream of a plugin's; `None` at the end. An error is the last one.
pub(crate) async fn next_frame(frames: &mut FrameStreamBox) -> Option<Outcome> {
    std::future::poll_fn(|context| {
        match context.with_ffi_context(|context| frames.poll_next(context)) {
            FfiPoll::Ready(ROption::RSome(frame)) => std::task::Poll::Ready(Some(frame)),
            FfiPoll::Ready(ROption::RNone) => std::task::Poll::Ready(None),
            FfiPoll::Pending => std::task::Poll::Pending,
            FfiPoll::Panicked => {
                std::task::Poll::Ready(Some(RResult::RErr(encode_error(&panicked()))))
            }
        }
    })
    .await
}

/// The error of a plugin that did not even contain its panic.
pub(crate) fn panicked() -> ProviderError {
    ProviderError::new(ErrorKind::Panicked, "the plugin panicked across its boundary")
}
