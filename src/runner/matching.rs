//! Which processes a selector means, who belongs to them, and who nearly would have been meant. Pure, but for the pid file.

use std::collections::BTreeSet;
use std::path::Path;

use crate::host::Trouble;
use crate::host::process::{self, Seen};
use crate::model::target::Victim;
use crate::spec::suggest;

/// Near misses that are told.
const MOST_NEAR: usize = 5;

/// As what it was found.
pub(super) fn victim(seen: &Seen) -> Victim {
    Victim { process: seen.process.clone(), name: seen.name.clone(), service: None }
}

/// The pids of those that fit.
pub(super) fn pids_of(all: &[Seen], fits: impl Fn(&Seen) -> bool) -> Vec<i32> {
    all.iter().filter(|seen| fits(seen)).map(|seen| seen.process.pid).collect()
}

/// The kernel keeps 15 bytes of a name; of a longer one the file's name decides.
pub(super) fn is_named(seen: &Seen, name: &str) -> bool {
    const KEPT: usize = 15;
    match name.as_bytes().get(..KEPT).filter(|_| name.len() > KEPT) {
        None => seen.name == name,
        Some(kept) => seen.name.as_bytes() == kept && file_name(seen) == Some(name),
    }
}

fn file_name(seen: &Seen) -> Option<&str> {
    Path::new(seen.command.first()?).file_name()?.to_str()
}

/// Whoever any of them started, and whom those started, none of them twice; the oldest first.
pub(super) fn descendants(of: &[Victim], all: &[Seen]) -> Vec<Victim> {
    let mut family: BTreeSet<i32> = of.iter().map(|victim| victim.process.pid).collect();
    let roots = family.clone();
    loop {
        let before = family.len();
        family.extend(
            all.iter().filter(|seen| family.contains(&seen.parent)).map(|seen| seen.process.pid).collect::<Vec<_>>(),
        );
        if family.len() == before {
            break;
        }
    }
    all.iter()
        .filter(|seen| family.contains(&seen.process.pid) && !roots.contains(&seen.process.pid))
        .map(victim)
        .collect()
}

/// The pid that a file holds.
pub(super) fn pid_in(path: &Path) -> Result<i32, Trouble> {
    process::pid_in(path).map_err(|why| Trouble::new(format!("find the process in {}", path.display()), why))
}

/// For whom no name fits.
pub(super) fn near_names(name: &str, all: &[Seen]) -> String {
    let names: BTreeSet<&str> = all.iter().map(|seen| seen.name.as_str()).collect();
    let part = names.iter().copied().filter(|other| other.contains(name) || name.contains(*other) && other.len() > 3);
    let near: BTreeSet<&str> = suggest::nearest(name, names.iter().copied()).into_iter().chain(part).collect();
    if near.is_empty() {
        return "no name of a process is near; `ps -e -o comm` lists all".to_owned();
    }
    format!("near misses: {}", some(near))
}

/// Those whose command lines hold a word of the pattern, the most alike first.
pub(super) fn near_commands(pattern: &str, all: &[Seen]) -> String {
    const SHOWN: usize = 80;
    let words: Vec<&str> = pattern.split(['*', '?', ' ']).filter(|word| word.len() > 2).collect();
    let lines = all.iter().map(|seen| seen.command.join(" "));
    let near: BTreeSet<String> = lines
        .filter(|line| words.iter().any(|word| line.contains(word)))
        .map(|line| line.chars().take(SHOWN).collect())
        .collect();
    let mut near: Vec<String> = near.into_iter().collect();
    near.sort_by_key(|line| strsim::levenshtein(line, pattern));
    if near.is_empty() {
        return "no command line holds a word of it; the pattern is for the whole line, `ps -e -o args` lists all"
            .to_owned();
    }
    format!("the pattern is for the whole line; near misses: {}", some(near.iter().map(String::as_str)))
}

/// For whom nobody listens.
pub(super) fn near_ports(port: u16, ports: &BTreeSet<u16>) -> String {
    if ports.contains(&port) {
        return "somebody listens there who is not to be seen by us: another user, or in another pid namespace"
            .to_owned();
    }
    let mut near: Vec<u16> = ports.iter().copied().collect();
    near.sort_by_key(|other| other.abs_diff(port));
    near.truncate(MOST_NEAR);
    near.sort_unstable();
    let near: Vec<String> = near.iter().map(ToString::to_string).collect();
    if near.is_empty() {
        "nobody listens on any port".to_owned()
    } else {
        format!("ports that are listened on: {}", near.join(", "))
    }
}

fn some<'a>(near: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = near.into_iter().take(MOST_NEAR).map(|one| format!("`{one}`")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{descendants, is_named, near_commands, near_names, near_ports, victim};
    use crate::host::process::Seen;
    use crate::model::step::ProcessIdentity;

    fn seen(pid: i32, parent: i32, command: &str) -> Seen {
        let process = ProcessIdentity { pid, pidfs_inode: 1, start_ticks: 1 };
        let command: Vec<String> = command.split(' ').map(ToOwned::to_owned).collect();
        let file = command[0].rsplit('/').next().expect("a name");
        Seen { process, parent, name: file.chars().take(15).collect(), command }
    }

    #[test]
    fn a_name_is_the_whole_name_also_where_the_kernel_keeps_less_of_it() {
        assert!(is_named(&seen(7, 1, "/usr/bin/nginx -g"), "nginx"));
        assert!(!is_named(&seen(7, 1, "/usr/bin/nginx-debug"), "nginx"));
        let long = seen(7, 1, "/usr/bin/prometheus-node-exporter --x");
        assert!(is_named(&long, "prometheus-node-exporter"));
        assert!(!is_named(&long, "prometheus-node-importer"));
        assert!(!is_named(&long, "prometheus"));
    }

    #[test]
    fn children_are_all_that_was_started_however_far_down() {
        let all = [seen(7, 1, "a"), seen(8, 7, "b"), seen(9, 8, "c"), seen(10, 1, "d"), seen(6, 9, "e")];
        let family = descendants(&[victim(&all[0]), victim(&all[1])], &all);
        let pids: Vec<i32> = family.iter().map(|one| one.process.pid).collect();
        assert_eq!(pids, [9, 6]);
    }

    #[test]
    fn near_misses_are_named() {
        let all = [seen(7, 1, "/usr/bin/redis-server *:6379"), seen(8, 1, "sleep 5")];
        assert_eq!(near_names("redis-sever", &all), "near misses: `redis-server`");
        assert_eq!(near_names("redis", &all), "near misses: `redis-server`");
        assert!(near_names("postgres", &all).starts_with("no name of a process is near"));
        let near = near_commands("redis-server *:6380", &all);
        assert!(near.ends_with("near misses: `/usr/bin/redis-server *:6379`"), "{near}");
        assert_eq!(near_ports(6380, &BTreeSet::from([22, 6379])), "ports that are listened on: 22, 6379");
    }
}
