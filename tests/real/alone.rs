//! Tests that need namespaces of their own start this very program there once more, for that one test.

use std::process::Command;

use rustix::process::geteuid;

use crate::skip;

/// Set in the inner one of two copies of this program.
const INSIDE: &str = "CHAOS_TEST_INSIDE";

/// What a test must have for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Own {
    /// What is mounted where.
    Mounts,
    /// Processes and their numbers, `/proc` included: it sees nobody else.
    Processes,
}

impl Own {
    const fn flags(self) -> &'static [&'static str] {
        match self {
            Self::Mounts => &["--mount", "--propagation", "private"],
            Self::Processes => &["--pid", "--fork", "--kill-child", "--mount-proc"],
        }
    }
}

/// True in such a namespace. Elsewhere it runs the test there, whose name is `module::test`, and says false; also where there
/// are no such namespaces, which is said.
#[allow(clippy::disallowed_methods, reason = "a tool that is not ours makes the namespace")]
pub fn alone(own: Own, test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let user: &[&str] = if geteuid().is_root() { &[] } else { &["--user", "--map-root-user"] };
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(user).args(own.flags());
        command
    };
    if !unshare().arg("true").status().is_ok_and(|status| status.success()) {
        skip(&format!("no namespaces ({own:?}) can be made here"));
        return false;
    }
    let mut command = unshare();
    command.arg(std::env::current_exe().expect("us")).args(["--exact", test, "--nocapture"]).env(INSIDE, "1");
    let output = command.output().expect("unshare");
    let told = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success() && told[0].contains("1 passed"), "{}{}", told[0], told[1]);
    // What was skipped in there is said out here.
    chaos::host::output::stderr(&told[1]);
    false
}
