//! Two runs of the same experiment at once, on the same ports: one is refused, the other goes on as if it were alone.

use std::time::Duration;

use crate::home::Home;
use crate::matrix::{Effort, Failure, Mode, Struck};
use crate::run::{NOT_STEADY, Run};

pub const MODE: Mode = Mode {
    name: "race",
    what: "two runs of one experiment at once, of one user and of two",
    missing: || None,
    points,
    strike,
    must_leak: false,
    figure: None,
};

/// Where the runs are kept, or whose they are, and how many milliseconds the second begins after the first.
fn points(effort: &mut Effort) -> Vec<String> {
    let both = |moments: Vec<u64>, place: &str| moments.iter().map(|at| format!("{place}:{at}")).collect::<Vec<_>>();
    let apart = both(effort.moments(2, 0..40), "apart");
    let shared = both(effort.moments(2, 0..40), "shared");
    let strangers = both(effort.moments(2, 0..40), "strangers");
    [apart, shared, strangers].concat()
}

fn strike(point: &str) -> Result<Struck, Failure> {
    let (place, after) = point.split_once(':').expect("a point is PLACE:MILLISECONDS");
    let first = Home::new();
    let second = match place {
        "shared" => first.twin(),
        "apart" => first.sibling(),
        _ => Home::on_the_ports_of(&first),
    };
    let mut one = Run::start(&mut first.run(400));
    std::thread::sleep(Duration::from_millis(after.parse().expect("milliseconds")));
    let mut other = Run::start(&mut second.run(400));
    let codes = [one.ended()?, other.ended()?];
    first.nothing_left()?;
    second.nothing_left()?;
    let (refused, went_on) = match codes {
        [Some(2), code] => (&first, code),
        [code, Some(2)] => (&second, code),
        _ => return Err(Failure::Wrong(format!("none was refused: {codes:?}"))),
    };
    if !matches!(went_on, Some(0 | 1 | NOT_STEADY | 5 | 6)) || refused.said().is_empty() {
        return Err(Failure::Wrong(format!("{codes:?}: {}\n{}", first.said(), second.said())));
    }
    first.stays_clean()?;
    second.stays_clean()?;
    Ok(Struck::Clean(None))
}
