//! Limits of the process: memory, open files, and no image of its memory when it dies.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::Confinement;

pub(super) fn apply(confinement: &Confinement) -> Vec<String> {
    let limits = [
        (Resource::As, confinement.memory, "memory"),
        (Resource::Nofile, confinement.open_files, "open files"),
        (Resource::Core, 0, "core dumps"),
    ];
    let mut missing = Vec::new();
    for (resource, limit, name) in limits {
        if let Err(error) = lower(resource, limit) {
            missing.push(format!("{name} are not limited: {error}"));
        }
    }
    missing
}

/// A limit that is lower already stays.
fn lower(resource: Resource, limit: u64) -> rustix::io::Result<()> {
    let limit = getrlimit(resource).maximum.map_or(limit, |before| before.min(limit));
    setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) })
}
