//! A stream of byte frames from the other side, as something to await.

use std::fmt;
use std::future::poll_fn;
use std::task::Poll;

use allos_plugin_abi::FrameStreamBox;
use allos_plugin_abi::abi_stable::std_types::{ROption, RResult};
use allos_plugin_abi::async_ffi::{ContextExt, FfiPoll};

use crate::boundary::payload;
use crate::error::{ErrorKind, ProviderError};

/// Frames from the other side. Dropping it cancels whatever makes them.
pub(crate) struct Frames {
    stream: FrameStreamBox,
    ended: bool,
}

impl fmt::Debug for Frames {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Frames").field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl Frames {
    pub(crate) fn new(stream: FrameStreamBox) -> Self {
        Self { stream, ended: false }
    }

    /// The next frame; `None` at the end, and after an error.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<u8>>, ProviderError> {
        if self.ended {
            return Ok(None);
        }
        let polled = poll_fn(|context| {
            match context.with_ffi_context(|context| self.stream.poll_next(context)) {
                FfiPoll::Ready(item) => Poll::Ready(Ok(item)),
                FfiPoll::Pending => Poll::Pending,
                FfiPoll::Panicked => Poll::Ready(Err(())),
            }
        })
        .await;
        match polled {
            Ok(ROption::RSome(RResult::ROk(frame))) => Ok(Some(frame.into())),
            Ok(ROption::RNone) => self.end(Ok(None)),
            Ok(ROption::RSome(RResult::RErr(error))) => {
                self.end(Err(payload::decode_error(&error)))
            }
            Err(()) => self.end(Err(ProviderError::new(
                ErrorKind::Panicked,
                "the other side of the plugin boundary panicked",
            ))),
        }
    }

    fn end<T>(&mut self, result: T) -> T {
        self.ended = true;
        result
    }
}
