//! What the system tells of changes in the plugin folders, as nothing more than a call to look.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

/// More links on the way to a file than this are not followed.
const MAX_LINKS: usize = 8;

/// Hints for as long as this lives; none by default.
#[derive(Default)]
pub(super) struct Hints {
    _watcher: Option<RecommendedWatcher>,
}

impl Hints {
    /// Hints about these folders. Where the system gives none, the log says so.
    pub(super) async fn of(folders: &[PathBuf], hint: &Arc<Notify>) -> Self {
        let (folders, hint) = (folders.to_vec(), hint.clone());
        let started = tokio::task::spawn_blocking(move || start(&folders, hint)).await;
        let watcher = started.ok().and_then(|watcher| {
            watcher.inspect_err(|error| tracing::warn!("no word of changed files: {error}")).ok()
        });
        Self { _watcher: watcher }
    }
}

fn start(folders: &[PathBuf], hint: Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        if event.map_or(true, |event| is_change(event.kind)) {
            hint.notify_one();
        }
    })?;
    for place in folders.iter().flat_map(|folder| places(folder)).collect::<BTreeSet<_>>() {
        if let Err(error) = watcher.watch(&place, RecursiveMode::NonRecursive) {
            tracing::debug!("no word of changes in `{}`: {error}", place.display());
        }
    }
    Ok(watcher)
}

/// Looking at files, which the host itself does, is no change of them.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(kind) => kind == AccessKind::Close(AccessMode::Write),
        _ => true,
    }
}

/// The folders in which something happens where a plugin folder or a file in it changes: the folder
/// itself, those in which the links on the way stand, and those of the files behind links. Of a
/// folder that is not there, the one in which it, or what it is to stand in, will be.
fn places(folder: &Path) -> BTreeSet<PathBuf> {
    let mut places = BTreeSet::new();
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    places.extend(folder.ancestors().find(|it| it.is_dir()).map(Path::to_owned));
    follow_links(&folder, MAX_LINKS, &mut places);
    for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_symlink()) {
            follow_links(&entry.path(), MAX_LINKS, &mut places);
            let target = fs::canonicalize(entry.path()).ok();
            places.extend(target.and_then(|it| it.parent().map(Path::to_owned)));
        }
    }
    places
}

/// Adds the folder of each link on the way to a path.
fn follow_links(path: &Path, left: usize, places: &mut BTreeSet<PathBuf>) {
    for place in path.ancestors() {
        let Ok(target) = fs::read_link(place) else { continue };
        let Some(folder) = place.parent() else { continue };
        places.insert(folder.to_owned());
        if left > 0 {
            follow_links(&folder.join(target), left - 1, places);
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_folder_of_each_link_on_the_way_is_watched() {
        let top = tempfile::tempdir().unwrap();
        let top = fs::canonicalize(top.path()).unwrap();
        let volume = top.join("volume");
        fs::create_dir_all(volume.join("..2026/deep")).unwrap();
        fs::create_dir(top.join("elsewhere")).unwrap();
        fs::write(volume.join("..2026/liba.so"), "").unwrap();
        fs::write(top.join("elsewhere/libb.so"), "").unwrap();
        symlink("..2026", volume.join("..data")).unwrap();
        symlink("..data/liba.so", volume.join("liba.so")).unwrap();
        symlink("../elsewhere/libb.so", volume.join("libb.so")).unwrap();
        let expected = [volume.clone(), volume.join("..2026"), top.join("elsewhere")];
        assert_eq!(places(&volume), expected.into());

        symlink("volume/..data/deep", top.join("plugins")).unwrap();
        let expected = [top.clone(), top.join("plugins"), volume.clone()];
        assert_eq!(places(&top.join("plugins")), expected.into());
        assert_eq!(places(&top.join("later/plugins")), [top].into());
    }
}
