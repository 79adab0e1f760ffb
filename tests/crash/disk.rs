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
    what: "ENOSPC and EIO from the calls that write the journal's parts, and small file systems that are full",
    missing: || tracer::missing().or_else(crate::needs::no_namespaces),
    points,
    strike,
    must_leak: false,
    figure: None,
};

/// A part of the journal, or both.
struct Part {
    name: &'static str,
    /// The records before the first act.
    before_any_act: u64,
    /// The records of a whole run.
    records: u64,
}

/// The steps of the run that die with the boot. Each has four records.
const STEPS: u64 = 13;
/// Those that outlive it: the command.
const LASTING: u64 = 1;
const PARTS: [Part; 3] = [
    // The two headers, that the volatile part is begun, and what is intended first; and that it is finished.
    Part { name: "", before_any_act: 4, records: 4 + 4 * (STEPS + LASTING) },
    Part { name: "persistent ", before_any_act: 2, records: 3 + 4 * LASTING },
    Part { name: "volatile ", before_any_act: 2, records: 1 + 4 * STEPS },
];

fn points(effort: &mut Effort) -> Vec<String> {
    let mut first = Vec::new();
    let mut later = Vec::new();
    for error in ["ENOSPC", "EIO"] {
        for name in ["fallocate", "fsync", "openat"] {
            first.extend((1..=2).map(|number| format!("{error}:{name}:{number}")));
        }
        for Part { name: part, before_any_act, records } in PARTS {
            for name in ["write", "fdatasync"] {
                let point = |number: u64| format!("{error}:{part}{name}:{number}");
                first.extend((1..=before_any_act).map(point));
                later.extend((before_any_act + 1..=records).map(point));
            }
        }
        later.push(format!("{error}:events:5"));
        later.push(format!("{error}:rename:1"));
    }
    let mut points: Vec<String> =
        SMALL.iter().flat_map(|place| ["start", "middle"].map(|time| format!("{place}:{time}"))).collect();
    points.extend(effort.some(first, 20));
    points.extend(effort.some(later, 12));
    points
}

fn strike(point: &str) -> Result<Struck, Failure> {
    let words: Vec<&str> = point.split(':').collect();
    match words.as_slice() {
        [place, "start"] => full_from_the_start(place),
        [place, "middle"] => full_in_the_middle(place),
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
    let (mut seen, mut volatile) = (0, String::new());
    let mut command = home.run(400);
    command.arg("--report").arg(home.path("paper").join("report.json"));
    let followed = follow(&mut command, |call| {
        if call.name.starts_with("unlink") {
            // The volatile part is about to be taken away, if it is that.
            volatile += &home.volatile_records();
        }
        if !is_of(&home, call, name) {
            return Fate::Happens;
        }
        seen += 1;
        if seen >= number { Fate::Fails(error) } else { Fate::Happens }
    });
    home.nothing_left_but_paper()?;
    if seen < number {
        home.nothing_left()?;
        return Ok(Struck::NotReached);
    }
    let journal = !matches!(name, "events" | "rename");
    let refused = journal && number <= before_any_act(name);
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
    is_recorded(&home, &(volatile + &home.volatile_records()))?;
    home.rolls_back()?;
    Ok(Struck::Clean(None))
}

/// Every service that was ever started, which its log shows, is in the journal.
fn is_recorded(home: &Home, volatile: &str) -> Result<(), Failure> {
    for run in home.folders() {
        let journal = fs::read_to_string(run.join("journal.jsonl")).unwrap_or_default() + volatile;
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
fn is_of(home: &Home, call: &Call, name: &str) -> bool {
    let file = || call.file().unwrap_or_default();
    let persistent = || file().ends_with("journal.jsonl");
    let volatile = || file().starts_with(home.runtime());
    match name {
        "events" => call.name == "write" && file().ends_with("events.jsonl"),
        "rename" => call.name.starts_with("rename"),
        // The parts of the journal are the first files that are made.
        "openat" => call.name == "openat" && call.makes_a_file(),
        _ => match name.split_once(' ') {
            Some(("persistent", name)) => call.name == name && persistent(),
            Some((_, name)) => call.name == name && volatile(),
            None => call.name == name && (persistent() || volatile()),
        },
    }
}

/// How many such calls there are before the first act.
fn before_any_act(name: &str) -> u64 {
    let part = PARTS.iter().rev().find(|part| name.starts_with(part.name));
    part.expect("one has no name").before_any_act
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

/// Where a small file system is mounted.
const SMALL: [&str; 2] = ["small state folder", "small runtime folder"];

/// The tool in a mount namespace of its own, where this folder is a small file system; and the folder.
fn on_a_small_disk(home: &Home, place: &str, size: &str) -> (Run, PathBuf) {
    let state = home.path("state");
    let folder = if place == SMALL[0] { state.clone() } else { home.runtime() };
    fs::create_dir_all(&folder).expect("makes the folder");
    let script = "mount -t tmpfs -o mode=700,size=$0 chaos-test \"$1\" && shift && exec \"$@\"";
    let mut command = home.tool("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", script, size]).arg(&folder);
    command.arg(crate::binary::chaos()).args(["run", "--state-dir"]).arg(&state).arg(home.experiment(400));
    (Run::start(&mut command), folder)
}

fn full_from_the_start(place: &str) -> Result<Struck, Failure> {
    let home = Home::new();
    let code = on_a_small_disk(&home, place, "64k").0.ended()?;
    home.nothing_left()?;
    if code != Some(2) {
        return wrong(&home, format!("it ended with {code:?} and should have refused"));
    }
    nothing_was_touched(&home)?;
    Ok(Struck::Clean(None))
}

/// The journal has taken its room ahead; the events have not, and are given up.
fn full_in_the_middle(place: &str) -> Result<Struck, Failure> {
    let home = Home::new();
    let (mut run, folder) = on_a_small_disk(&home, place, "2m");
    let inside = PathBuf::from(format!("/proc/{}/root{}", run.pid(), folder.display()));
    until(|| if home.told().contains("baseline:") { Ok(()) } else { Err(Failure::Wrong(home.told())) })?;
    let mut filler = fs::File::create(inside.join("filler")).expect("makes a file in there");
    while filler.write_all(&[1; 4096]).is_ok() {}
    let code = run.ended()?;
    home.nothing_left()?;
    let events = place != SMALL[0] || home.told().contains("events are not stored");
    match code {
        Some(0 | 1 | 4 | 5 | 6) if events => Ok(Struck::Clean(None)),
        code => wrong(&home, format!("it ended with {code:?}")),
    }
}
