//! What the plugin of a worker gets from its host, over the connection.
//!
//! Lines for the log are written at once, so that those before a crash arrive. Sleep alone needs no
//! host.

use std::task::{Context, Poll};
use std::time::Duration;

use allos_plugin_abi::abi_stable::sabi_trait::TD_Opaque;
use allos_plugin_abi::abi_stable::std_types::{ROption, RResult, RStr};
use allos_plugin_abi::async_ffi::{FfiContext, FfiFuture, FfiPoll};
use allos_plugin_abi::{
    FrameStream, FrameStream_TO, HostBox, HostVtable, HostVtable_TO, HttpReply, Outcome, Payload,
};
use allos_plugin_api::boundary::REPORT_PANIC;
use allos_plugin_api::boundary::payload::{decode, encode_error};
use allos_plugin_api::{ErrorKind, ProviderError};
use bytes::Bytes;
use tokio::runtime::Handle;

use super::super::attendant::{HTTP, LOG, PANIC, SERVICE};
use super::super::connection::{Connection, Lost};
use super::super::exchange::Exchange;
use crate::services::sleep;

/// The host, as the plugin sees it.
#[derive(Clone)]
pub(super) struct HostOfWorker {
    connection: Connection,
    runtime: Handle,
    log_level: u8,
}

impl HostOfWorker {
    /// The host at the other end of a connection.
    pub(super) fn new(connection: Connection, log_level: u8) -> Self {
        Self { connection, runtime: Handle::current(), log_level }
    }

    /// The host as it crosses the boundary.
    pub(super) fn into_vtable(self) -> HostBox {
        HostVtable_TO::from_value(self, TD_Opaque)
    }
}

impl HostVtable for HostOfWorker {
    fn http(&self, head: Payload, body: Payload) -> FfiFuture<RResult<HttpReply, Payload>> {
        let length = u32::try_from(head.len()).unwrap_or(u32::MAX).to_le_bytes();
        let exchange = self.connection.open(HTTP, &[&length, &head, &body]);
        FfiFuture::new(async move {
            match first(exchange).await {
                Ok((head, body)) => RResult::ROk(HttpReply {
                    head: Payload::from(&*head),
                    body: FrameStream_TO::from_value(Body(body), TD_Opaque),
                }),
                Err(error) => RResult::RErr(error),
            }
        })
    }

    fn log_enabled(&self, level: u8) -> bool {
        level <= self.log_level
    }

    fn log(&self, level: u8, message: RStr<'_>) {
        if self.log_enabled(level) {
            self.connection.tell(LOG, &[&[level], message.as_bytes()]);
        }
    }

    fn sleep(&self, milliseconds: u64) -> FfiFuture<()> {
        sleep(&self.runtime, Duration::from_millis(milliseconds))
    }

    fn call(&self, service: RStr<'_>, payload: Payload) -> FfiFuture<Outcome> {
        if service == REPORT_PANIC {
            let what = decode::<String>(&payload).unwrap_or_default();
            self.connection.tell(PANIC, &[what.as_bytes()]);
            return FfiFuture::new(std::future::ready(RResult::ROk(Payload::new())));
        }
        let exchange = self.connection.open(&format!("{SERVICE}{service}"), &[&payload]);
        FfiFuture::new(async move {
            match first(exchange).await {
                Ok((answer, _)) => RResult::ROk(Payload::from(&*answer)),
                Err(error) => RResult::RErr(error),
            }
        })
    }
}

/// The first item of an answer, and what gives the others.
async fn first(exchange: Result<Exchange, Lost>) -> Result<(Bytes, Exchange), Payload> {
    let mut exchange = exchange.map_err(|_| gone())?;
    match exchange.next().await {
        Ok(Some(Ok(item))) => Ok((item, exchange)),
        Ok(Some(Err(error))) => Err(Payload::from(&*error)),
        Ok(None) | Err(_) => Err(gone()),
    }
}

fn gone() -> Payload {
    encode_error(&ProviderError::new(ErrorKind::Unavailable, "the host is gone"))
}

/// The body of a response, as the plugin polls it.
struct Body(Exchange);

impl FrameStream for Body {
    fn poll_next(&mut self, context: &mut FfiContext<'_>) -> FfiPoll<ROption<Outcome>> {
        let polled = context.with_context(|context: &mut Context<'_>| self.0.poll_next(context));
        FfiPoll::from_poll(match polled {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(None)) => Poll::Ready(ROption::RNone),
            Poll::Ready(Ok(Some(Ok(piece)))) => {
                Poll::Ready(ROption::RSome(RResult::ROk(Payload::from(&*piece))))
            }
            Poll::Ready(Ok(Some(Err(error)))) => {
                Poll::Ready(ROption::RSome(RResult::RErr(Payload::from(&*error))))
            }
            Poll::Ready(Err(Lost)) => Poll::Ready(ROption::RSome(RResult::RErr(gone()))),
        })
    }
}
