//! What some modes need, and why they are skipped where it is not there.

use std::fs;
use std::process::Command;

/// Why what needs root cannot be done, if it cannot.
pub fn no_root() -> Option<String> {
    let us = fs::metadata("/proc/self").map(|us| std::os::unix::fs::MetadataExt::uid(&us));
    (!matches!(us, Ok(0))).then(|| "it needs root".to_owned())
}

/// Why namespaces of our own cannot be had, if they cannot.
pub fn no_namespaces() -> Option<String> {
    let tried = Command::new("unshare").args(["--mount", "--pid", "--fork", "--mount-proc", "true"]).output();
    let had = tried.is_ok_and(|tried| tried.status.success());
    (!had).then(|| "it needs root, `unshare`, and mount and pid namespaces of its own".to_owned())
}
