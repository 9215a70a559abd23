//! Permissions, locks and signatures of small files. Whole plugins are in the contract tests.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use super::super::descriptor::tests::library;
use super::super::tests::set_mode;
use super::*;

/// A folder `plugins` in a folder of its own, with a file `a.so`.
fn file() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("plugins");
    let file = folder.join("a.so");
    fs::create_dir(&folder).unwrap();
    fs::write(&file, "").unwrap();
    set_mode(place.path(), 0o755);
    set_mode(&folder, 0o755);
    set_mode(&file, 0o644);
    (place, folder, file)
}

fn concerns(path: &Path) -> Result<access::Concerns, String> {
    let facts = fs::metadata(path).unwrap();
    access::check(path, Some(&facts)).map_err(|reason| format!("{reason:?}"))
}

#[test]
fn a_file_that_only_its_owner_can_change_is_of_no_concern() {
    let (_place, _, file) = file();
    assert_eq!(concerns(&file), Ok(access::Concerns::default()));
}

#[test]
fn what_everybody_can_change_is_refused_with_the_command_that_mends_it() {
    let (place, folder, file) = file();
    for (path, mode, mended) in
        [(&file, 0o666, 0o644), (&folder, 0o777, 0o755), (&folder, 0o1777, 0o755)]
    {
        set_mode(path, mode);
        let refused = concerns(&file).unwrap_err();
        assert!(refused.contains("is world-writable"), "{refused}");
        assert!(refused.contains(&format!("run `chmod o-w {}`", path.display())), "{refused}");
        set_mode(path, mended);
    }
    set_mode(place.path(), 0o777);
    let refused = concerns(&file).unwrap_err();
    assert!(refused.contains(&format!("`chmod o-w {}`", place.path().display())), "{refused}");
    set_mode(place.path(), 0o1777);
    assert_eq!(concerns(&file), Ok(access::Concerns::default()), "as the folder /tmp is");
}

#[test]
fn what_a_group_can_change_is_a_warning() {
    let (_place, folder, file) = file();
    set_mode(&file, 0o664);
    set_mode(&folder, 0o775);
    let concerns = concerns(&file).unwrap();
    let group = std::os::unix::fs::MetadataExt::gid(&fs::metadata(&file).unwrap());
    let mend = format!("(hint: run `chmod g-w {}`)", file.display());
    let said = format!("it is group-writable: group {group} can change it {mend}");
    assert_eq!(concerns.file, [said]);
    assert!(concerns.folders[0].starts_with("the folder `"), "{concerns:?}");
    assert!(concerns.folders[0].contains(&format!("`chmod g-w {}`", folder.display())));
    assert_eq!(concerns.folders.len(), 1);
}

#[test]
fn what_another_user_owns_is_a_warning() {
    let (_place, folder, file) = file();
    // Only root can give files away.
    if std::os::unix::fs::chown(&file, Some(4321), None).is_err() {
        return;
    }
    let mend = format!("(hint: run `chown 0 {}`)", file.display());
    let said = format!("it belongs to user 4321, who can change it {mend}");
    assert_eq!(concerns(&file).unwrap().file, [said]);
    std::os::unix::fs::chown(&folder, Some(4321), None).unwrap();
    let concerns = concerns(&file).unwrap();
    assert_eq!((concerns.file.len(), concerns.folders.len()), (0, 1), "once for all files");
}

#[test]
fn links_are_followed_one_by_one_and_their_own_permissions_say_nothing() {
    let (place, folder, _) = file();
    let version = folder.join("..2026_11_22");
    fs::create_dir(&version).unwrap();
    set_mode(&version, 0o755);
    fs::write(version.join("b.so"), "").unwrap();
    set_mode(&version.join("b.so"), 0o644);
    symlink("..2026_11_22", folder.join("..data")).unwrap();
    symlink("..data/b.so", folder.join("b.so")).unwrap();
    let linked = folder.join("b.so");
    assert_eq!(concerns(&linked), Ok(access::Concerns::default()), "a volume of Kubernetes");

    let open = place.path().join("open");
    fs::create_dir(&open).unwrap();
    symlink(folder.join("a.so"), open.join("between.so")).unwrap();
    symlink("../open/between.so", folder.join("c.so")).unwrap();
    set_mode(&open, 0o777);
    let refused = concerns(&folder.join("c.so")).unwrap_err();
    assert!(refused.contains(&format!("{}` is world-writable", open.display())), "{refused}");
    set_mode(&version, 0o777);
    concerns(&linked).unwrap_err();
    set_mode(&version, 0o755);
    set_mode(&version.join("b.so"), 0o666);
    concerns(&linked).unwrap_err();
}

#[test]
fn a_link_to_itself_ends_the_way() {
    let (_place, folder, _) = file();
    symlink("loop.so", folder.join("loop.so")).unwrap();
    access::check(&folder.join("loop.so"), None).unwrap_err();
}

#[test]
fn a_path_is_shown_as_a_shell_takes_it() {
    for (path, shown) in [
        ("/opt/allos/plugins", "/opt/allos/plugins"),
        ("my plugins/a.so", "'my plugins/a.so'"),
        ("it's", r"'it'\''s'"),
        ("-rf", "'./-rf'"),
        ("$HOME", "'$HOME'"),
    ] {
        assert_eq!(access::shell_word(Path::new(path)), shown);
    }
}

/// What the descriptor of a plugin says, and the hash of some content.
fn plugin(name: &str, version: &str) -> Descriptor {
    let (_place, _, file) = file();
    fs::write(&file, library(name)).unwrap();
    let (mut descriptor, _) = super::super::identify(&file).unwrap();
    descriptor.plugin_version = version.to_owned();
    descriptor
}

#[test]
fn a_lock_is_written_in_the_order_of_names_and_replaced_as_a_whole() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("allos.lock");
    let hash = ContentHash::of(b"");
    let plugins = [(plugin("parrot", "2.0.0"), hash), (plugin("crow", "1.0.0"), hash)];
    assert_eq!(pin(&path, &plugins), Ok(vec![true, true]));
    let first = fs::read_to_string(&path).unwrap();
    assert_eq!(pin(&path, &plugins[1..]), Ok(vec![false]));
    assert_eq!(fs::read_to_string(&path).unwrap(), first);
    let lines: Vec<&str> = first.lines().skip(2).collect();
    let sha256 = format!("sha256 = \"{hash}\"");
    assert_eq!(
        lines,
        [
            "[pinned.crow]",
            "version = \"1.0.0\"",
            &sha256,
            "",
            "[pinned.parrot]",
            "version = \"2.0.0\"",
            &sha256
        ]
    );
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1, "no temporary file stays");
}

#[test]
fn a_lock_keeps_its_permissions_and_stays_behind_its_link() {
    let (_place, folder, _) = file();
    let (path, link) = (folder.join("real.lock"), folder.join("allos.lock"));
    symlink("real.lock", &link).unwrap();
    fs::write(&path, "").unwrap();
    set_mode(&path, 0o600);
    let pinned = [(plugin("crow", "1.0.0"), ContentHash::of(b""))];
    pin(&link, &pinned).unwrap();
    assert!(fs::read_to_string(&path).unwrap().contains("crow"));
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_lock_that_is_damaged_is_refused_with_the_line_and_never_written_over() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("allos.lock");
    for (text, words) in [
        ("\n\nnonsense", "line 3"),
        ("[pinned.crow]\nversion = \"1.0.0\"\nsha256 = \"ab\"\n", "line 3: not a SHA-256"),
        ("[pinned.crow]\nversion = \"1.0.0\"\n", "line 1: missing field `sha256`"),
        ("[newest]\ncrow = \"one\"\n", "line 2"),
        ("[minimum]\n", "line 1: unknown field `minimum`"),
    ] {
        fs::write(&path, text).unwrap();
        let refused = lock::read(&path).unwrap_err().to_string();
        assert!(refused.contains("is damaged: ") && refused.contains(words), "{refused}");
        pin(&path, &[]).unwrap_err();
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    assert_eq!(lock::read(&place.path().join("none")).unwrap().0, Lock::default());
}

#[test]
fn a_version_may_follow_only_what_is_not_newer() {
    let mut lock = Lock::default();
    let is_allowed =
        |lock: &Lock, version: &str| lock.check_version(&plugin("crow", version)).is_ok();
    assert!(is_allowed(&lock, "0.0.1"));
    assert!(!is_allowed(&lock, "new"));
    lock.remember(vec![("crow".into(), Version::new(1, 10, 0))]);
    lock.remember(vec![("crow".into(), Version::new(1, 9, 0))]);
    for (version, allowed) in [
        ("1.9.0", false),
        ("1.10.0-rc.1", false),
        ("1.10.0", true),
        ("1.10.0+2", true),
        ("2.0.0", true),
    ] {
        assert_eq!(is_allowed(&lock, version), allowed, "{version}");
    }
    lock.pin(&plugin("crow", "1.8.0"), ContentHash::of(b""));
    assert!(is_allowed(&lock, "1.8.0"), "who pins an old version wants it");
    assert!(!is_allowed(&lock, "1.7.0"));
}

/// What the makers of minisign publish as an example: this key has signed the text `test`.
const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
const SIGNED: &str = "untrusted comment: signature from minisign secret key\n\
    RUQf6LRCGA9i559r3g7V1qNyJDApGip8MfqcadIgT9CuhV3EMhHoN1mGTkUidF/\
    z7SrlQgXdy8ofjb7bNJJylDOocrCo8KLzZwo=\n\
    trusted comment: timestamp:1633700835\tfile:test\tprehashed\n\
    wLMDjy9FLAuxZ3q4NlEvkgtyhrr0gtTu6KC4KBJdITbbOeAi1zBIYo0v4iTgt8jJpIidRJnp94ABQkJAgAooBQ==\n";
const SIGNED_OF_OLD: &str = "untrusted comment: signature from minisign secret key\n\
    RWQf6LRCGA9i59SLOFxz6NxvASXDJeRtuZykwQepbDEGt87ig1BNpWaVWuNrm73YiIiJbq71Wi+dP9eKL8OC351vwIas\
    SSbXxwA=\n\
    trusted comment: timestamp:1555779966\tfile:test\n\
    QtKMXWyYcwdpZAlPF7tE2ENJkRd1ujvKjlj1m9RtHTBnZPa5WKU5uWRs5GoP5M/VqE81QFuMKI5k/SfNQUaOAA==\n";

#[test]
fn a_signature_that_says_too_little_is_refused_for_what_it_lacks() {
    let (_place, _, file) = file();
    let keys = [KEY.parse().unwrap()];
    let crow = plugin("crow", "1.0.0");
    let flipped = SIGNED.replacen("RUQf6LRCGA9i559r3g7V", "RUQf6LRCGA9i559r3g7W", 1);
    let other_key = SIGNED.replacen("RUQf6LRC", "RUQf6LRD", 1);
    for (content, signature, words) in [
        ("test", SIGNED, "trusted comment of its signature does not hold `allos:crow 1.0.0`"),
        ("text", SIGNED, "one of the two was changed"),
        ("test", &flipped, "one of the two was changed"),
        ("test", &other_key, "a key that is not trusted"),
        ("test", SIGNED_OF_OLD, "of the old kind"),
        ("test", "", "`a.so.minisig` is not a signature in minisign's format"),
        ("test", &SIGNED[..90], "is not a signature in minisign's format"),
        ("test", "é\né\né\né\n", "is not a signature in minisign's format"),
    ] {
        fs::write(file.with_extension("so.minisig"), signature).unwrap();
        let refused = signature::check(&file, content.as_bytes(), &crow, &keys).unwrap_err();
        assert!(refused.to_string().contains(words), "{refused}");
        let refused = signature::check(&file, content.as_bytes(), &crow, &[]).unwrap_err();
        assert!(!refused.to_string().is_empty());
    }
}
