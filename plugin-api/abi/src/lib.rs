//! The frozen vtable between an allos host and its plugins: ABI 1.
//!
//! Two things cross the boundary: the handful of types in this file, which never change within an
//! ABI version, and *payloads*, which are bytes here (MessagePack with field names) and evolve by
//! name. What the payloads mean is the business of `allos-plugin-api`; this crate knows no noun of
//! it. It changes for nothing but a new ABI version, because `abi_stable` writes the name and the
//! version of this crate into the layout of every type below.
//!
//! Neither a plugin's author nor an application sees this crate: authors use `allos-plugin-api`,
//! applications use `allos-host`.

use abi_stable::library::{__call_root_module_loader, CheckTypeLayout, RootModule};
use abi_stable::package_version_strings;
use abi_stable::prefix_type::PrefixTypeTrait;
use abi_stable::sabi_types::VersionStrings;
use abi_stable::std_types::{ROption, RResult, RStr, RVec};
use abi_stable::{StableAbi, sabi_trait};

pub use abi_stable;
pub use abi_stable::library::{LibHeader, RootModuleResult};
pub use async_ffi;
use async_ffi::{FfiContext, FfiFuture, FfiPoll};

/// The version of this vtable. A host loads a plugin only if both state the same number.
pub const ABI_VERSION: u32 = 1;

/// The symbol under which a plugin exports its [`LibHeader`].
pub const PLUGIN_SYMBOL: &str = "allos_plugin_1";

/// An encoded value of `allos-plugin-api`, freed by the side that made it.
pub type Payload = RVec<u8>;

/// An encoded answer, or an encoded `ProviderError`.
pub type Outcome = RResult<Payload, Payload>;

/// A plugin's root module: all that is reached through the one exported symbol.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = PluginRef)))]
#[sabi(missing_field(panic))]
pub struct Plugin {
    /// The static descriptor as the running code has it; the host compares it with what it has read.
    pub descriptor: extern "C" fn() -> Payload,
    /// Makes a provider from its encoded configuration. May block; never unwinds.
    #[sabi(last_prefix_field)]
    pub create: extern "C" fn(config: Payload, host: HostBox) -> RResult<ProviderBox, Payload>,
}

impl RootModule for PluginRef {
    abi_stable::declare_root_module_statics! {PluginRef}
    const BASE_NAME: &'static str = "allos_plugin";
    const NAME: &'static str = "allos_plugin";
    const VERSION_STRINGS: VersionStrings = package_version_strings!();
}

/// A provider, as the host calls it. No method unwinds, nor does dropping it.
#[sabi_trait]
pub trait ProviderVtable: Send + Sync {
    /// Answers a chat request in one piece.
    fn chat(&self, request: Payload) -> FfiFuture<Outcome>;
    /// Answers a chat request piece by piece. Dropping the stream cancels the call.
    fn stream_chat(&self, request: Payload) -> FrameStreamBox;
    /// The context window of a model, as an encoded optional number of tokens.
    fn context_window(&self, model: Payload) -> FfiFuture<Outcome>;
    /// Any optional operation, by name; an unknown one answers with an error of kind `unsupported`.
    #[sabi(last_prefix_field)]
    fn call(&self, operation: RStr<'_>, payload: Payload) -> FfiFuture<Outcome>;
}

/// An owned [`ProviderVtable`].
pub type ProviderBox = ProviderVtable_TO<'static, abi_stable::std_types::RBox<()>>;

/// A stream of byte frames: a provider's encoded chunks, or the body of an HTTP response.
#[sabi_trait]
pub trait FrameStream: Send {
    /// The next frame; `None` is the end. An error is the last item. Never polled after either.
    #[sabi(last_prefix_field)]
    fn poll_next(&mut self, context: &mut FfiContext<'_>) -> FfiPoll<ROption<Outcome>>;
}

/// An owned [`FrameStream`].
pub type FrameStreamBox = FrameStream_TO<'static, abi_stable::std_types::RBox<()>>;

/// What the host offers a plugin. Every method may be called, and every future polled, from any thread.
#[sabi_trait]
pub trait HostVtable: Send + Sync + Clone {
    /// Sends an HTTP request (encoded head, raw body) and awaits the response's head.
    fn http(&self, head: Payload, body: Payload) -> FfiFuture<RResult<HttpReply, Payload>>;
    /// Whether a log line of this level would be kept.
    fn log_enabled(&self, level: u8) -> bool;
    /// Writes a line to the host's log. Levels: 1 error, 2 warn, 3 info, 4 debug, 5 trace.
    fn log(&self, level: u8, message: RStr<'_>);
    /// Completes after so many milliseconds.
    fn sleep(&self, milliseconds: u64) -> FfiFuture<()>;
    /// Any further service, by name; an unknown one answers with an error of kind `unsupported`.
    #[sabi(last_prefix_field)]
    fn call(&self, service: RStr<'_>, payload: Payload) -> FfiFuture<Outcome>;
}

/// An owned [`HostVtable`].
pub type HostBox = HostVtable_TO<'static, abi_stable::std_types::RBox<()>>;

/// The head of an HTTP response, and its body as it arrives. Dropping the body closes the exchange.
#[repr(C)]
#[derive(StableAbi)]
pub struct HttpReply {
    /// The encoded status and headers.
    pub head: Payload,
    /// The raw bytes of the body, in pieces of any size.
    pub body: FrameStreamBox,
}

/// Makes the header that a plugin exports as [`PLUGIN_SYMBOL`].
///
/// `loader` must be a function that returns what [`load`] returns.
pub const fn header(loader: extern "C" fn() -> RootModuleResult) -> LibHeader {
    // SAFETY: the only way to obtain a `RootModuleResult` that is `ROk` outside abi_stable is
    // `load`, which erases a `PluginRef`, the module type named here.
    unsafe { LibHeader::from_constructor::<PluginRef>(loader, CheckTypeLayout::Yes) }
}

/// Puts a plugin's root module where its header can point at it, for the life of the process.
pub fn module(plugin: Plugin) -> PluginRef {
    plugin.leak_into_prefix()
}

/// Runs a plugin's entry and erases its type for [`header`]; a panic becomes an error.
pub fn load(entry: fn() -> PluginRef) -> RootModuleResult {
    __call_root_module_loader(entry)
}
