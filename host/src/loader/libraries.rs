//! Whether this system has the libraries that a plugin needs, in the versions that it needs.
//!
//! Looks where glibc's loader looks (`man ld.so`): the plugin's own folders, `LD_LIBRARY_PATH`, the
//! loader's cache, the default folders. Where there is no such cache (another libc, another
//! system) nothing is checked here, and a missing library is a reason of the stage that opens.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::candidate::Reason;
use super::elf::{NeededVersion, Needs, defined_versions};

const CACHE: &str = "/etc/ld.so.cache";
const DEFAULT_FOLDERS: [&str; 4] = ["/lib64", "/usr/lib64", "/lib", "/usr/lib"];

/// Refuses a library whose needs this system does not meet.
pub(super) fn check(needs: &Needs) -> Result<(), Reason> {
    let Some(system) = system() else { return Ok(()) };
    for library in &needs.libraries {
        if system.find(library, &needs.folders).is_empty() {
            return Err(missing_library(library, needs));
        }
    }
    for needed in &needs.versions {
        check_version(needed, &system.find(&needed.library, &needs.folders))?;
    }
    Ok(())
}

/// The folders in which this system's loader finds libraries.
pub(crate) fn library_folders() -> Vec<PathBuf> {
    let Some(system) = system() else { return Vec::new() };
    // Not every text of the cache that looks like a path is one.
    let cached = system.cached.values().flatten().filter(|path| path.is_file());
    let cached = cached.filter_map(|path| path.parent());
    let folders: BTreeSet<_> =
        system.folders.iter().map(PathBuf::as_path).chain(cached).map(Path::to_owned).collect();
    folders.into_iter().filter(|it| it.is_absolute() && it.parent().is_some()).collect()
}

fn missing_library(library: &str, needs: &Needs) -> Reason {
    let reason = Reason::new(format!("it needs the library `{library}`, which is not installed"));
    if library.starts_with("libc.musl") {
        return reason.hint("it was built for musl; build it for this system's libc");
    }
    if needs.folders.iter().any(|folder| folder.contains("$ORIGIN")) {
        return reason.hint(
            "a plugin is opened from a private copy, so `$ORIGIN` finds nothing; link it statically",
        );
    }
    reason.hint("install it, or link it statically into the plugin")
}

/// A library may be there several times, for several architectures; one that has it will do. One
/// that defines no versions at all has every version.
fn check_version(needed: &NeededVersion, paths: &[PathBuf]) -> Result<(), Reason> {
    let NeededVersion { library, version } = needed;
    let defined: Vec<_> = paths.iter().map(|path| versions_of(path)).collect();
    if defined.iter().any(|versions| versions.is_empty() || versions.contains(version)) {
        return Ok(());
    }
    let Some(first) = defined.first() else { return Ok(()) };
    let newest = newest_like(version, first);
    let here = newest.map_or_else(String::new, |newest| format!(", whose newest here is {newest}"));
    Err(Reason::new(format!("it needs {version} of `{library}`{here}"))
        .hint("build it on an older system, or upgrade this one"))
}

/// The highest of the defined versions of the same family (`GLIBC_…`).
fn newest_like<'defined>(version: &str, defined: &'defined [String]) -> Option<&'defined String> {
    let (family, _) = version.split_once('_')?;
    let number = |text: &str| -> Option<Vec<u32>> {
        let number = text.strip_prefix(family)?.strip_prefix('_')?;
        number.split('.').map(|part| part.parse().ok()).collect()
    };
    defined.iter().filter(|text| number(text).is_some()).max_by_key(|text| number(text))
}

/// The versions that a library of the system defines, read once in the life of the process.
fn versions_of(path: &Path) -> Arc<Vec<String>> {
    static KNOWN: OnceLock<Mutex<HashMap<PathBuf, Arc<Vec<String>>>>> = OnceLock::new();
    let mut known =
        KNOWN.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    let versions = known.entry(path.to_owned()).or_insert_with(|| Arc::new(read_versions(path)));
    versions.clone()
}

/// None where they cannot be read: then the stage that opens will tell.
fn read_versions(path: &Path) -> Vec<String> {
    let Ok(content) = std::fs::read(path) else { return Vec::new() };
    let file = object::File::parse(&*content);
    file.and_then(|file| defined_versions(&file)).unwrap_or_default()
}

/// The libraries of a system whose loader is glibc's.
struct System {
    /// By file name, those that the loader's cache names.
    cached: HashMap<String, Vec<PathBuf>>,
    folders: Vec<PathBuf>,
}

fn system() -> Option<&'static System> {
    static SYSTEM: OnceLock<Option<System>> = OnceLock::new();
    SYSTEM.get_or_init(System::read).as_ref()
}

impl System {
    fn read() -> Option<Self> {
        if !cfg!(all(target_os = "linux", target_env = "gnu")) {
            return None;
        }
        let cached = paths_in(&std::fs::read(CACHE).ok()?);
        let named = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
        let folders = std::env::split_paths(&named).chain(DEFAULT_FOLDERS.map(PathBuf::from));
        Some(Self { cached, folders: folders.collect() })
    }

    /// Every file that the loader might take.
    fn find(&self, library: &str, own_folders: &[String]) -> Vec<PathBuf> {
        let own = own_folders.iter().filter(|folder| !folder.contains('$')).map(Path::new);
        let folders = own.chain(self.folders.iter().map(PathBuf::as_path));
        let in_folders = folders.map(|folder| folder.join(library));
        let in_cache = self.cached.get(library).into_iter().flatten().cloned();
        in_folders.chain(in_cache).filter(|path| path.is_absolute() && path.is_file()).collect()
    }
}

/// The cache holds the path of each library as a text that ends with a zero byte.
fn paths_in(cache: &[u8]) -> HashMap<String, Vec<PathBuf>> {
    let mut paths: HashMap<String, Vec<PathBuf>> = HashMap::new();
    for text in cache.split(|byte| *byte == 0).filter(|text| text.starts_with(b"/")) {
        let path = PathBuf::from(String::from_utf8_lossy(text).into_owned());
        paths.entry(super::file_name(&path)).or_default().push(path);
    }
    paths
}

#[cfg(test)]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod tests {
    use super::*;

    fn check_with(library: &str, version: &str) -> Result<(), Reason> {
        check(&Needs {
            libraries: vec!["libc.so.6".into(), library.into()],
            folders: vec!["$ORIGIN".into()],
            versions: vec![NeededVersion { library: library.into(), version: version.into() }],
        })
    }

    #[test]
    fn the_libraries_of_this_system_are_found() {
        check_with("libc.so.6", "GLIBC_2.4").unwrap();
        check_with("libm.so.6", "GLIBC_2.29").unwrap();
    }

    #[test]
    fn a_newer_glibc_is_named_beside_this_one() {
        let reason = format!("{:?}", check_with("libc.so.6", "GLIBC_9.99").unwrap_err());
        assert!(
            reason.contains("it needs GLIBC_9.99 of `libc.so.6`, whose newest here is GLIBC_2."),
            "{reason}"
        );
    }

    #[test]
    fn a_library_that_is_not_installed_is_named() {
        let reason = format!("{:?}", check_with("libnowhere.so.7", "X_1").unwrap_err());
        assert!(reason.contains("needs the library `libnowhere.so.7`, which is not"), "{reason}");
        let reason = format!("{:?}", check_with("libc.musl-x86_64.so.1", "X_1").unwrap_err());
        assert!(reason.contains("built for musl"), "{reason}");
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        let defined = ["GLIBC_2.9", "GLIBC_2.36", "GLIBC_PRIVATE", "GCC_99"].map(String::from);
        assert_eq!(newest_like("GLIBC_2.40", &defined).unwrap(), "GLIBC_2.36");
        assert_eq!(newest_like("OTHER_1", &defined), None);
    }
}
