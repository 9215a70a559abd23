//! What a host does for its worker: the services of the instance, over the connection.

use std::sync::Arc;

use allos_plugin_abi::abi_stable::std_types::{RResult, RStr};
use allos_plugin_abi::{HostVtable, Outcome, Payload};
use allos_plugin_api::ProviderError;
use allos_plugin_api::boundary::payload::{MAX_PAYLOAD, encode_error};
use bytes::{Buf, Bytes};
use tokio::task::AbortHandle;

use super::connection::{Attend, Limit};
use super::exchange::Answer;
use crate::provider::{Health, next_frame};
use crate::services::Services;

/// What a worker asks for: a request's head and its body.
pub(super) const HTTP: &str = "http";

/// What a worker asks for: any further service, by name.
pub(super) const SERVICE: &str = "service/";

/// What a worker tells: a line for the log, its level before it.
pub(super) const LOG: &str = "log";

/// What a worker tells: a panic of which no caller hears.
pub(super) const PANIC: &str = "panic";

/// Attends to the worker of one instance.
pub(super) struct Attendant {
    pub(super) services: Services,
    pub(super) health: Arc<Health>,
}

impl Attend for Attendant {
    /// A plugin needs one request for a call, or a few. This bounds what a hostile one costs.
    const LIMIT: Limit =
        Limit { exchanges: 4096, bytes: 2 * MAX_PAYLOAD, unread: 64 * 1024 * 1024 };

    fn open(&self, what: &str, payload: Bytes, answer: Answer) -> Option<AbortHandle> {
        let services = self.services.clone();
        let task = match (what, what.strip_prefix(SERVICE)) {
            (HTTP, _) => tokio::spawn(http(services, payload, answer)),
            (_, Some(name)) => {
                let asked = services.call(RStr::from_str(name), Payload::from(&*payload));
                tokio::spawn(async move { give(answer, asked.await) })
            }
            _ => {
                let error =
                    ProviderError::unsupported(format_args!("what a worker calls `{what}`"));
                answer.fail(&encode_error(&error));
                return None;
            }
        };
        Some(task.abort_handle())
    }

    fn tell(&self, what: &str, payload: Bytes) {
        match (what, payload.split_first()) {
            (LOG, Some((level, line))) => {
                self.services.log(*level, RStr::from_str(&String::from_utf8_lossy(line)));
            }
            (PANIC, _) => self.health.fault(&String::from_utf8_lossy(&payload)),
            _ => {}
        }
    }
}

/// Ends an exchange with the answer in one piece.
pub(super) fn give(answer: Answer, outcome: Outcome) {
    match outcome {
        RResult::ROk(payload) => answer.last(&payload),
        RResult::RErr(error) => answer.fail(&error),
    }
}

/// Sends a request, and its response: first the head, then the body in pieces.
async fn http(services: Services, payload: Bytes, answer: Answer) {
    let Some((head, body)) = split_head(payload) else { return };
    let reply = services.http(Payload::from(&*head), Payload::from(&*body)).await;
    let mut reply = match reply {
        RResult::ROk(reply) => reply,
        RResult::RErr(error) => return answer.fail(&error),
    };
    answer.item(&reply.head).await;
    while let Some(piece) = next_frame(&mut reply.body).await {
        match piece {
            RResult::ROk(piece) => answer.item(&piece).await,
            RResult::RErr(error) => return answer.fail(&error),
        }
    }
    answer.end();
}

/// The head of a request has its length before it; the body is what follows.
fn split_head(mut payload: Bytes) -> Option<(Bytes, Bytes)> {
    let length = payload.try_get_u32_le().ok()? as usize;
    let body = payload.len().checked_sub(length).map(|_| payload.split_off(length))?;
    Some((payload, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_that_is_longer_than_what_came_is_none() {
        let split = |bytes: &'static [u8]| split_head(Bytes::from_static(bytes));
        assert_eq!(split(b"\x02\0\0\0headbody"), Some(("he".into(), "adbody".into())));
        assert_eq!(split(b"\x02\0\0\0h"), None);
        assert_eq!(split(b"\x02\0"), None);
    }
}
