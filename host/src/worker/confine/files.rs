//! Which files a worker reaches, by Landlock: what every program needs, its own copy, and what the
//! operator grants. Nothing may be executed.
//!
//! Where the kernel has them it also keeps connections and signals inside; `calls` does that too,
//! on every kernel.

use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, LandlockStatus, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, Scope, path_beneath_rules,
};

use super::Confinement;

/// The newest that this was tested with. Older kernels do the part of it that they know.
const NEWEST: ABI = ABI::V6;
/// The oldest with which a file that may not be written cannot be emptied either.
const COMPLETE: ABI = ABI::V3;

/// Of no secret, and read by any C or Rust library somewhere. What other processes are, and what
/// is in their environment, is not here.
const READ: [&str; 21] = [
    "/lib",
    "/lib32",
    "/lib64",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/local/lib64",
    "/nix/store",
    "/gnu/store",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/ssl/openssl.cnf",
    "/usr/share/zoneinfo",
    "/usr/share/locale",
    "/dev/random",
    "/dev/urandom",
    "/dev/zero",
    "/proc/self",
    "/proc/cpuinfo",
    "/sys/devices/system/cpu",
];
/// To find a host and to trust it.
const READ_FOR_NETWORK: [&str; 13] = [
    "/etc/resolv.conf",
    "/run/systemd/resolve",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/ssl/certs",
    "/etc/ssl/cert.pem",
    "/etc/pki/tls/certs",
    "/etc/pki/ca-trust/extracted",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
];

pub(super) fn apply(confinement: &Confinement, copy: &Path) -> Vec<String> {
    let mut missing = Vec::new();
    let status = restrict(confinement, copy, &mut missing);
    match status {
        Ok(LandlockStatus::Available { effective_abi, .. }) if effective_abi >= COMPLETE => {}
        Ok(LandlockStatus::Available { .. }) => missing.push(
            "files that it may not write can be cut short: the kernel's Landlock is too old \
             (hint: Linux 6.2 or later)"
                .to_owned(),
        ),
        Ok(_) => missing.push(
            "the files that it reads and writes are not limited: the kernel has no Landlock \
             (hint: Linux 5.13 or later, with `landlock` in its `lsm=`)"
                .to_owned(),
        ),
        Err(error) => missing
            .push(format!("the files that it reads and writes are not limited: Landlock: {error}")),
    }
    missing
}

fn restrict(
    confinement: &Confinement,
    copy: &Path,
    missing: &mut Vec<String>,
) -> Result<LandlockStatus, RulesetError> {
    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?;
    if !confinement.network {
        rules = rules.handle_access(AccessNet::from_all(NEWEST))?;
    }
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let write = read
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::MakeSym
        | AccessFs::RemoveFile
        | AccessFs::RemoveDir
        | AccessFs::Refer;
    let for_network = if confinement.network { &READ_FOR_NETWORK[..] } else { &[] };
    let mut rules = rules
        .create()?
        .add_rules(path_beneath_rules(READ.iter().chain(for_network), read))?
        .add_rules(path_beneath_rules(&confinement.libraries, read))?
        .add_rules(path_beneath_rules([copy], read))?
        .add_rules(path_beneath_rules(["/dev/null"], read | AccessFs::WriteFile))?;
    for (paths, access) in [(&confinement.read, read), (&confinement.write, write)] {
        for path in paths {
            rules = grant(rules, path, access, missing)?;
        }
    }
    Ok(rules.restrict_self()?.landlock)
}

/// What an operator names must be there to be granted.
fn grant(
    rules: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
    missing: &mut Vec<String>,
) -> Result<RulesetCreated, RulesetError> {
    match PathFd::new(path) {
        Ok(file) => rules.add_rule(PathBeneath::new(file, access)),
        Err(error) => {
            let reason = std::error::Error::source(&error).map(ToString::to_string);
            missing.push(format!(
                "`{}` is not granted: {}",
                path.display(),
                reason.unwrap_or_else(|| error.to_string())
            ));
            Ok(rules)
        }
    }
}
