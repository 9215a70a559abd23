//! Which calls of the kernel a worker may make, by seccomp: not those with which a process reaches
//! other processes, other programs' sockets, the network, or more rights than it has.
//!
//! They fail with `EPERM`. Calls that are newer than this list fail as if the kernel did not have
//! them, which programs are prepared for.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, apply_filter_all_threads, sock_filter,
};

/// The number after the newest call that was looked at (`mseal`, Linux 6.10). Numbers from here on
/// are the same on all processors; those of the x32 interface, with its own, lie beyond.
const FIRST_UNKNOWN: u32 = 463;
// From the kernel's headers; not every libc names them.
const SYS_CLONE3: u32 = 435;
const SYS_FCHMODAT2: c_long = 452;
const F_SETOWN_EX: i32 = 15;
const PR_SET_PTRACER: i32 = 0x5961_6d61;
/// `TIOCSTI`, `TIOCLINUX`, `FIOSETOWN`, `SIOCSPGRP`.
const FORBIDDEN_IOCTLS: [i32; 4] = [0x5412, 0x541c, 0x8901, 0x8902];

/// What a provider never does.
const FORBIDDEN: &[c_long] = &[
    // Other programs.
    libc::SYS_execve,
    libc::SYS_execveat,
    // Other processes, and what they share.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_process_mrelease,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_kcmp,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
    libc::SYS_setpgid,
    libc::SYS_setsid,
    libc::SYS_ioprio_set,
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_semctl,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    // Memory that no limit counts.
    libc::SYS_memfd_create,
    // Another view of the system, or of files.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_open_by_handle_at,
    libc::SYS_fanotify_init,
    // Another identity, or a file's.
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setgroups,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_capset,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    SYS_FCHMODAT2,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_utimensat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    // The kernel's own programs, keys and devices, and ways around this list.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_syslog,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_vhangup,
];

/// The same by their older names, which only this processor has.
#[cfg(target_arch = "x86_64")]
const FORBIDDEN_HERE: &[c_long] = &[
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
    libc::SYS_kexec_file_load,
    libc::SYS_ioperm,
    libc::SYS_iopl,
    libc::SYS_modify_ldt,
    libc::SYS_uselib,
];
#[cfg(not(target_arch = "x86_64"))]
const FORBIDDEN_HERE: &[c_long] = &[];

pub(super) fn apply(network: bool) -> Option<String> {
    let applied = filter(network).map_err(seccompiler::Error::from).and_then(|filter| {
        apply_filter_all_threads(&unknown())?;
        apply_filter_all_threads(&filter)
    });
    applied.err().map(|error| format!("calls of the kernel are not limited: {error}"))
}

fn filter(network: bool) -> Result<BpfProgram, BackendError> {
    let forbidden = FORBIDDEN.iter().chain(FORBIDDEN_HERE);
    let mut rules: BTreeMap<_, _> = forbidden.map(|call| (*call, Vec::new())).collect();
    for (call, conditions) in conditional(network) {
        let conditions: Result<Vec<_>, _> = conditions.into_iter().map(Condition::build).collect();
        let conditions = conditions?;
        let rule = if conditions.is_empty() { None } else { Some(SeccompRule::new(conditions)?) };
        rules.entry(call).or_insert_with(Vec::new).extend(rule);
    }
    let arch = std::env::consts::ARCH.try_into()?;
    let refused = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    SeccompFilter::new(rules, SeccompAction::Allow, refused, arch)?.try_into()
}

/// Calls of no known number do not exist. Nor does `clone3`, whose arguments no filter can see: a
/// libc then uses `clone`.
fn unknown() -> BpfProgram {
    let statement = |code, k| sock_filter { code, jt: 0, jf: 0, k };
    let load_number = statement(0x20, 0);
    let if_clone3 = sock_filter { code: 0x15, jt: 2, jf: 0, k: SYS_CLONE3 };
    let if_unknown = sock_filter { code: 0x35, jt: 1, jf: 0, k: FIRST_UNKNOWN };
    let allow = statement(0x06, libc::SECCOMP_RET_ALLOW);
    let absent = statement(0x06, libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned());
    vec![load_number, if_clone3, if_unknown, allow, absent]
}

/// Of an argument of a call, by its number. All are of 32 bits.
struct Condition(u8, SeccompCmpOp, i64);

impl Condition {
    fn build(self) -> Result<SeccompCondition, BackendError> {
        let Self(argument, operator, value) = self;
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value.cast_unsigned())
    }
}

/// Calls that are forbidden where all of the conditions hold.
fn conditional(network: bool) -> Vec<(c_long, Vec<Condition>)> {
    use SeccompCmpOp::{Eq, MaskedEq, Ne};
    let own = i64::from(std::process::id());
    let thread = u64::from(libc::CLONE_THREAD.cast_unsigned());
    let is = |argument, value: i32| Condition(argument, Eq, value.into());
    let mut rules = vec![
        // A new process; a thread is fine.
        (libc::SYS_clone, vec![Condition(0, MaskedEq(thread), 0)]),
        // `sendto` on such a socket reaches any other program's; the kernel takes the second name
        // for the first.
        (libc::SYS_socketpair, vec![Condition(1, MaskedEq(0xf), libc::SOCK_DGRAM.into())]),
        (libc::SYS_socketpair, vec![Condition(1, MaskedEq(0xf), libc::SOCK_RAW.into())]),
        // Whoever opens a file for which it has a lease, its host too, would wait for it.
        (libc::SYS_fcntl, vec![is(1, libc::F_SETLEASE)]),
        // What would make the kernel send a signal for it, or type into a terminal.
        (libc::SYS_fcntl, vec![is(1, libc::F_SETOWN)]),
        (libc::SYS_fcntl, vec![is(1, F_SETOWN_EX)]),
    ];
    for request in FORBIDDEN_IOCTLS {
        rules.push((libc::SYS_ioctl, vec![is(1, request)]));
    }
    // It stays bound to the life of the host, and closed to others.
    for option in [libc::PR_SET_PDEATHSIG, libc::PR_SET_DUMPABLE, PR_SET_PTRACER] {
        rules.push((libc::SYS_prctl, vec![is(0, option)]));
    }
    // Signals to itself, such as those of an abort.
    for call in [
        libc::SYS_kill,
        libc::SYS_tkill,
        libc::SYS_tgkill,
        libc::SYS_rt_sigqueueinfo,
        libc::SYS_rt_tgsigqueueinfo,
    ] {
        rules.push((call, vec![Condition(0, Ne, own)]));
    }
    // Limits and priorities of itself.
    for call in [
        libc::SYS_prlimit64,
        libc::SYS_sched_setparam,
        libc::SYS_sched_setscheduler,
        libc::SYS_sched_setaffinity,
        libc::SYS_sched_setattr,
    ] {
        rules.push((call, vec![Condition(0, Ne, own), Condition(0, Ne, 0)]));
    }
    rules.push((libc::SYS_setpriority, vec![Condition(1, Ne, own), Condition(1, Ne, 0)]));
    // Of every process of its user.
    rules.push((libc::SYS_setpriority, vec![Condition(0, Eq, libc::PRIO_USER.into())]));
    // Sockets of other programs are never opened, those of the network where it is granted.
    let socket = if network {
        let not = |family: i32| Condition(0, Ne, family.into());
        vec![not(libc::AF_INET), not(libc::AF_INET6)]
    } else {
        Vec::new()
    };
    rules.push((libc::SYS_socket, socket));
    rules
}
