//! `chaos proxy` under the public Toxiproxy client for Python (`pip install toxiproxy-python`), unchanged.
//!
//! `CHAOS_PYTHON` names a Python that has it; `python3` unless it is set.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::binary;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real/toxiproxy_client.py");

/// Killed when it is dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended already cannot be killed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the server and its client are started as their users start them")]
fn the_public_python_client_drives_the_proxy_unchanged() {
    let python = std::env::var_os("CHAOS_PYTHON").unwrap_or_else(|| OsString::from("python3"));
    if !has_the_client(&python) {
        return;
    }
    let server = Command::new(binary()).args(["proxy", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn();
    let mut server = Server(server.expect("starts"));
    let mut said = String::new();
    BufReader::new(server.0.stdout.take().expect("piped")).read_line(&mut said).expect("a line");
    let port = said.split(['/', ' ']).find_map(|word| word.strip_prefix("127.0.0.1:")).expect("where it listens");
    let client = Command::new(&python).args([SCRIPT, port]).output().expect("starts");
    let (told, trouble) = (String::from_utf8_lossy(&client.stdout), String::from_utf8_lossy(&client.stderr));
    assert_eq!((told.trim(), client.status.code()), ("all well", Some(0)), "{trouble}");
    kill_process(Pid::from_child(&server.0), Signal::TERM).expect("signals");
    assert_eq!(server.0.wait().expect("ends").code(), Some(0));
}

#[allow(clippy::disallowed_methods, reason = "a program that is not ours")]
fn has_the_client(python: &OsString) -> bool {
    let import = Command::new(python).args(["-c", "import toxiproxy"]).stderr(Stdio::null()).status();
    if import.is_ok_and(|status| status.success()) {
        return true;
    }
    assert!(
        std::env::var_os("CHAOS_SKIP_NOTHING").is_none(),
        "{python:?} has no toxiproxy-python, and nothing may be skipped"
    );
    chaos::host::output::stderr(
        "\n!!! SKIPPED: no Python with toxiproxy-python, so its test of `chaos proxy` did not run\n",
    );
    false
}
