//! A thread of the plugin's own, on which its code runs and its values are dropped.
//!
//! A plugin that blocks or spins starves itself alone: callers wait on channels, with deadlines, on
//! their own threads. The thread is made at the plugin's first call and never waited for, so a
//! stuck plugin delays neither its neighbours nor the end of the host.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// The thread of one plugin.
pub(crate) struct PluginThread {
    plugin: String,
    running: Mutex<Option<Running>>,
}

struct Running {
    runtime: Handle,
    /// Dropping it ends the thread, once the plugin's code lets it.
    _alive: oneshot::Sender<()>,
}

impl PluginThread {
    /// The thread for a plugin; it does not run yet.
    pub(crate) fn new(plugin: &str) -> Arc<Self> {
        Arc::new(Self { plugin: plugin.to_owned(), running: Mutex::new(None) })
    }

    /// The runtime on which the plugin's tasks are polled.
    ///
    /// # Errors
    ///
    /// Where the system has no thread left.
    pub(crate) fn runtime(&self) -> std::io::Result<Handle> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = &*running {
            return Ok(running.runtime.clone());
        }
        let started = start(&self.plugin)?;
        let runtime = started.runtime.clone();
        *running = Some(started);
        Ok(runtime)
    }
}

fn start(plugin: &str) -> std::io::Result<Running> {
    let runtime = Builder::new_current_thread().build()?;
    let handle = runtime.handle().clone();
    let (alive, ended) = oneshot::channel::<()>();
    std::thread::Builder::new().name(format!("plugin {plugin}")).spawn(move || {
        // The sender is never used: the wait ends when it is dropped.
        let _dropped = runtime.block_on(ended);
        runtime.shutdown_background();
    })?;
    Ok(Running { runtime: handle, _alive: alive })
}
