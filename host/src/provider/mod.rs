//! A provider instance as callers see it: the three verbs and the optional operations, in the plain
//! types of `allos-plugin-api`, whatever the plugin behind it does.
//!
//! A call travels [`prepare`] (lanes, tool names) → [`plugin_thread`] (onto the instance's own
//! thread) → the vtable, and back through [`contract`] (what a provider must hold to) and
//! [`redaction`]. The [`watchdog`] sees plugin code that blocks; what is known of its faults is the
//! instance's [`state`]. Which instances exist is the registry's business.

mod contract;
mod handle;
mod in_process;
mod plugin_thread;
mod prepare;
mod redaction;
mod running;
mod state;
mod stream;
mod vtable;
mod watchdog;

pub use handle::ProviderHandle;
pub(crate) use handle::Settings;
pub(crate) use in_process::{CREATE_TIMEOUT, InProcess, Recipe};
pub(crate) use plugin_thread::fault_on_this_thread;
pub(crate) use redaction::Redaction;
pub(crate) use running::{RunningProvider, timed_out};
pub(crate) use state::Health;
pub use state::{InstanceState, InstanceStatus, WorkerStatus};
pub use stream::ChunkStream;
pub(crate) use vtable::{Operation, finish, next_frame};
pub(crate) use watchdog::Blocking;
