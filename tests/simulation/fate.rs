//! What a seed holds in store: everything that goes wrong in one history.

use chaos::host::fake::Trials;
use chaos::model::experiment::Experiment;
use chaos::model::fault::FaultSpec;
use chaos::model::units::Timespan;
use chaos::model::verdict::Mode;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::support;

/// A moment, in milliseconds from the start of the run.
pub type Millis = u64;

#[derive(Debug, Clone)]
pub struct Fate {
    pub trials: Trials,
    pub experiment: Experiment,
    pub mode: Mode,
    /// Whether there is a runtime folder for the volatile part of the journal.
    pub apart: bool,
    pub signals: Vec<Millis>,
    /// The tool is killed after so many steps.
    pub tool_dies: Option<u64>,
    pub standstills: Vec<Standstill>,
    /// A beat of the tool comes so much later, at most.
    pub late_beats: Millis,
    /// The longest time of the run that the guardian allows.
    pub longest: Millis,
    pub guardian_killed: Option<Millis>,
    /// The guardian dies after so many steps of its recovery.
    pub guardian_dies: Option<u64>,
    /// Somebody asks for a rollback while the run is under way.
    pub visits: Vec<Millis>,
    pub meanwhile: Meanwhile,
    /// Recoveries one after the other, each of which dies after so many steps.
    pub broken_recoveries: Vec<u64>,
    /// Two recoveries at once, and when each dies.
    pub at_once: Option<[Option<u64>; 2]>,
}

/// The tool does not get on, from a moment on for so long: stopped by a signal, or, where it still gives signs of life,
/// hanging.
#[derive(Debug, Clone, Copy)]
pub struct Standstill {
    pub at: Millis,
    pub lasts: Millis,
    pub beats: bool,
}

/// What happens between the end of the tool and the next recovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meanwhile {
    Nothing,
    /// Others take the pids that are free.
    PidsReused,
    /// The machine starts anew, and others have pid and identity of what ran before.
    Restarted {
        /// Whether the runtime folder was in memory.
        in_memory: bool,
    },
    /// Somebody else sets the values of control groups.
    ValuesTaken,
    /// Somebody removes the volatile part of the journal.
    PartLost,
}

impl Fate {
    pub fn of(seed: u64) -> Self {
        let mut dice = ChaCha8Rng::seed_from_u64(seed);
        let dice = &mut dice;
        Self {
            trials: trials(dice),
            experiment: experiment(dice),
            mode: if dice.random_bool(0.08) { Mode::Observe } else { Mode::Inject },
            apart: dice.random_bool(0.85),
            signals: some(dice, 0.3, 1..=2, 0..9_000),
            // Most runs take between twenty and eighty steps.
            tool_dies: dice.random_bool(0.6).then(|| dice.random_range(0..70)),
            standstills: standstills(dice),
            late_beats: if dice.random_bool(0.2) { dice.random_range(0..2_500) } else { 0 },
            longest: if dice.random_bool(0.1) { dice.random_range(500..12_000) } else { 300_000 },
            guardian_killed: dice.random_bool(0.2).then(|| dice.random_range(0..10_000)),
            guardian_dies: dice.random_bool(0.3).then(|| dice.random_range(0..60)),
            visits: some(dice, 0.15, 1..=2, 0..9_000),
            meanwhile: match dice.random_range(0..10) {
                0..=2 => Meanwhile::PidsReused,
                3 => Meanwhile::Restarted { in_memory: true },
                4 => Meanwhile::Restarted { in_memory: false },
                5 => Meanwhile::PartLost,
                6..=7 => Meanwhile::ValuesTaken,
                _ => Meanwhile::Nothing,
            },
            broken_recoveries: some(dice, 0.5, 1..=3, 0..60),
            at_once: dice
                .random_bool(0.1)
                .then(|| [(); 2].map(|()| dice.random_bool(0.4).then(|| dice.random_range(0..60)))),
        }
    }
}

fn some(
    dice: &mut ChaCha8Rng,
    chance: f64,
    count: std::ops::RangeInclusive<usize>,
    range: std::ops::Range<u64>,
) -> Vec<u64> {
    if !dice.random_bool(chance) {
        return Vec::new();
    }
    (0..dice.random_range(count)).map(|_| dice.random_range(range.clone())).collect()
}

fn standstills(dice: &mut ChaCha8Rng) -> Vec<Standstill> {
    let starts = some(dice, 0.25, 1..=2, 0..9_000);
    let one = |at| Standstill { at, lasts: dice.random_range(10..30_000), beats: dice.random_bool(0.2) };
    starts.into_iter().map(one).collect()
}

fn trials(dice: &mut ChaCha8Rng) -> Trials {
    let mut sometimes =
        |chance: f64, most: f64| if dice.random_bool(chance) { dice.random_range(0.0..most) } else { 0.0 };
    Trials {
        act_fails: sometimes(0.3, 0.4),
        act_fails_late: sometimes(0.3, 0.4),
        act_hangs: sometimes(0.2, 0.3),
        undo_refused: sometimes(0.5, 0.8),
        undo_lies: sometimes(0.3, 0.5),
        stuck: sometimes(0.2, 0.4),
        check_unknown: sometimes(0.3, 0.6),
        signal_refused: sometimes(0.3, 0.8),
        signal_lies: sometimes(0.3, 0.8),
        death_is_slow: sometimes(0.3, 1.0),
        look_fails: sometimes(0.2, 0.5),
        state_unknown: sometimes(0.2, 0.5),
        value_taken: sometimes(0.5, 0.6),
        paper_fails: sometimes(0.3, 0.4),
        sample_fails: sometimes(0.15, 0.3),
        sample_fails_when_broken: sometimes(0.6, 1.0),
        sample_fails_afterwards: sometimes(0.2, 1.0),
    }
}

fn experiment(dice: &mut ChaCha8Rng) -> Experiment {
    let count = dice.random_range(1..=4);
    let faults = (0..count).map(|place| {
        let start = Timespan::millis(dice.random_range(0..4) * 700);
        let duration = Timespan::millis(dice.random_range(1..6) * 700);
        support::fault(dice.random_range(0..support::WAYS), &format!("fault {place}"), start, duration)
    });
    // As the files do that are accepted.
    let apart = |mut before: Vec<FaultSpec>, fault: FaultSpec| {
        let contends = |other: &FaultSpec| other.target == fault.target && fault.contends_with(other).is_some();
        if !before.iter().any(contends) {
            before.push(fault);
        }
        before
    };
    let mut experiment = support::experiment(faults.fold(Vec::new(), apart));
    if dice.random_bool(0.5) {
        experiment.stop_conditions = vec![support::stop_at_half()];
    }
    // Fewer samples make a history cheap: what is at stake here is what is done, not what is measured.
    experiment.steady_state[0].interval = Timespan::millis(150);
    experiment.baseline = Timespan::seconds(2);
    experiment.recovery.within = Timespan::seconds(3);
    experiment
}
