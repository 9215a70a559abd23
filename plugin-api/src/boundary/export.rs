//! An author's [`Provider`] behind the vtable.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use allos_plugin_abi::abi_stable::sabi_trait::TD_Opaque;
use allos_plugin_abi::abi_stable::std_types::{ROption, RResult, RStr};
use allos_plugin_abi::async_ffi::{FfiContext, FfiFuture, FfiPoll};
use allos_plugin_abi::{
    FrameStream, FrameStream_TO, FrameStreamBox, HostBox, Outcome, Payload, ProviderBox,
    ProviderVtable, ProviderVtable_TO,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::boundary::panic::{Contained, contain, log_panics_to};
use crate::boundary::payload::{decode, encode, encode_error};
use crate::boundary::slot::Slot;
use crate::error::ProviderError;
use crate::host::Host;
use crate::provider::{ChunkSink, Provider};

/// Makes a provider for the host.
pub fn create<P: Provider>(config: &Payload, host: HostBox) -> RResult<ProviderBox, Payload> {
    let host = Host::from_vtable(host);
    log_panics_to(&host);
    let made = decode(config).and_then(|config| contain(|| P::new(config, host)).flatten());
    match made {
        Ok(provider) => {
            let exported = Exported(Arc::new(Contained::new(provider)));
            RResult::ROk(ProviderVtable_TO::from_value(exported, TD_Opaque))
        }
        Err(error) => RResult::RErr(encode_error(&error)),
    }
}

/// A provider that the host holds. Each call holds it too, so the last of them drops it.
struct Exported<P>(Arc<Contained<P>>);

impl<P: Provider> Exported<P> {
    /// A call from one payload to another.
    fn operation<In, Out, F>(
        &self,
        payload: &Payload,
        run: impl FnOnce(Arc<Contained<P>>, In) -> F + Send + 'static,
    ) -> FfiFuture<Outcome>
    where
        In: DeserializeOwned + Send + 'static,
        Out: Serialize,
        F: Future<Output = Result<Out, ProviderError>> + Send + 'static,
    {
        let call = decode(payload)
            .and_then(|input| contain(|| Box::pin(run(self.0.clone(), input))))
            .map(Contained::new);
        FfiFuture::new(async move {
            let answer = match call {
                Ok(mut call) => std::future::poll_fn(|context| call.poll(context)).await.flatten(),
                Err(error) => Err(error),
            };
            outcome(answer)
        })
    }
}

fn outcome<T: Serialize>(answer: Result<T, ProviderError>) -> Outcome {
    match answer.and_then(|answer| encode(&answer)) {
        Ok(payload) => RResult::ROk(payload),
        Err(error) => RResult::RErr(encode_error(&error)),
    }
}

impl<P: Provider> ProviderVtable for Exported<P> {
    fn chat(&self, request: Payload) -> FfiFuture<Outcome> {
        self.operation(&request, |it, request| async move { it.get().chat(request).await })
    }

    fn stream_chat(&self, request: Payload) -> FrameStreamBox {
        let slot = Slot::default();
        let provider = self.0.clone();
        let mut chunks = ChunkSink::to_consumer(slot.clone());
        let call = decode(&request).map(|request| {
            Contained::new(Box::pin(async move {
                provider.get().stream_chat(request, &mut chunks).await
            }))
        });
        FrameStream_TO::from_value(ChunkFrames { call: Some(call), slot }, TD_Opaque)
    }

    fn context_window(&self, model: Payload) -> FfiFuture<Outcome> {
        self.operation(
            &model,
            |it, model: String| async move { it.get().context_window(&model).await },
        )
    }

    fn call(&self, operation: RStr<'_>, payload: Payload) -> FfiFuture<Outcome> {
        match operation.as_str() {
            "models" => self.operation(&payload, |it, ()| async move { it.get().models().await }),
            "embed" => {
                self.operation(&payload, |it, request| async move { it.get().embed(request).await })
            }
            "count_tokens" => self.operation(&payload, |it, request| async move {
                it.get().count_tokens(request).await
            }),
            other => {
                let error = ProviderError::unsupported(format_args!("the operation `{other}`"));
                FfiFuture::new(std::future::ready(RResult::RErr(encode_error(&error))))
            }
        }
    }
}

/// A call that streams: the author's future, and the slot into which it puts its chunks.
struct ChunkFrames<F> {
    call: Option<Result<Contained<Pin<Box<F>>>, ProviderError>>,
    slot: Slot,
}

impl<F: Future<Output = Result<(), ProviderError>> + Send> ChunkFrames<F> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Outcome>> {
        if let Some(chunk) = self.slot.take() {
            return Poll::Ready(Some(outcome(Ok(chunk))));
        }
        let result = match &mut self.call {
            None => return Poll::Ready(None),
            Some(Err(error)) => Poll::Ready(Err(error.clone())),
            Some(Ok(call)) => {
                self.slot.register(context.waker());
                call.poll(context).map(Result::flatten)
            }
        };
        if result.is_ready() {
            self.call = None;
        }
        match (self.slot.take(), result) {
            (Some(chunk), result) => {
                self.keep_error(result);
                Poll::Ready(Some(outcome(Ok(chunk))))
            }
            (None, Poll::Pending) => Poll::Pending,
            (None, Poll::Ready(Ok(()))) => Poll::Ready(None),
            (None, Poll::Ready(Err(error))) => {
                Poll::Ready(Some(RResult::RErr(encode_error(&error))))
            }
        }
    }

    /// An error that came after a chunk waits until the chunk was taken.
    fn keep_error(&mut self, result: Poll<Result<(), ProviderError>>) {
        if let Poll::Ready(Err(error)) = result {
            self.call = Some(Err(error));
        }
    }
}

impl<F: Future<Output = Result<(), ProviderError>> + Send> FrameStream for ChunkFrames<F> {
    fn poll_next(&mut self, context: &mut FfiContext<'_>) -> FfiPoll<ROption<Outcome>> {
        let polled = context.with_context(|context| self.poll(context));
        FfiPoll::from_poll(polled.map(ROption::from))
    }
}
