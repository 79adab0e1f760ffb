//! Who is on this machine: every process with what it is called and how it was started, and who listens on a port.

use std::collections::BTreeSet;
use std::io;

use procfs::process::{FDTarget, Process, all_processes};
use procfs::{ProcError, ProcResult};

use super::identity::identity;
use crate::host::Trouble;
use crate::model::step::ProcessIdentity;

/// A living process as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Who it is.
    pub process: ProcessIdentity,
    /// Its parent.
    pub parent: i32,
    /// What the kernel calls it: at most 15 bytes.
    pub name: String,
    /// The words it was started with; empty for a thread of the kernel. A process may write over them.
    pub command: Vec<String>,
}

/// Every living process, the oldest first. One that ends meanwhile may be missing.
pub fn census() -> Result<Vec<Seen>, Trouble> {
    let trouble = |error: &dyn std::fmt::Display| Trouble::new("look through all processes", error);
    let mut all = Vec::new();
    for process in all_processes().map_err(|error| trouble(&error))? {
        match process.and_then(|process| look(&process)) {
            Ok(seen) => all.extend(seen),
            Err(ProcError::NotFound(_) | ProcError::PermissionDenied(_)) => {}
            Err(error) => return Err(trouble(&error)),
        }
    }
    all.sort_by_key(|seen| (seen.process.start_ticks, seen.process.pid));
    Ok(all)
}

/// The process of this number; none when there is none.
pub fn seen(pid: i32) -> Result<Option<Seen>, Trouble> {
    match Process::new(pid).and_then(|process| look(&process)) {
        Ok(seen) => Ok(seen),
        Err(ProcError::NotFound(_) | ProcError::PermissionDenied(_)) => Ok(None),
        Err(error) => Err(Trouble::new(format!("look at process {pid}"), error)),
    }
}

fn look(process: &Process) -> ProcResult<Option<Seen>> {
    let stat = process.stat()?;
    // The identity is read last: what was seen before belongs to it only if it is older.
    let Some(identity) = identity(process.pid).filter(|identity| identity.start_ticks == stat.starttime) else {
        return Ok(None);
    };
    let command = process.cmdline()?;
    Ok(Some(Seen { process: identity, parent: stat.ppid, name: stat.comm, command }))
}

/// Who listens on a TCP port in our network namespace, and on which ports somebody listens at all. The processes of other
/// users are seen by root only: then there may be a listener and nobody who is seen to be it.
pub fn listeners(port: u16) -> Result<(Vec<i32>, BTreeSet<u16>), Trouble> {
    let trouble = |error: &dyn std::fmt::Display| Trouble::new("look who listens", error);
    let (mut sockets, mut ports) = (BTreeSet::new(), BTreeSet::new());
    for table in [procfs::net::tcp(), procfs::net::tcp6()] {
        // A machine without IPv6 has no such table.
        let table = match table {
            Err(ProcError::NotFound(_)) => continue,
            table => table.map_err(|error| trouble(&error))?,
        };
        for socket in table.into_iter().filter(|socket| socket.state == procfs::net::TcpState::Listen) {
            ports.insert(socket.local_address.port());
            if socket.local_address.port() == port {
                sockets.insert(socket.inode);
            }
        }
    }
    let mut found = Vec::new();
    for process in all_processes().map_err(|error| trouble(&error))?.flatten() {
        if !sockets.is_empty() && holds(&process, &sockets).map_err(|error| trouble(&error))? {
            found.push(process.pid);
        }
    }
    Ok((found, ports))
}

fn holds(process: &Process, sockets: &BTreeSet<u64>) -> io::Result<bool> {
    let open = match process.fd() {
        Ok(open) => open,
        Err(ProcError::NotFound(_) | ProcError::PermissionDenied(_)) => return Ok(false),
        Err(error) => return Err(io::Error::other(error)),
    };
    let is_one = |target: &FDTarget| matches!(target, FDTarget::Socket(inode) if sockets.contains(inode));
    Ok(open.flatten().any(|open| is_one(&open.target)))
}

#[cfg(test)]
mod tests {
    use super::{census, listeners};

    #[test]
    fn we_are_counted_with_our_words_and_our_parent() {
        let all = census().expect("a look");
        let us = all.iter().find(|seen| seen.process.pid == std::process::id().cast_signed()).expect("we live");
        assert_eq!(us.command, std::env::args().collect::<Vec<_>>());
        assert_eq!(Some(us.parent), rustix::process::getppid().map(|parent| parent.as_raw_pid()));
        assert!(all.is_sorted_by_key(|seen| seen.process.start_ticks), "the oldest first");
    }

    #[test]
    fn who_listens_is_found_by_the_port_and_nobody_by_another() {
        let open = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = open.local_addr().expect("an address").port();
        let (found, ports) = listeners(port).expect("a look");
        assert!(found.contains(&std::process::id().cast_signed()) && ports.contains(&port), "{found:?} {ports:?}");
        drop(open);
        let (found, _) = listeners(port).expect("a look");
        assert!(!found.contains(&std::process::id().cast_signed()));
    }
}
