//! The recovery of an abandoned run is itself killed before each of its system calls, and then done again.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use crate::abandoned::{abandon, abandon_after};
use crate::home::Home;
use crate::matrix::{Effort, Failure, Mode, Struck};
use crate::tool;
use crate::tracer::{self, Fate, follow};

/// The guardian is killed so many microseconds after the tool, in the middle of its recovery.
const AFTER: &str = "guardian after";

pub const MODE: Mode = Mode {
    name: "recovery",
    what: "SIGKILL of `chaos rollback --all` before a system call, or of the guardian at its work, then again",
    missing: tracer::missing,
    points,
    strike,
    must_leak: false,
    figure: None,
};

fn points(effort: &mut Effort) -> Vec<String> {
    let mut points = tool::points(effort, calls(), 20);
    points.extend(effort.moments(6, 0..20_000).iter().map(|moment| format!("{AFTER}:{moment}")));
    points
}

fn calls() -> &'static BTreeMap<String, u64> {
    static CALLS: OnceLock<BTreeMap<String, u64>> = OnceLock::new();
    CALLS.get_or_init(|| {
        let home = Home::new();
        abandon(&home);
        assert!(!home.look().is_nothing(), "an abandoned run leaves something");
        let followed = follow(&mut home.rollback(), |_| Fate::Happens);
        assert_eq!(followed.code, Some(0));
        home.stays_clean().expect("a recovery that nobody kills cleans");
        followed.calls
    })
}

fn strike(point: &str) -> Result<Struck, Failure> {
    let home = Home::new();
    if let Some((AFTER, moment)) = point.split_once(':') {
        abandon_after(&home, Duration::from_micros(moment.parse().expect("microseconds")));
        home.rolls_back()?;
        return Ok(Struck::Clean(None));
    }
    abandon(&home);
    let at = tool::is_at(point);
    let followed = follow(&mut home.rollback(), |call| if at(call) { Fate::Kill } else { Fate::Happens });
    home.rolls_back()?;
    Ok(if followed.killed.is_some() { Struck::Clean(None) } else { Struck::NotReached })
}
