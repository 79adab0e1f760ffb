//! Modes, their points, and how they are struck: several at a time, each in a home of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{home, table};

/// After so many points it is told how far it is: all of them take an hour.
const SAY_EVERY: usize = 200;

/// A row of the matrix.
pub struct Mode {
    pub name: &'static str,
    /// What is done to the tool.
    pub what: &'static str,
    /// Why it cannot be run here, if it cannot.
    pub missing: fn() -> Option<String>,
    /// Where it is struck.
    pub points: fn(&mut Effort) -> Vec<String>,
    /// Strikes at one point, in a home of its own.
    pub strike: fn(&str) -> Result<Struck, Failure>,
    /// Leaks are what is wanted.
    pub must_leak: bool,
    /// In 99 of 100 cases clean comes no later, on a machine that has nothing else to do.
    pub figure: Option<Duration>,
}

/// A point that did no harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Struck {
    /// Everything was clean, after this time where it was measured.
    Clean(Option<Duration>),
    /// The run ended before that point, and was clean.
    NotReached,
}

/// A point that did harm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Something is left.
    Leak(String),
    /// Nothing is left, but the tool did not do what it says.
    Wrong(String),
}

/// How much is tried.
pub struct Effort {
    pub full: bool,
    pub dice: ChaCha8Rng,
}

impl Effort {
    /// So many of these, drawn; all when everything is asked for.
    pub fn some(&mut self, all: Vec<String>, count: usize) -> Vec<String> {
        if self.full || all.len() <= count { all } else { all.sample(&mut self.dice, count).cloned().collect() }
    }

    /// So many moments of a run, in milliseconds from its start; ten times as many when everything is asked for.
    pub fn moments(&mut self, count: usize, within: std::ops::Range<u64>) -> Vec<u64> {
        let count = if self.full { count * 10 } else { count };
        (0..count).map(|_| self.dice.random_range(within.clone())).collect()
    }
}

/// What came of a mode.
pub struct Row {
    pub mode: &'static Mode,
    pub skipped: Option<String>,
    /// Where it is still to be struck.
    points: Vec<String>,
    pub struck: Vec<(String, Result<Struck, Failure>)>,
}

impl Row {
    fn of(mode: &'static Mode, effort: &mut Effort, only: Option<String>) -> Self {
        let mut row = Self { mode, skipped: (mode.missing)(), points: Vec::new(), struck: Vec::new() };
        if let Some(missing) = &row.skipped {
            let strict = std::env::var_os("CHAOS_SKIP_NOTHING").is_some();
            assert!(!strict, "{}: {missing}, and nothing may be skipped", mode.name);
            println!("\n!!! SKIPPED: {}: {missing}\n", mode.name);
            return row;
        }
        let draw = || only.map_or_else(|| (mode.points)(effort), |point| vec![point]);
        match catch_unwind(AssertUnwindSafe(draw)) {
            Ok(points) => row.points = points,
            Err(panic) => row.struck.push(("undisturbed".to_owned(), Err(Failure::Wrong(text_of(&*panic))))),
        }
        row
    }

    fn take_points((place, row): (usize, &mut Self)) -> impl Iterator<Item = (usize, &'static Mode, String)> {
        let mode = row.mode;
        std::mem::take(&mut row.points).into_iter().map(move |point| (place, mode, point))
    }

    /// How many points are as they should be, and how many are not.
    pub fn judged(&self) -> (usize, usize) {
        let all = self.struck.len();
        let leaks = self.leaks();
        let wrong = self.struck.iter().filter(|(_, struck)| matches!(struck, Err(Failure::Wrong(_)))).count();
        match self.mode.must_leak {
            // One leak shows that the oracle sees what it should see.
            true => (leaks.min(1) * (all - wrong), if leaks == 0 { all.max(1) } else { wrong }),
            false => (all - leaks - wrong, leaks + wrong + usize::from(self.is_too_slow())),
        }
    }

    /// Whether the figure of this mode was missed. Only one point at a time can tell.
    pub fn is_too_slow(&self) -> bool {
        let times = self.times();
        one_at_a_time() && self.mode.figure.is_some_and(|figure| quantile(&times, 0.99).is_some_and(|p99| p99 > figure))
    }

    /// The points after which it took longer until all was clean.
    pub fn slower_than(&self, limit: Duration) -> impl Iterator<Item = &str> {
        let slow = move |struck: &_| matches!(struck, Ok(Struck::Clean(Some(time))) if *time > limit);
        self.struck.iter().filter(move |(_, struck)| slow(struck)).map(|(point, _)| point.as_str())
    }

    pub fn leaks(&self) -> usize {
        self.struck.iter().filter(|(_, struck)| matches!(struck, Err(Failure::Leak(_)))).count()
    }

    /// From the strike to clean, in order.
    pub fn times(&self) -> Vec<Duration> {
        let times = self.struck.iter().filter_map(|(_, struck)| match struck {
            Ok(Struck::Clean(time)) => *time,
            _ => None,
        });
        let mut times: Vec<Duration> = times.collect();
        times.sort_unstable();
        times
    }
}

/// What the environment asks for: `CRASH` is `quick`, `full`, or a mode and a point.
enum Asked {
    Quick,
    Full,
    Point(String, String),
}

pub fn run(modes: &[&'static Mode]) -> ExitCode {
    let began = Instant::now();
    let seed = variable("CRASH_SEED").unwrap_or_else(rand::random::<u32>);
    let (full, only) = match asked() {
        Asked::Point(mode, point) => (false, Some((mode, point))),
        Asked::Full => (true, None),
        Asked::Quick => (false, None),
    };
    let mut rows = Vec::new();
    for mode in modes.iter().filter(|mode| only.as_ref().is_none_or(|(name, _)| name == mode.name)) {
        println!("{}: {}", mode.name, mode.what);
        let mut effort = Effort { full, dice: ChaCha8Rng::seed_from_u64(seed.into()) };
        rows.push(Row::of(mode, &mut effort, only.as_ref().map(|(_, point)| point.clone())));
    }
    strike_all(&mut rows);
    let left = home::left_behind();
    assert!(left.is_empty(), "this suite leaves something itself: {left:?}");
    rows.iter().for_each(table::failures);
    println!("{}", table::draw(&rows));
    println!("{:.0} s; CRASH_SEED={seed} draws the same points again\n", began.elapsed().as_secs_f64());
    let (passed, failed) = rows.iter().map(Row::judged).fold((0, 0), |sum, row| (sum.0 + row.0, sum.1 + row.1));
    println!("{passed} passed, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn asked() -> Asked {
    let words = std::env::var("CRASH").unwrap_or_default();
    match words.split_once(' ') {
        Some((mode, point)) => Asked::Point(mode.to_owned(), point.trim().to_owned()),
        None if words == "full" => Asked::Full,
        None if words.is_empty() || words == "quick" => Asked::Quick,
        None => panic!("CRASH={words}: write `quick`, `full`, or a mode and a point"),
    }
}

fn one_at_a_time() -> bool {
    variable("CRASH_JOBS") == Some(1)
}

/// The smallest time that is not less than this share of all; they are in order.
pub fn quantile(times: &[Duration], share: f64) -> Option<Duration> {
    times.get(((times.len() as f64 * share).ceil() as usize).saturating_sub(1)).copied()
}

fn variable(name: &str) -> Option<u32> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// Most of a run is waiting, so there are more at a time than there are cores. One at a time measures an idle machine.
fn strike_all(rows: &mut [Row]) {
    let all: Vec<(usize, &Mode, String)> = rows.iter_mut().enumerate().flat_map(Row::take_points).collect();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = variable("CRASH_JOBS").map_or(3 * cores, |jobs| jobs as usize);
    let next = AtomicUsize::new(0);
    let struck = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs.min(all.len()) {
            scope.spawn(|| {
                while let Some((row, mode, point)) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = strike(mode, point);
                    let mut struck = struck.lock().expect("no thread panics");
                    struck.push((*row, point.clone(), result));
                    if struck.len() % SAY_EVERY == 0 {
                        println!("  {} of {} points", struck.len(), all.len());
                    }
                }
            });
        }
    });
    for (row, point, result) in struck.into_inner().expect("no thread panics") {
        rows[row].struck.push((point, result));
    }
}

fn strike(mode: &Mode, point: &str) -> Result<Struck, Failure> {
    catch_unwind(AssertUnwindSafe(|| (mode.strike)(point)))
        .unwrap_or_else(|panic| Err(Failure::Wrong(text_of(&*panic))))
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked").to_owned()
}
