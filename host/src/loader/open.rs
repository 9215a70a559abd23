//! The stage that runs code: the private copy is opened.
//!
//! The one place of the host that is unsafe. A library is opened with `libloading`, its header is
//! found by name, and `abi_stable` compares the layout of everything behind it with this host's
//! before any of it is called. A library is never unloaded, so a content is opened once.

#![allow(unsafe_code)]

use std::collections::BTreeMap;
use std::error::Error;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use allos_plugin_abi::abi_stable::library::{
    AbiHeaderRef, LibHeader, LibraryError, RootModuleError,
};
use allos_plugin_abi::{PLUGIN_SYMBOL, PluginRef};
use allos_plugin_api::Descriptor;

use super::admission::{Admission, Session, found};
use super::candidate::{ContentHash, LoadStage, Reason, Refusal};
use super::stdout;

const OTHER_BUILD: &str = "rebuild it with the allos-plugin-api of this host";

/// The modules of the contents that are open in this process.
static OPEN: Mutex<BTreeMap<ContentHash, PluginRef>> = Mutex::new(BTreeMap::new());

/// The stage. What does not run in this process is not opened in it.
pub(super) fn open(admission: &mut Admission, session: &mut Session) -> Result<(), Reason> {
    let stated = found(admission.descriptor.as_deref())?;
    if !(session.loader.runs_here)(stated) {
        return Ok(());
    }
    let path = found(admission.staged.as_deref())?;
    let hash = found(admission.hash)?;
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    let known = open.get(&hash).copied();
    let module = known.map_or_else(|| module_of(path, stated), Ok)?;
    open.insert(hash, module);
    admission.module = Some(module);
    Ok(())
}

/// Opens the private copy of a plugin, in whichever process this is.
pub(crate) fn open_copy(copy: &Path, stated: &Descriptor) -> Result<PluginRef, Refusal> {
    module_of(copy, stated).map_err(|reason| Refusal::new(LoadStage::Open, reason))
}

/// All that runs foreign code is within this.
fn module_of(path: &Path, stated: &Descriptor) -> Result<PluginRef, Reason> {
    let _held = stdout::hold();
    let opened = catch_unwind(AssertUnwindSafe(|| {
        let module = root_module(library_header(path)?)?;
        compare(stated, module)?;
        Ok(module)
    }));
    flush_c_streams();
    opened.unwrap_or_else(|_| Err(Reason::new("it panicked while it was opened")))
}

#[cfg(unix)]
fn library_header(path: &Path) -> Result<&'static LibHeader, Reason> {
    use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
    // SAFETY: this runs the initialisers of a file that an operator has put into a plugin folder;
    // to trust it with this process is what loading a plugin in-process means.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) }
        .map_err(|error| not_opened(&error, path))?;
    // Providers, futures and the panic hook of the plugin's own copy of the standard library point
    // into it for as long as the process lives, so it is never closed.
    let library = ManuallyDrop::new(library);
    // SAFETY: `AbiHeaderRef` is one pointer, and the symbol is the address of what the export macro
    // wrote, whose first part never changes. Null is `None`.
    let symbol = unsafe { library.get::<Option<AbiHeaderRef>>(PLUGIN_SYMBOL) };
    let header = symbol.ok().and_then(|symbol| *symbol).ok_or_else(no_header)?;
    header.upgrade().map_err(|error| refused(&error))
}

#[cfg(windows)]
fn library_header(path: &Path) -> Result<&'static LibHeader, Reason> {
    // SAFETY: as on Unix.
    let library =
        unsafe { libloading::Library::new(path) }.map_err(|error| not_opened(&error, path))?;
    let library = ManuallyDrop::new(library);
    // SAFETY: as on Unix.
    let symbol = unsafe { library.get::<Option<AbiHeaderRef>>(PLUGIN_SYMBOL) };
    let header = symbol.ok().and_then(|symbol| *symbol).ok_or_else(no_header)?;
    header.upgrade().map_err(|error| refused(&error))
}

fn no_header() -> Reason {
    Reason::new(format!("it has a descriptor, and no symbol `{PLUGIN_SYMBOL}`"))
        .hint("export the provider with `#[provider(\"name\")]`, and strip no dynamic symbols")
}

/// A header that brings no layout would not be checked, so it is refused.
fn root_module(header: &'static LibHeader) -> Result<PluginRef, Reason> {
    if header.layout().is_none() {
        return Err(Reason::new("its header does not state the layout of its vtable")
            .hint("export the provider with `#[provider(\"name\")]`"));
    }
    header.init_root_module::<PluginRef>().map_err(|error| refused(&error))
}

/// What the code says must be what was read from the file.
fn compare(stated: &Descriptor, module: PluginRef) -> Result<(), Reason> {
    let code = Descriptor::from_section(&module.descriptor()()).map_err(|error| {
        Reason::new(format!("its code states no descriptor: {error}")).hint(OTHER_BUILD)
    })?;
    if code.name != stated.name {
        return Err(Reason::new(format!(
            "its descriptor says `{}`, its code says `{}`",
            stated.name, code.name
        ))
        .hint("rebuild it; do not edit a library"));
    }
    if (&code.capabilities, &code.dialects) != (&stated.capabilities, &stated.dialects) {
        return Err(Reason::new(
            "its descriptor and its code state other capabilities or dialects",
        )
        .hint("rebuild it; do not edit a library"));
    }
    Ok(())
}

/// `dlopen`'s message, without the path of the copy, which means nothing to an operator.
fn not_opened(error: &libloading::Error, path: &Path) -> Reason {
    let text = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    let copy = path.display().to_string();
    let detail = text.rsplit(&format!("{copy}: ")).next().unwrap_or(&text);
    let reason = Reason::new(format!("it cannot be opened: {detail}"));
    if detail.contains("failed to map segment") {
        return reason.hint("the cache may be mounted noexec; set `cache_dir` to another place");
    }
    if detail.contains("cannot open shared object file") {
        return reason.hint("install that library, or link it statically into the plugin");
    }
    if detail.contains("undefined symbol") {
        return reason.hint("link what defines that symbol into the plugin");
    }
    reason.hint("build the plugin on this machine")
}

/// `abi_stable`'s errors are up to 29 KB long; the log has them whole.
fn refused(error: &LibraryError) -> Reason {
    tracing::debug!("a plugin was refused: {error}");
    match error {
        LibraryError::AbiInstability(_) => {
            Reason::new("the layout of its vtable is not this host's").hint(OTHER_BUILD)
        }
        LibraryError::RootModule { err: RootModuleError::Unwound, .. } => {
            Reason::new("its entry panicked").hint("ask its author; its message is on stderr")
        }
        LibraryError::RootModule { err: RootModuleError::Returned(error), .. } => {
            Reason::new(format!("its entry failed: {error}")).hint("ask its author")
        }
        LibraryError::IncompatibleVersionNumber { expected_version, actual_version, .. } => {
            Reason::new(format!(
                "built with allos-plugin-abi {actual_version}, this host has {expected_version}"
            ))
            .hint(OTHER_BUILD)
        }
        LibraryError::InvalidAbiHeader(_) | LibraryError::InvalidCAbi { .. } => {
            Reason::new("built with an abi_stable that does not fit this host's").hint(OTHER_BUILD)
        }
        _ => Reason::new("its header cannot be read").hint(OTHER_BUILD),
    }
}

/// What C code has printed is still in its buffer, and belongs where output points now.
#[cfg(unix)]
fn flush_c_streams() {
    // SAFETY: null means every stream; the call is allowed from any thread.
    unsafe { libc::fflush(std::ptr::null_mut()) };
}

#[cfg(not(unix))]
fn flush_c_streams() {}
