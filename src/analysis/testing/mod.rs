//! Runs to test with, made by hand and told like a story: what was broken, what the probes saw, how it ended. The
//! default is a run of nothing but good answers: 10 s of baseline, 10 s of fault, 5 s after.

mod parts;

use std::time::Duration;

use parts::{BASELINE, dose_of, header, proxy, timed};
pub use parts::{
    advice_of, advised, cpu, every, expect, expecting, experiment, http, http_at, measuring, prometheus, restarts,
    sample, value,
};

use super::Run;
use crate::model::dose::Dose;
use crate::model::event::{Event, EventKind, RunHeader, StopCause};
use crate::model::experiment::Experiment;
use crate::model::fault::{FaultKind, FaultSpec, NetworkLatency, ProcessKill, Target};
use crate::model::http::HttpError;
use crate::model::phase::Phase;
use crate::model::probe::ProbeSpec;
use crate::model::sample::{Measurement, Outcome, Sample};
use crate::model::traffic::{ProxyTraffic, RequestCounts};
use crate::model::units::{Share, Timespan};
use crate::model::verdict::Mode;

const READ_BACK: Duration = Duration::from_millis(10);

/// What a probe sees as its `n`th sample of a phase.
type Sight = Box<dyn Fn(usize) -> Measured>;

struct Measured {
    millis: f64,
    outcome: Outcome,
    value: Option<f64>,
}

/// A run in the making.
pub struct Story {
    header: RunHeader,
    probes: Vec<Sights>,
    dose: Option<Dose>,
    failed: Option<String>,
    problems: Vec<String>,
    set_up_failure: Option<String>,
    stop: Option<(String, Duration)>,
    cause: StopCause,
    interrupt: Option<(String, Duration)>,
    residue: bool,
    recovered: bool,
    breaks_off: bool,
    fault_time: Duration,
    after_time: Duration,
    missing: Option<Box<dyn Fn(usize) -> bool>>,
    again: Option<[Duration; 2]>,
    passing: Option<[Passing; 3]>,
}

/// What passes the proxy in a phase.
#[derive(Debug, Clone, Copy, Default)]
pub struct Passing {
    /// Requests a second, in the mean.
    pub per_second: f64,
    /// So many more in one second and fewer in the next.
    pub swing: f64,
    /// Requests under way.
    pub in_flight: u64,
    /// So many fewer every other look.
    pub wobble: u64,
    /// Connections that are open.
    pub open: u64,
}

struct Sights {
    baseline: Sight,
    fault: Sight,
    after: Sight,
}

impl Story {
    /// A generator that is slower by 400 ms behind a gateway that answers in 2 ms all the same.
    pub fn slow_generator() -> Self {
        let latency = NetworkLatency { delay: Timespan::millis(400), ..NetworkLatency::default() };
        let story = Self::breaking("slow generator", FaultKind::NetworkLatency(latency), proxy());
        story.dose("added delay", 0.4)
    }

    /// A generator of whose answers this share is an error.
    pub fn failing_generator(share: f64) -> Self {
        let error = HttpError { share: Some(Share(share)), ..HttpError::default() };
        let mut story = Self::breaking("failing generator", FaultKind::HttpError(error), proxy());
        story.dose = Some(dose_of("share of requests", share, Share(share).to_string()));
        story
    }

    fn breaking(name: &str, kind: FaultKind, target: Target) -> Self {
        let mut experiment = experiment(vec![http("ask")]);
        let duration = Timespan::seconds(10);
        experiment.faults = vec![FaultSpec { name: name.to_owned(), kind, target, start: Timespan::ZERO, duration }];
        Self {
            header: header(experiment),
            probes: vec![Sights { baseline: good(), fault: good(), after: good() }],
            dose: None,
            failed: None,
            problems: Vec::new(),
            set_up_failure: None,
            stop: None,
            cause: StopCause::Condition,
            interrupt: None,
            residue: false,
            recovered: true,
            breaks_off: false,
            fault_time: Duration::from_secs(10),
            after_time: Duration::from_secs(5),
            missing: None,
            again: None,
            passing: None,
        }
    }

    /// What `ask` saw before the fault: milliseconds and outcome of its nth sample.
    pub fn baseline(mut self, sight: impl Fn(usize) -> (f64, Outcome) + 'static) -> Self {
        self.probes[0].baseline = answering(sight);
        self
    }

    /// What `ask` saw during the fault.
    pub fn fault(mut self, sight: impl Fn(usize) -> (f64, Outcome) + 'static) -> Self {
        self.probes[0].fault = answering(sight);
        self
    }

    /// How long the system was watched after the fault, and what `ask` saw then.
    pub fn after(mut self, seconds: f64, sight: impl Fn(usize) -> (f64, Outcome) + 'static) -> Self {
        self.after_time = Duration::from_secs_f64(seconds);
        self.probes[0].after = answering(sight);
        self
    }

    /// `ask` samples at 200/s, which is enough to compare its p95.
    pub fn often(self) -> Self {
        self.with(|experiment| experiment.steady_state[0].interval = Timespan::millis(5))
    }

    /// The fault is undone after so many seconds already, and one more like it is active in the last so many of them.
    pub fn and_again(mut self, first: f64, last: f64) -> Self {
        let again = FaultSpec { name: "slow generator again".to_owned(), ..self.header.experiment.faults[0].clone() };
        self.header.experiment.faults.push(again);
        self.again = Some([first, last].map(Duration::from_secs_f64));
        self
    }

    /// These samples of the fault were never taken.
    pub fn missing_during(mut self, missing: impl Fn(usize) -> bool + 'static) -> Self {
        self.missing = Some(Box::new(missing));
        self
    }

    /// How long the fault lasted.
    pub fn fault_seconds(mut self, seconds: f64) -> Self {
        self.fault_time = Duration::from_secs_f64(seconds);
        self
    }

    /// Another probe, and the values it read during the fault; 0 before, the last one after.
    pub fn also(mut self, probe: ProbeSpec, value: impl Fn(usize) -> f64 + Clone + 'static) -> Self {
        let read = |value: f64| Measured { millis: 1.0, outcome: Outcome::Ok, value: Some(value) };
        let samples = (self.fault_time.as_secs_f64() / probe.interval.0.as_secs_f64()) as usize;
        let last = value(samples - 1);
        self.header.experiment.steady_state.push(probe);
        self.probes.push(Sights {
            baseline: Box::new(move |_| read(0.0)),
            fault: Box::new(move |n| read(value(n))),
            after: Box::new(move |_| read(last)),
        });
        self
    }

    /// Another probe, and the values it read before and after the fault; during it those of before.
    pub fn also_reading(
        mut self,
        probe: ProbeSpec,
        before: impl Fn(usize) -> f64 + Clone + 'static,
        after: impl Fn(usize) -> f64 + 'static,
    ) -> Self {
        let read = |value: f64| Measured { millis: 1.0, outcome: Outcome::Ok, value: Some(value) };
        let during = before.clone();
        self.header.experiment.steady_state.push(probe);
        self.probes.push(Sights {
            baseline: Box::new(move |n| read(before(n))),
            fault: Box::new(move |n| read(during(n))),
            after: Box::new(move |n| read(after(n))),
        });
        self
    }

    /// What passed the proxy, which speaks HTTP, before, during and after the fault.
    pub fn passing(mut self, before: Passing, during: Passing, after: Passing) -> Self {
        self.passing = Some([before, during, after]);
        self
    }

    /// Another probe without values, and what it saw during the fault.
    pub fn also_answering(mut self, probe: ProbeSpec, sight: impl Fn(usize) -> (f64, Outcome) + 'static) -> Self {
        self.header.experiment.steady_state.push(probe);
        self.probes.push(Sights { baseline: good(), fault: answering(sight), after: good() });
        self
    }

    /// The fault kills this service instead.
    pub fn killing(mut self, service: &str) -> Self {
        let fault = &mut self.header.experiment.faults[0];
        fault.kind = FaultKind::ProcessKill(ProcessKill::default());
        fault.target = Target::service(service);
        self.dose = Some(dose_of("killed", 1.0, "gone".to_owned()));
        self
    }

    /// The share of connections that is delayed.
    pub fn share(mut self, share: f64) -> Self {
        if let FaultKind::NetworkLatency(latency) = &mut self.header.experiment.faults[0].kind {
            latency.share = Some(Share(share));
        }
        self
    }

    /// The dose was measured: so many seconds of this.
    pub fn dose(mut self, what: &str, seconds: f64) -> Self {
        let measured = Timespan(Duration::from_secs_f64(seconds));
        self.dose = Some(dose_of(what, seconds, measured.to_string()));
        self
    }

    /// The dose was measured, and the fault did not bite.
    pub fn ineffective(mut self, why: &str) -> Self {
        if let Some(dose) = &mut self.dose {
            dose.ineffective = Some(why.to_owned());
        }
        self
    }

    /// The dose was not measured.
    pub fn without_dose(mut self) -> Self {
        self.dose = None;
        self
    }

    /// The fault could not be applied.
    pub fn failing_to_apply(mut self, why: &str) -> Self {
        self.failed = Some(why.to_owned());
        self
    }

    /// The baseline was judged, and these are its problems.
    pub fn unsteady(mut self, problems: &[&str]) -> Self {
        self.problems = problems.iter().map(|&problem| problem.to_owned()).collect();
        self
    }

    /// A service did not come up.
    pub fn not_coming_up(mut self, why: &str) -> Self {
        self.set_up_failure = Some(why.to_owned());
        self
    }

    /// A stop condition fired this many seconds after the start of the run, one second after the first bad event.
    pub fn stopped_by(mut self, condition: &str, at: f64) -> Self {
        self.stop = Some((condition.to_owned(), Duration::from_secs_f64(at)));
        self
    }

    /// The same, for another cause than a condition of the file.
    pub fn because_of(mut self, cause: StopCause) -> Self {
        self.cause = cause;
        self
    }

    /// A signal ended the run this many seconds after its start.
    pub fn interrupted_by(mut self, signal: &str, at: f64) -> Self {
        self.interrupt = Some((signal.to_owned(), Duration::from_secs_f64(at)));
        self
    }

    /// The last step could not be put back.
    pub fn leaving_residue(mut self) -> Self {
        self.residue = true;
        self
    }

    /// The runner did not see the steady state come back.
    pub fn not_recovered(mut self) -> Self {
        self.recovered = false;
        self
    }

    /// The tool was killed before the end.
    pub fn breaking_off(mut self) -> Self {
        self.breaks_off = true;
        self
    }

    /// Nothing is injected.
    pub fn observing(mut self) -> Self {
        self.header.mode = Mode::Observe;
        self
    }

    /// Changes the experiment.
    pub fn with(mut self, change: impl FnOnce(&mut Experiment)) -> Self {
        change(&mut self.header.experiment);
        self
    }

    /// The run.
    pub fn tell(&self) -> Run {
        Run::fold(&self.events()).expect("it begins with the header")
    }

    /// The events of the run.
    pub fn events(&self) -> Vec<Event> {
        let mut log = Log { events: Vec::new(), now: Duration::ZERO, begun: 0.0 };
        log.add(EventKind::RunStarted(Box::new(self.header.clone())));
        log.phase(Phase::SetUp);
        if let Some(why) = &self.set_up_failure {
            log.add(EventKind::SetUpFailed { why: why.clone() });
            return self.end(log);
        }
        log.step(1, "open proxy generator");
        log.now = Duration::from_secs(1);
        log.phase(Phase::Baseline);
        self.sample(&mut log, Phase::Baseline, BASELINE);
        log.add(EventKind::BaselineJudged { problems: self.problems.clone() });
        if self.problems.is_empty() {
            self.inject(&mut log);
        }
        self.tear_down(&mut log);
        self.end(log)
    }

    fn inject(&self, log: &mut Log) {
        log.phase(Phase::Inject);
        log.phase(Phase::Observe);
        let observes = self.header.mode == Mode::Observe;
        if observes {
            log.add(EventKind::FaultSkipped { fault: 0 });
        } else if let Some(why) = &self.failed {
            log.add(EventKind::FaultFailed { fault: 0, why: why.clone() });
        } else {
            log.step(2, "add a toxic to proxy generator");
            log.add(EventKind::FaultApplied { fault: 0 });
        }
        let start = log.now;
        let early = self.stop.as_ref().or(self.interrupt.as_ref()).map(|(_, at)| at.saturating_sub(start));
        self.sample(log, Phase::Observe, early.unwrap_or(self.fault_time));
        if let Some([first, last]) = self.again {
            let mut tell = |after: Duration, kind| log.events.push(Event { at: start + after, kind });
            self.dose.iter().for_each(|dose| tell(first, EventKind::DoseRead { fault: 0, dose: dose.clone() }));
            tell(first, EventKind::FaultUndone { fault: 0 });
            tell(self.fault_time - last, EventKind::FaultApplied { fault: 1 });
        }
        if let Some((condition, at)) = &self.stop {
            let first_bad = *at - Duration::from_secs(1);
            log.add(EventKind::StopFired {
                cause: self.cause,
                condition: condition.clone(),
                measured: "p99 2.4s".into(),
                first_bad,
            });
        }
        if let Some((signal, _)) = &self.interrupt {
            log.add(EventKind::Interrupted { signal: signal.clone() });
        }
        self.roll_back(log, !observes && self.failed.is_none());
    }

    fn roll_back(&self, log: &mut Log, applied: bool) {
        log.phase(Phase::Rollback);
        let start = log.now;
        if applied {
            let fault = usize::from(self.again.is_some());
            self.dose.iter().for_each(|dose| log.add(EventKind::DoseRead { fault, dose: dose.clone() }));
            log.now += READ_BACK;
            if self.residue {
                log.add(EventKind::Residue {
                    step: 2,
                    what: "a toxic on proxy generator".into(),
                    why: "the proxy does not answer".into(),
                    command: Some("kill -CONT 7".into()),
                    help: "it ends with the tool's process".into(),
                });
            } else {
                log.undo(2, "remove the toxic");
                log.add(EventKind::FaultUndone { fault });
            }
        }
        if !self.residue {
            log.add(EventKind::RolledBack);
        }
        if self.interrupt.is_none() {
            log.phase(Phase::Recovery);
            log.now = start;
            self.sample(log, Phase::Recovery, self.after_time);
            log.add(EventKind::RecoveryEnded { recovered: self.recovered });
        }
    }

    fn tear_down(&self, log: &mut Log) {
        log.phase(Phase::TearDown);
        log.now += READ_BACK;
        log.undo(1, "close proxy generator");
    }

    fn end(&self, mut log: Log) -> Vec<Event> {
        log.phase(Phase::Done);
        if !self.breaks_off {
            log.add(EventKind::RunEnded);
        }
        log.events
    }

    /// Lets every probe take its samples for so long from now on.
    fn sample(&self, log: &mut Log, phase: Phase, time: Duration) {
        let start = log.now;
        for (place, (probe, sights)) in self.header.experiment.steady_state.iter().zip(&self.probes).enumerate() {
            let sight = match phase {
                Phase::Baseline => &sights.baseline,
                Phase::Observe => &sights.fault,
                _ => &sights.after,
            };
            let count = time.as_nanos() / probe.interval.0.as_nanos();
            let missing = |n| phase == Phase::Observe && self.missing.as_ref().is_some_and(|missing| missing(n));
            for n in (0..usize::try_from(count).expect("few")).filter(|n| !missing(*n)) {
                let seen = sight(n);
                let intended = start + probe.interval.0 * u32::try_from(n).expect("few");
                let measurement = Measurement { outcome: seen.outcome, value: seen.value, detail: None };
                log.sample(Sample::new(place, phase, timed(intended, seen.millis), measurement));
            }
        }
        if let Some([before, during, after]) = self.passing {
            let passing = match phase {
                Phase::Baseline => before,
                Phase::Observe => during,
                _ => after,
            };
            log.pass(&passing, start, time);
        }
        log.now = start + time;
    }
}

struct Log {
    events: Vec<Event>,
    now: Duration,
    /// Requests that have passed the proxy.
    begun: f64,
}

impl Log {
    fn add(&mut self, kind: EventKind) {
        self.events.push(Event { at: self.now, kind });
    }

    /// Looks at the proxy five times a second.
    fn pass(&mut self, passing: &Passing, start: Duration, time: Duration) {
        let looks = u32::try_from(time.as_millis() / 200).expect("few");
        for n in 0..looks {
            let swing = if n / 5 % 2 == 0 { passing.swing } else { -passing.swing };
            let in_flight = passing.in_flight - u64::from(n % 2) * passing.wobble;
            let requests = Some(RequestCounts { begun: self.begun.round() as u64, in_flight });
            let proxies = vec![ProxyTraffic { proxy: "generator".to_owned(), open: passing.open, requests }];
            let at = start + Duration::from_millis(200) * n;
            self.events.push(Event { at, kind: EventKind::Traffic { proxies } });
            self.begun += (passing.per_second + swing) / 5.0;
        }
    }

    fn phase(&mut self, phase: Phase) {
        self.add(EventKind::PhaseStarted { phase });
    }

    fn step(&mut self, step: u64, act: &str) {
        self.add(EventKind::StepApplied { step, act: act.to_owned() });
    }

    fn undo(&mut self, step: u64, undo: &str) {
        self.add(EventKind::StepUndone { step, undo: undo.to_owned() });
    }

    fn sample(&mut self, sample: Sample) {
        self.events.push(Event { at: sample.done(), kind: EventKind::Sample(sample) });
    }
}

fn answering(sight: impl Fn(usize) -> (f64, Outcome) + 'static) -> Sight {
    Box::new(move |n| {
        let (millis, outcome) = sight(n);
        Measured { millis, outcome, value: None }
    })
}

fn good() -> Sight {
    answering(|_| (2.0, Outcome::Ok))
}
