//! The provider of a worker, and what it answers.

use std::sync::{Arc, OnceLock};

use allos_plugin_abi::abi_stable::std_types::RResult;
use allos_plugin_abi::{FrameStreamBox, Outcome, Payload, PluginRef, ProviderBox};
use allos_plugin_api::boundary::payload::{check_length, decode_error, encode, encode_error};
use allos_plugin_api::{ProviderConfig, ProviderError};
use bytes::Bytes;
use tokio::task::AbortHandle;

use super::super::attendant::give;
use super::super::connection::{Attend, Connection, Limit};
use super::super::exchange::Answer;
use super::super::operations::{PING, STREAM_CHAT, named};
use super::services::HostOfWorker;
use crate::provider::{finish, next_frame};

/// The provider, once the plugin has made it. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Provider(Arc<OnceLock<ProviderBox>>);

impl Provider {
    /// Has the plugin make it.
    pub(super) fn make(
        &self,
        module: PluginRef,
        config: &ProviderConfig,
        connection: &Connection,
        log_level: u8,
    ) -> Result<(), ProviderError> {
        let host = HostOfWorker::new(connection.clone(), log_level).into_vtable();
        let made = (module.create())(encode(config)?, host).into_result();
        let provider = made.map_err(|error| decode_error(&error))?;
        let _only_once = self.0.set(provider);
        Ok(())
    }
}

impl Attend for Provider {
    /// The host is trusted with how much it asks.
    const LIMIT: Limit = Limit { exchanges: usize::MAX, bytes: usize::MAX, unread: usize::MAX };

    fn open(&self, what: &str, payload: Bytes, answer: Answer) -> Option<AbortHandle> {
        if what == PING {
            answer.last(&[]);
            return None;
        }
        let provider = self.0.get()?;
        let payload = Payload::from(&*payload);
        let task = if what == STREAM_CHAT {
            tokio::spawn(pump(provider.stream_chat(payload), answer))
        } else if let Some(operation) = named(what) {
            let answered = finish(operation.start(provider, payload));
            tokio::spawn(async move { give(answer, checked(answered.await)) })
        } else {
            answer.fail(&encode_error(&ProviderError::unsupported(what)));
            return None;
        };
        Some(task.abort_handle())
    }

    fn tell(&self, _: &str, _: Bytes) {}
}

async fn pump(mut frames: FrameStreamBox, answer: Answer) {
    while let Some(frame) = next_frame(&mut frames).await {
        match checked(frame) {
            RResult::ROk(frame) => answer.item(&frame).await,
            RResult::RErr(error) => return answer.fail(&error),
        }
    }
    answer.end();
}

/// What is too long to be read is not even sent.
fn checked(outcome: Outcome) -> Outcome {
    let (RResult::ROk(payload) | RResult::RErr(payload)) = &outcome;
    match check_length(payload) {
        Ok(()) => outcome,
        Err(error) => RResult::RErr(encode_error(&error)),
    }
}
