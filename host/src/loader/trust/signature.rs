//! Detached signatures in minisign's format: `FILE.minisig` beside the file.
//!
//! The format is that of <https://jedisct1.github.io/minisign/>. The trusted comment, which is
//! signed as well, holds `allos:NAME VERSION`, alone or as one of the fields between tabs.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use allos_plugin_api::Descriptor;
use minisign_verify::{Error, Signature};

use super::super::candidate::Reason;
use super::super::file_name;
use super::access::shell_word;
use crate::config::TrustedKey;
use crate::io_reason::io_reason;

/// The longest signature that is read, in bytes.
const MAX_SIGNATURE: u64 = 64 * 1024;

/// What stands before the name in the trusted comment.
const MARK: &str = "allos:";

/// The key that has signed this content for its plugin and version.
pub(super) fn check<'keys>(
    path: &Path,
    content: &[u8],
    descriptor: &Descriptor,
    keys: &'keys [TrustedKey],
) -> Result<&'keys TrustedKey, Reason> {
    let expected = format!("{} {}", descriptor.name, descriptor.plugin_version);
    let comment = shell_word(Path::new(&format!("{MARK}{expected}")));
    let sign = match comment.len() {
        0..100 => format!("sign it: `minisign -S -m {} -t {comment}`", shell_word(path)),
        _ => "give it a version like 1.2.3, and sign it".to_owned(),
    };
    let signature = read(&place(path)).map_err(|reason| reason.hint(sign.clone()))?;
    let key = signer(content, &signature, keys)?;
    let mut fields = signature.trusted_comment().split('\t');
    match fields.find_map(|field| field.trim().strip_prefix(MARK)) {
        Some(signed) if signed == expected => Ok(key),
        Some(signed) => Err(Reason::new(format!(
            "its signature is one for `{signed}`, and the file is `{expected}`"
        ))
        .hint(sign)),
        None => Err(Reason::new(format!(
            "the trusted comment of its signature does not hold `{MARK}{expected}`"
        ))
        .hint(sign)),
    }
}

fn place(path: &Path) -> PathBuf {
    let mut place = path.as_os_str().to_owned();
    place.push(".minisig");
    place.into()
}

fn read(place: &Path) -> Result<Signature, Reason> {
    let name = file_name(place);
    let mut text = String::new();
    let read = File::open(place).and_then(|it| it.take(MAX_SIGNATURE).read_to_string(&mut text));
    read.map_err(|error| match error.kind() {
        ErrorKind::NotFound => Reason::new(format!("it is not signed: there is no `{name}`")),
        _ => Reason::new(format!("its signature `{name}` cannot be read: {}", io_reason(&error))),
    })?;
    Signature::decode(&text)
        .map_err(|_| Reason::new(format!("`{name}` is not a signature in minisign's format")))
}

fn signer<'keys>(
    content: &[u8],
    signature: &Signature,
    keys: &'keys [TrustedKey],
) -> Result<&'keys TrustedKey, Reason> {
    let mut reason = Reason::new("it is signed with a key that is not trusted")
        .hint("if you trust its signer, add the public key to `keys` in [trust]");
    for key in keys {
        match key.verify(content, signature) {
            Ok(()) => return Ok(key),
            Err(Error::UnexpectedKeyId) => {}
            Err(Error::UnexpectedAlgorithm) => {
                reason = Reason::new("its signature is of the old kind, over the file itself")
                    .hint("sign it without `-l`, with minisign 0.10 or later");
            }
            Err(_) => {
                reason = Reason::new("its signature does not fit: one of the two was changed")
                    .hint("copy the file and its signature again, from where they come from");
            }
        }
    }
    Err(reason)
}
