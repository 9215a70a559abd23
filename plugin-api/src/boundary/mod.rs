//! An author's provider ↔ the vtable: encoding, polling and panic containment.
//!
//! Everything here is for the export macro and for the host. An author needs none of it, and none
//! of it is part of the promises of this crate's version.

mod export;
pub(crate) mod frames;
mod panic;
pub mod payload;
pub(crate) mod slot;
pub mod static_descriptor;

pub use allos_plugin_abi as abi;
pub use export::create;
pub use panic::REPORT_PANIC;
