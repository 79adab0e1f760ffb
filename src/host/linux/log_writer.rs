//! Who writes to the log of a service as its standard output or error: only what that service started does. This is how
//! a process of the run is known that has lost its mark.

use std::path::Path;

use rustix::fs::OFlags;

/// Whether the standard output or error of a process goes to the log of a service of this run.
pub(super) fn writes_to_log(pid: i32, run: &str) -> bool {
    [1, 2].iter().any(|stream| goes_to_log(pid, *stream, run))
}

/// Whoever follows a log has it open for reading.
fn goes_to_log(pid: i32, stream: u8, run: &str) -> bool {
    let to = std::fs::read_link(format!("/proc/{pid}/fd/{stream}"));
    let info = || std::fs::read_to_string(format!("/proc/{pid}/fdinfo/{stream}"));
    to.is_ok_and(|file| is_log(&file, run)) && info().is_ok_and(|info| is_written(&info))
}

/// A log, or the pipe to it, lies in the folder that is named for its run, or did: the pipe has lost its name.
fn is_log(file: &Path, run: &str) -> bool {
    let folder = file.parent().and_then(Path::file_name);
    let ends = ["log", "log (deleted)"];
    folder.is_some_and(|folder| folder == run) && file.extension().is_some_and(|end| ends.iter().any(|log| end == *log))
}

/// By the flags of an open file, which are octal.
fn is_written(info: &str) -> bool {
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
    flags.is_some_and(|flags| OFlags::from_bits_retain(flags) & OFlags::ACCMODE != OFlags::RDONLY)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{is_log, is_written};

    #[test]
    fn only_a_log_in_the_folder_of_the_run_is_a_log_of_the_run() {
        let is = |file: &str| is_log(Path::new(file), "a-run");
        assert!(is("/state/runs/a-run/demo.log"));
        assert!(is("/state/runs/a-run/demo.pipe.log (deleted)"));
        for other in ["/runs/a-run/events.jsonl", "/runs/a-run-too/demo.log", "/a-run.log", "pipe:[7]", "/dev/null"] {
            assert!(!is(other), "{other}");
        }
    }

    #[test]
    fn who_only_reads_a_log_is_told_from_who_writes_it() {
        assert!(is_written("pos:\t0\nflags:\t02102001\nmnt_id:\t29\n"), "O_WRONLY, O_APPEND");
        assert!(!is_written("pos:\t0\nflags:\t0100000\n"), "O_RDONLY");
        assert!(!is_written(""), "it is gone");
    }
}
