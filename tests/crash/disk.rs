//! The disk under the journal is full, or does not write: before the first act nothing is touched, and in mid-run
//! everything is put back all the same.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use crate::home::{Home, until};
use crate::matrix::{Effort, Failure, Mode, Struck};
use crate::run::Run;
use crate::tracer::{self, Call, Fate, follow};

pub const MODE: Mode = Mode {
    name: "disk",
    what: "ENOSPC and EIO from the calls that write the journal, and a small file system that is full",
    missing: || tracer::missing().or_else(crate::needs::no_namespaces),
    points,
    strike,
    must_leak: false,
    figure: None,
};

/// The records before the first act: the header, and what is intended first.
const BEFORE_ANY_ACT: u64 = 2;
/// The records of a whole run: a header, and four for each of the 13 steps.
const RECORDS: u64 = 1 + 4 * 13;

fn points(effort: &mut Effort) -> Vec<String> {
    let mut first = Vec::new();
    let mut later = Vec::new();
    for error in ["ENOSPC", "EIO"] {
        first.extend(["fallocate", "fsync", "openat"].map(|name| format!("{error}:{name}:1")));
        for name in ["write", "fdatasync"] {
            first.extend((1..=BEFORE_ANY_ACT).map(|number| format!("{error}:{name}:{number}")));
            later.extend((BEFORE_ANY_ACT + 1..=RECORDS).map(|number| format!("{error}:{name}:{number}")));
        }
        later.push(format!("{error}:events:5"));
        later.push(format!("{error}:rename:1"));
    }
    first.extend(["small file system:start", "small file system:middle"].map(ToOwned::to_owned));
    first.extend(effort.some(later, 10));
    first
}

fn strike(point: &str) -> Result<Struck, Failure> {
    let words: Vec<&str> = point.split(':').collect();
    match words.as_slice() {
        ["small file system", "start"] => full_from_the_start(),
        ["small file system", _] => full_in_the_middle(),
        [error, name, number] => {
            let error = if *error == "EIO" { libc::EIO } else { libc::ENOSPC };
            failing(error, name, number.parse().expect("a number"))
        }
        _ => panic!("no such point: {point}"),
    }
}

/// From its `number`-th call on, every one of these fails, as those of a full disk do.
fn failing(error: i32, name: &str, number: u64) -> Result<Struck, Failure> {
    let home = Home::new();
    let mut seen = 0;
    let mut command = home.run(400);
    command.arg("--report").arg(home.path("paper").join("report.json"));
    let followed = follow(&mut command, |call| {
        if !is_of(call, name) {
            return Fate::Happens;
        }
        seen += 1;
        if seen >= number { Fate::Fails(error) } else { Fate::Happens }
    });
    home.nothing_left()?;
    if seen < number {
        return Ok(Struck::NotReached);
    }
    let journal = !matches!(name, "events" | "rename");
    let refused = journal && (number <= BEFORE_ANY_ACT);
    match followed.code {
        Some(2) if refused => {
            if let Some(count) = followed.calls.get("listen") {
                return wrong(&home, format!("{count} sockets were opened without a record"));
            }
            nothing_was_touched(&home)?;
        }
        Some(7 | 70) | None => return wrong(&home, format!("it ended with {:?}", followed.code)),
        code if refused => return wrong(&home, format!("it ended with {code:?} and should have refused")),
        Some(2) if !journal => return wrong(&home, "only its paper was in danger".into()),
        Some(_) => {}
    }
    is_recorded(&home)?;
    home.rolls_back()?;
    Ok(Struck::Clean(None))
}

/// Every service that was ever started, which its log shows, is in the journal.
fn is_recorded(home: &Home) -> Result<(), Failure> {
    for run in home.folders() {
        let journal = fs::read_to_string(run.join("journal.jsonl")).unwrap_or_default();
        for entry in fs::read_dir(&run).expect("lists").flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(service) = name.strip_suffix(".log") else { continue };
            if !journal.contains(&format!("\"start_service\":{{\"service\":{{\"name\":\"{service}\"")) {
                return wrong(home, format!("{service} was started and is not in the journal"));
            }
        }
    }
    Ok(())
}

/// Whether a call is one of those that the point is about.
fn is_of(call: &Call, name: &str) -> bool {
    let file = || call.file().unwrap_or_default();
    match name {
        "events" => call.name == "write" && file().ends_with("events.jsonl"),
        "rename" => call.name.starts_with("rename"),
        // The folder of the run is opened to be synced, too: the journal is the first of the two.
        "openat" => call.name == "openat" && call.makes_a_file(),
        _ => call.name == name && file().ends_with("journal.jsonl"),
    }
}

fn nothing_was_touched(home: &Home) -> Result<(), Failure> {
    let logs = home.folders().iter().filter(|run| run.join("demo.log").exists()).count();
    let told = home.said();
    let clear = told.contains("touched") && (told.contains("journal") || told.contains("state"));
    if logs == 0 && clear { Ok(()) } else { wrong(home, "it does not say clearly that nothing was touched".into()) }
}

fn wrong<T>(home: &Home, why: String) -> Result<T, Failure> {
    Err(Failure::Wrong(format!("{why}:\n{}", home.said())))
}

/// The tool in a mount namespace of its own, where the state folder is a small file system.
fn on_a_small_disk(home: &Home, size: &str) -> Run {
    let state = home.path("state");
    fs::create_dir(&state).expect("makes the folder");
    let script = "mount -t tmpfs -o size=$0 chaos-test \"$1\" && shift && exec \"$@\"";
    let mut command = home.tool("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", script, size]).arg(&state);
    command.arg(env!("CARGO_BIN_EXE_chaos")).args(["run", "--state-dir"]).arg(&state).arg(home.experiment(400));
    Run::start(&mut command)
}

fn full_from_the_start() -> Result<Struck, Failure> {
    let home = Home::new();
    let code = on_a_small_disk(&home, "64k").ended()?;
    home.nothing_left()?;
    if code != Some(2) {
        return wrong(&home, format!("it ended with {code:?} and should have refused"));
    }
    nothing_was_touched(&home)?;
    Ok(Struck::Clean(None))
}

/// The journal has taken its room ahead; the events have not, and are given up.
fn full_in_the_middle() -> Result<Struck, Failure> {
    let home = Home::new();
    let mut run = on_a_small_disk(&home, "2m");
    let inside = |pid: i32| PathBuf::from(format!("/proc/{pid}/root{}", home.path("state").display()));
    let place = inside(run.pid());
    until(|| if home.told().contains("baseline:") { Ok(()) } else { Err(Failure::Wrong(home.told())) })?;
    let mut filler = fs::File::create(place.join("filler")).expect("makes a file in there");
    while filler.write_all(&[1; 4096]).is_ok() {}
    let code = run.ended()?;
    home.nothing_left()?;
    match code {
        Some(0 | 1 | 4 | 5 | 6) if home.told().contains("events are not stored") => Ok(Struck::Clean(None)),
        code => wrong(&home, format!("it ended with {code:?}")),
    }
}
