//! Plugin folders that are watched: a reload where their files have changed and stay as they are.
//!
//! What the system tells of changes is a hint to look at once. It may be missing (network mounts,
//! too many watches, a volume that is mounted anew), so the files are looked at every few seconds
//! as well, and what they look like decides.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

use super::hints::Hints;
use super::{Fingerprint, State};
use crate::Host;
use crate::config::WatchMode;

/// So long files must look the same before they are read, so that a copy is complete.
const SETTLED: Duration = Duration::from_millis(300);

/// After so long they are read although one of them changes again and again. A file that is not
/// complete is refused then, and costs the others nothing.
const PATIENCE: Duration = Duration::from_secs(10);

/// Plugin folders that are watched for as long as this lives.
#[derive(Debug)]
#[must_use = "dropping it ends the watch"]
pub struct Watching(AbortHandle);

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Host {
    /// Reloads the host whenever a file in its plugin folders comes, changes or goes, as `[reload]`
    /// of the configuration says. Call it inside a tokio runtime.
    pub fn watch(&self) -> Watching {
        Watching(tokio::spawn(watch(self.clone())).abort_handle())
    }
}

async fn watch(host: Host) {
    let hint = Arc::new(Notify::new());
    let mut known: Option<(Arc<State>, Hints)> = None;
    loop {
        let state = host.state();
        let reload = &state.config.reload;
        if reload.watch == WatchMode::Off {
            known = None;
            host.next_reload(&state).await;
            continue;
        }
        if known.as_ref().is_none_or(|(known, _)| !Arc::ptr_eq(known, &state)) {
            let hints = match reload.watch {
                WatchMode::Events => Hints::of(&state.config.plugin_dirs, &hint).await,
                _ => Hints::default(),
            };
            known = Some((state.clone(), hints));
        }
        if let Some(seen) = changed(&state).await {
            host.reload_as(None, Some(seen)).await;
            continue;
        }
        tokio::select! {
            () = hint.notified() => sleep(SETTLED).await,
            () = sleep(reload.poll) => {}
            () = host.next_reload(&state) => {}
        }
    }
}

/// How the files look where they have changed, once they no longer do.
async fn changed(state: &State) -> Option<Fingerprint> {
    let mut seen = Fingerprint::of(&state.config).await;
    let end = Instant::now() + PATIENCE;
    while seen != state.seen {
        sleep(SETTLED).await;
        let now = Fingerprint::of(&state.config).await;
        if now == seen || Instant::now() > end {
            return Some(now);
        }
        seen = now;
    }
    None
}
