//! What the host gives a plugin: http, a log, sleep. The host's side of the boundary's `HostVtable`.
//!
//! A plugin polls these from a thread of its own, where no tokio runtime is, so the work runs on
//! the host's runtime and the plugin waits for a handle. Dropping what a plugin waits for stops
//! the work.

mod http;
mod log;

use std::sync::Arc;
use std::time::Duration;

use allos_plugin_abi::abi_stable::sabi_trait::TD_Opaque;
use allos_plugin_abi::abi_stable::std_types::{RResult, RStr};
use allos_plugin_abi::async_ffi::FfiFuture;
use allos_plugin_abi::{HostBox, HostVtable, HostVtable_TO, HttpReply, Outcome, Payload};
use allos_plugin_api::ProviderError;
use allos_plugin_api::boundary::REPORT_PANIC;
use allos_plugin_api::boundary::payload::{decode, encode_error};
use tokio::runtime::Handle;
use tokio::task::{AbortHandle, JoinHandle};

use crate::provider::{Redaction, fault_on_this_thread};

pub(crate) use http::{client, client_builder};
pub(crate) use log::most_talkative_level;

/// The services of one provider instance.
#[derive(Clone)]
pub(crate) struct Services {
    runtime: Handle,
    client: reqwest::Client,
    instance: Arc<str>,
    redaction: Redaction,
}

impl Services {
    /// Services that run on this runtime and know which secrets no log line may hold.
    pub(crate) fn new(
        runtime: Handle,
        client: reqwest::Client,
        instance: &str,
        redaction: Redaction,
    ) -> Self {
        Self { runtime, client, instance: instance.into(), redaction }
    }

    /// The services as they cross the boundary.
    pub(crate) fn into_vtable(self) -> HostBox {
        HostVtable_TO::from_value(self, TD_Opaque)
    }
}

impl HostVtable for Services {
    fn http(&self, head: Payload, body: Payload) -> FfiFuture<RResult<HttpReply, Payload>> {
        let exchange = http::Exchange::start(&self.runtime, &self.client, &head, body.into());
        FfiFuture::new(async move {
            match exchange.reply().await {
                Ok(reply) => RResult::ROk(reply),
                Err(error) => RResult::RErr(encode_error(&error)),
            }
        })
    }

    fn log_enabled(&self, level: u8) -> bool {
        log::is_enabled(level)
    }

    fn log(&self, level: u8, message: RStr<'_>) {
        log::write(level, &self.instance, self.redaction.text(message.as_str()).as_ref());
    }

    fn sleep(&self, milliseconds: u64) -> FfiFuture<()> {
        sleep(&self.runtime, Duration::from_millis(milliseconds))
    }

    fn call(&self, service: RStr<'_>, payload: Payload) -> FfiFuture<Outcome> {
        if service == REPORT_PANIC {
            let what = decode::<String>(&payload).unwrap_or_default();
            fault_on_this_thread(&what);
            return FfiFuture::new(std::future::ready(RResult::ROk(Payload::new())));
        }
        let error = ProviderError::unsupported(format_args!("the host service `{service}`"))
            .with_hint("this plugin expects a newer allos");
        FfiFuture::new(std::future::ready(RResult::RErr(encode_error(&error))))
    }
}

/// Completes after a time. The timer is made on the runtime, too: on a plugin's thread there is none.
pub(crate) fn sleep(runtime: &Handle, duration: Duration) -> FfiFuture<()> {
    let sleeping = runtime.spawn(async move { tokio::time::sleep(duration).await });
    let stop = AbortOnDrop(sleeping.abort_handle());
    FfiFuture::new(wait(sleeping, stop))
}

async fn wait(sleeping: JoinHandle<()>, _stop: AbortOnDrop) {
    // It fails only where the runtime is gone, and then nobody waits either.
    let _ended = sleeping.await;
}

/// Stops a task when whoever waits for it is gone.
pub(crate) struct AbortOnDrop(pub(crate) AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
