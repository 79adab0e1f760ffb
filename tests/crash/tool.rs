//! The tool is killed before each of its system calls; its guardian puts everything back.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use rand::RngExt;

use crate::experiment::faults;
use crate::home::Home;
use crate::matrix::{Effort, Failure, Mode, Struck};
use crate::tracer::{self, Call, Fate, Followed, follow};

pub const MODE: Mode = Mode {
    name: "tool",
    what: "SIGKILL of the tool before a system call",
    missing: tracer::missing,
    points: |effort| points(effort, calls(), 50),
    strike,
    must_leak: false,
    figure: Some(Duration::from_millis(100)),
};

/// How long the faults last, in milliseconds: so long that all of them come in time, without optimisation and with a stop at
/// each call, too.
pub const FAULTS_LAST: u64 = 2000;
/// From the kill to clean. It takes tens of milliseconds; this is for machines that have much other work.
const LIMIT: Duration = Duration::from_secs(8);
/// Of each call no more than so many are tried, evenly spread.
const MOST_OF_A_NAME: u64 = 40;

/// Points as a person writes them: `write:7` is before the seventh `write`. At least one of every name.
pub fn points(effort: &mut Effort, calls: &BTreeMap<String, u64>, count: usize) -> Vec<String> {
    if effort.full {
        let spread = |count: u64| {
            let tried = count.min(MOST_OF_A_NAME);
            (0..tried).map(move |place| 1 + place * count / tried)
        };
        return calls.iter().flat_map(|(name, count)| spread(*count).map(move |k| format!("{name}:{k}"))).collect();
    }
    let drawn = |(name, count): (&String, &u64), effort: &mut Effort| {
        format!("{name}:{}", effort.dice.random_range(1..=*count))
    };
    let mut points: Vec<String> = calls.iter().map(|call| drawn(call, effort)).collect();
    let names: Vec<_> = calls.iter().filter(|(_, count)| **count > 4).collect();
    while points.len() < count && !names.is_empty() {
        points.push(drawn(names[effort.dice.random_range(0..names.len())], effort));
    }
    points.dedup();
    effort.some(points, count)
}

/// Whether this call is the point.
pub fn is_at(point: &str) -> impl Fn(&Call) -> bool {
    let (name, occurrence) = point.split_once(':').expect("a point is NAME:NUMBER");
    let (name, occurrence) = (name.to_owned(), occurrence.parse::<u64>().expect("a number"));
    move |call| call.name == name && call.occurrence == occurrence
}

/// The calls of a run that nobody kills, which does everything and leaves nothing.
pub fn calls() -> &'static BTreeMap<String, u64> {
    static CALLS: OnceLock<BTreeMap<String, u64>> = OnceLock::new();
    CALLS.get_or_init(|| {
        let followed = (0..8).find_map(|_| undisturbed());
        followed.expect("a machine that is not too busy for all the faults").calls
    })
}

/// None when the machine was too busy to come as far as every fault in time.
fn undisturbed() -> Option<Followed> {
    let home = Home::new();
    let followed = follow(&mut home.run(FAULTS_LAST), |_| Fate::Happens);
    let runtime = std::fs::read_dir(home.runtime()).expect("lists").count();
    assert_eq!(runtime, 0, "an undisturbed run leaves nothing in the runtime folder");
    home.stays_clean().expect("an undisturbed run leaves nothing");
    assert!(!matches!(followed.code, None | Some(2 | 7 | 70)), "{:?} {}", followed.code, home.told());
    println!("  undisturbed: {} calls of {} kinds", followed.calls.values().sum::<u64>(), followed.calls.len());
    let applied = home.events("fault_applied");
    if applied != faults() {
        println!("  {applied} of {} faults applied: {}", faults(), home.told());
    }
    (applied == faults()).then_some(followed)
}

fn strike(point: &str) -> Result<Struck, Failure> {
    let home = Home::new();
    let at = is_at(point);
    let followed = follow(&mut home.run(FAULTS_LAST), |call| if at(call) { Fate::Kill } else { Fate::Happens });
    let Some((killed, _)) = followed.killed else {
        home.nothing_left()?;
        return Ok(Struck::NotReached);
    };
    let clean = home.clean_within(LIMIT)?;
    home.stays_clean()?;
    Ok(Struck::Clean(Some(clean - killed)))
}
