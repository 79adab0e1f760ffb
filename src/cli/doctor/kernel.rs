//! What the kernel has that faults use, beside what is tried elsewhere: which of them miss it, and what they do without.

use std::path::Path;

use crate::host::kernel::{self, Kernel};
use crate::report::doctor::{Finding, Section, State};

/// The first kernel with signals through pidfds, and the first whose pidfds have inodes of their own.
const PIDFDS: (u32, u32) = (5, 3);
const PIDFS: (u32, u32) = (6, 9);

/// Everything.
pub(super) fn findings() -> Vec<Finding> {
    let (kernel, folder) = (Kernel::look(), std::env::temp_dir());
    let nameless = kernel::nameless_files(&folder);
    vec![
        version(&kernel),
        huge_pages(kernel.huge_pages.as_deref()),
        files(&folder, &nameless),
        pressure(&kernel.pressure),
    ]
}

fn about(name: &str, why: impl Into<String>) -> Finding {
    Finding::ok(Section::Kernel, name, why)
}

fn version(kernel: &Kernel) -> Finding {
    let name = "version";
    let (Some(release), Some(version)) = (&kernel.release, kernel.version()) else {
        return about(name, "cannot be read").but(State::Warning, "mount /proc");
    };
    let said = |what: &str| about(name, format!("Linux {release}{what}"));
    match () {
        () if version < PIDFDS => said(", which has no signals through pidfds")
            .but(State::Problem, "process.* and whatever starts a process need them: Linux 5.3 or newer"),
        () if version < PIDFS => said(", which has pidfds, but no pidfs: processes are known by pid and start time"),
        () => said(", which has pidfds and pidfs"),
    }
}

fn huge_pages(chosen: Option<&str>) -> Finding {
    let name = "huge pages (transparent)";
    match chosen {
        Some(word @ ("always" | "madvise")) => about(name, format!("`{word}`: memory.stress takes them")),
        other => about(
            name,
            format!("{}: memory.stress does without", other.map_or("none".into(), |word| format!("`{word}`"))),
        )
        .but(State::Warning, "it takes several times as long to take much memory; root may allow them")
        .command("echo madvise > /sys/kernel/mm/transparent_hugepage/enabled"),
    }
}

fn files(folder: &Path, made: &Result<(), String>) -> Finding {
    let name = format!("files without a name in {} (O_TMPFILE)", folder.display());
    match made {
        Ok(()) => about(&name, "work: what disk.fill and disk.stress write there is gone with them"),
        Err(why) => about(&name, format!("do not work: {why}")).but(
            State::Warning,
            "the files of disk.fill and disk.stress there have a name for a moment; rollback removes what has one still",
        ),
    }
}

/// No fault needs it, so that its lack is no warning.
fn pressure(there: &Result<(), String>) -> Finding {
    let name = "pressure stall information (/proc/pressure)";
    match there {
        Ok(()) => about(name, "there; no fault needs it, a `command` probe can read it"),
        Err(why) => about(name, format!("not there ({why}); no fault needs it")),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{files, huge_pages, pressure, version};
    use crate::host::kernel::Kernel;
    use crate::report::doctor::State;

    #[test]
    fn a_kernel_is_judged_by_what_came_with_its_version() {
        let judged =
            |release: &str| version(&Kernel { release: Some(release.into()), huge_pages: None, pressure: Ok(()) });
        assert_eq!(judged("4.19.0").state, State::Problem);
        assert!(judged("5.15.0").why.contains("no pidfs"));
        assert_eq!(judged("6.9.1").why, "Linux 6.9.1, which has pidfds and pidfs");
        assert_eq!(judged("?").state, State::Warning);
    }

    #[test]
    fn what_faults_do_without_is_a_warning_that_names_them_and_what_none_needs_is_none() {
        assert_eq!((huge_pages(Some("madvise")).state, huge_pages(Some("never")).state), (State::Ok, State::Warning));
        assert!(huge_pages(None).why.contains("memory.stress"));
        let refused = files(Path::new("/tmp"), &Err("not supported".into()));
        assert!(refused.state == State::Warning && refused.fix.is_some_and(|fix| fix.contains("disk.fill")));
        assert_eq!(pressure(&Err("no such file".into())).state, State::Ok);
    }
}
