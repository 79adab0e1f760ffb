//! What this process may do beyond what every user may: its capabilities, by name.

use procfs::process::Process;

use crate::host::Trouble;

/// By their numbers, as in `linux/capability.h`.
const NAMES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// The effective capabilities of this process, by name, in the order of their numbers.
pub fn capabilities() -> Result<Vec<String>, Trouble> {
    let status = Process::myself().and_then(|us| us.status());
    let status = status.map_err(|error| Trouble::new("read our capabilities", error))?;
    Ok(named(status.capeff))
}

fn named(set: u64) -> Vec<String> {
    let name = |number: usize| NAMES.get(number).map_or_else(|| format!("capability {number}"), ToString::to_string);
    (0..64).filter(|number| set >> number & 1 == 1).map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::{NAMES, named};

    #[test]
    fn capabilities_have_the_names_of_their_numbers() {
        assert_eq!(named(0), Vec::<String>::new());
        assert_eq!(named(1 << 12 | 1 << 24 | 1 << 50), ["CAP_NET_ADMIN", "CAP_SYS_RESOURCE", "capability 50"]);
        assert_eq!(named(u64::MAX >> 23).len(), NAMES.len());
    }
}
