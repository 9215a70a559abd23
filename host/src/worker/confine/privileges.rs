//! What the process may do by who it is: it keeps its user, and nothing of what makes root root.

use std::io::ErrorKind;
use std::path::Path;

use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, set_capabilities,
    set_no_new_privs,
};

pub(super) fn apply(copy: &Path) -> Vec<String> {
    let mut missing = Vec::new();
    let mut note = |what: &str, done: rustix::io::Result<()>| {
        missing.extend(done.err().map(|error| format!("{what}: {error}")));
    };
    note("it may gain privileges", set_no_new_privs(true));
    note("it keeps root's privileges", drop_capabilities(copy));
    // No other process of the same user may look into it, nor may an image of it be kept.
    note("its memory can be read", set_dumpable_behavior(DumpableBehavior::NotDumpable));
    missing
}

/// A copy in another user's folder can only be read with one of them, which then stays; what it
/// reads is still a matter of the rules for files.
fn drop_capabilities(copy: &Path) -> rustix::io::Result<()> {
    let mut sets = capabilities(None)?;
    if sets.permitted.is_empty() {
        return Ok(());
    }
    clear_ambient_capability_set()?;
    sets.inheritable = CapabilitySet::empty();
    sets.effective = CapabilitySet::empty();
    set_capabilities(None, sets)?;
    let denied =
        std::fs::File::open(copy).is_err_and(|error| error.kind() == ErrorKind::PermissionDenied);
    let kept = if denied { CapabilitySet::DAC_READ_SEARCH } else { CapabilitySet::empty() };
    let kept = kept & sets.permitted;
    set_capabilities(
        None,
        CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() },
    )
}
