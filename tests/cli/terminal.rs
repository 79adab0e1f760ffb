//! The live view in a real pseudo terminal, which `script` of util-linux opens.

use std::io::{Read, Write};
use std::process::Stdio;

use crate::experiments::Ports;
use crate::files;
use crate::slots::Company;
use crate::support::{Invocation, Sandbox, skip};

/// What takes a frame away again.
const ERASED: &str = "\u{1b}[J";

/// A steady state that is watched for a while.
fn watching(baseline: &str) -> String {
    files::bypassed().replace("baseline: 1s", &format!("baseline: {baseline}"))
}

/// `chaos run` on a terminal of so many columns.
fn on_a_terminal(sandbox: &Sandbox, text: &str, ports: &Ports, columns: u32) -> Option<Invocation> {
    if sandbox.program("sh", ["-c", "command -v script"]).done().code != Some(0) {
        skip("the live view on a terminal", "`script` is not installed (package bsdutils or util-linux)");
        return None;
    }
    sandbox.write("a.yaml", text);
    let words: Vec<String> = ports.variables(text).into_iter().map(|word| format!("'{word}'")).collect();
    let run = format!("stty cols {columns} rows 30; exec {} run a.yaml {}", crate::binary::chaos(), words.join(" "));
    let script = sandbox.program("script", ["-q", "-e", "-f", "-c", &run, "/dev/null"]);
    Some(script.env("TERM", "xterm").env("SHELL", "/bin/sh").in_company(Company::SideBySide))
}

/// Every frame that was drawn: what was written below the lines and taken away again.
fn lines_of(text: &str) -> Vec<String> {
    let mut plain = String::new();
    let mut parts = text.split('\u{1b}');
    plain.push_str(parts.next().unwrap_or_default());
    parts.for_each(|part| {
        let end = part.find(|c: char| c.is_ascii_alphabetic()).map_or(part.len(), |end| end + 1);
        plain.push_str(&part[end..]);
    });
    plain.lines().map(|line| line.trim_end_matches('\r').to_owned()).collect()
}

#[test]
fn on_a_terminal_frames_come_and_are_gone_when_the_report_is_there() {
    for (columns, no_color) in [(100, false), (40, true)] {
        let (sandbox, ports) = (Sandbox::new(), Ports::new());
        let Some(run) = on_a_terminal(&sandbox, &watching("1s"), &ports, columns) else { return };
        let run = if no_color { run.env("NO_COLOR", "1") } else { run };
        let done = run.done().exits(6);
        let text = &done.stdout;
        assert!(text.matches(ERASED).count() >= 5, "a second of baseline has a few frames: {done}");
        let lines = lines_of(text);
        for begins in ["baseline ", "ask ", "ACTIVE ", "stop at ", "recovery "] {
            assert!(lines.iter().any(|line| line.starts_with(begins)), "no `{begins}` in {done}");
        }
        let frame = |line: &&String| ["baseline ", "ask ", "ACTIVE "].iter().any(|begin| line.starts_with(begin));
        let widest = lines.iter().filter(frame).map(|line| line.chars().count()).max();
        assert!(widest.is_some_and(|widest| widest <= columns as usize), "{widest:?} in {done}");
        assert_eq!(text.contains("\u{1b}[32m"), !no_color, "{done}");
        let after = lines_of(text.rsplit(ERASED).next().unwrap_or_default());
        assert!(after.iter().any(|line| line.starts_with("INVALID: ")), "the report follows: {done}");
        assert!(!after.iter().any(|line| line.starts_with("ask  ")), "no frame is left: {done}");
        assert!(!text.contains("\u{1b}[?25l"), "the cursor was hidden: {done}");
        sandbox.assert_nothing_is_left(&ports.all());
    }
}

#[test]
fn ctrl_c_takes_the_frame_away_and_rolls_back() {
    let (sandbox, ports) = (Sandbox::new(), Ports::new());
    let Some(run) = on_a_terminal(&sandbox, &watching("60s"), &ports, 80) else { return };
    let mut running = run.start_with(Stdio::piped());
    let (mut keys, mut screen) = (running.0.stdin.take().expect("piped"), running.0.stdout.take().expect("piped"));
    let (mut text, mut byte) = (Vec::new(), [0]);
    let mut typed = false;
    while screen.read(&mut byte).expect("reads") > 0 {
        text.push(byte[0]);
        if !typed && String::from_utf8_lossy(&text).contains("of 60s, ") {
            keys.write_all(b"\x03").expect("types");
            typed = true;
        }
    }
    let (code, text) = (running.0.wait().expect("ends").code(), String::from_utf8_lossy(&text).into_owned());
    assert!(typed && code == Some(8), "{code:?} {text}");
    assert!(text.contains("SIGINT: rolling back"), "{text}");
    let after = lines_of(text.rsplit(ERASED).next().unwrap_or_default());
    assert!(after.iter().any(|line| line.starts_with("INTERRUPTED: ")), "{text}");
    assert!(!after.iter().any(|line| line.starts_with("ask  ")) && !text.contains("\u{1b}[?25l"), "{text}");
    sandbox.assert_nothing_is_left(&ports.all());
}

#[test]
fn elsewhere_there_are_dated_lines_and_nothing_is_drawn() {
    let (sandbox, ports, text) = (Sandbox::new(), Ports::new(), watching("11s"));
    sandbox.write("a.yaml", &text);
    let run = sandbox.chaos(["run", "a.yaml"]).args(ports.variables(&text)).in_company(Company::SideBySide);
    let done = run.done().exits(6);
    assert!(!done.stderr.contains('\u{1b}') && !done.stderr.contains('\r'), "{done}");
    let standing = |line: &&str| {
        line.contains(" baseline: 10") && line.contains(" of 11s: ask ") && line.contains("/s, 0% errors, p50 ")
    };
    // The file's risks are told before.
    let talk: Vec<&str> = done.stderr.lines().skip_while(|line| !line.starts_with("20")).collect();
    assert_eq!(talk.iter().filter(|line| standing(line)).count(), 1, "{done}");
    assert!((5..=15).contains(&talk.len()), "{done}");
    assert!(talk.iter().all(|line| line.starts_with("20") && line.contains("Z ")), "{done}");
}
