//! One run, folded from its events. Incomplete streams (the tool was killed) fold too: `ended` stays false.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::window::{Window, samples_in};
use crate::model::dose::Dose;
use crate::model::event::{Event, EventKind, RunHeader, StopCause};
use crate::model::experiment::Experiment;
use crate::model::phase::Phase;
use crate::model::probe::ProbeSpec;
use crate::model::sample::Sample;
use crate::model::traffic::{ProxyTraffic, RequestCounts};
use crate::model::verdict::Mode;

/// So many different things that samples said are remembered, to be kept once.
const WORDS: usize = 16;

/// Room for more samples than this is not made beforehand.
const MOST_FORESEEN: usize = 1 << 23;

/// Everything that happened in a run. Times count from its start.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// What was known at the start.
    pub header: RunHeader,
    /// The phases, in the order they began.
    pub phases: Vec<PhaseSpan>,
    /// Every sample, by intended time.
    pub samples: Vec<Sample>,
    /// One record for each fault of the experiment, in its order.
    pub faults: Vec<FaultRecord>,
    /// The samples of the baseline phase that were not known yet when it was judged.
    late: BTreeSet<(Duration, usize)>,
    /// Samples that said something, a few of them: others that say the same share it.
    words: VecDeque<Sample>,
    /// When the baseline was judged.
    pub baseline_judged_at: Option<Duration>,
    /// Why the baseline is not steady; empty when it is, absent when it was not judged.
    pub baseline_problems: Option<Vec<String>>,
    /// The first stop condition that fired.
    pub stop: Option<StopRecord>,
    /// The first signal that asked to end.
    pub interrupted: Option<String>,
    /// Why the run could not begin.
    pub set_up_failure: Option<String>,
    /// What could not be put back.
    pub residue: Vec<ResidueRecord>,
    /// What was done to the machine.
    pub steps: Vec<StepRecord>,
    /// When all faults were verified undone.
    pub rolled_back_at: Option<Duration>,
    /// How the wait for the steady state ended, as the runner saw it.
    pub recovery_ended: Option<RecoveryEnd>,
    /// Users touched by the faults; the last count.
    pub affected_users: Option<u64>,
    /// What had passed each proxy, by its name, at each look.
    pub traffic: BTreeMap<String, Vec<TrafficLook>>,
    /// Things worth knowing that change nothing.
    pub notes: Vec<String>,
    /// The run came to its end; false when the stream breaks off.
    pub ended: bool,
    /// The time of the last event.
    pub last: Duration,
}

/// When a phase was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhaseSpan {
    /// Which.
    pub phase: Phase,
    /// Its start.
    pub start: Duration,
    /// The start of the next one, or the last event.
    pub end: Duration,
}

/// What became of one fault.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FaultRecord {
    /// When it was applied completely.
    pub applied: Option<Duration>,
    /// When its dose was read, which is just before its undo began.
    pub dose_read: Option<Duration>,
    /// Its dose.
    pub dose: Option<Dose>,
    /// When its undo was read back.
    pub undone: Option<Duration>,
    /// Why it could not be applied.
    pub failed: Option<String>,
    /// Observer mode: it was left out.
    pub skipped: bool,
}

/// What ended the fault early.
#[derive(Debug, Clone, PartialEq)]
pub struct StopRecord {
    /// What kind of end it is.
    pub cause: StopCause,
    /// The condition as written, or the limit in words.
    pub condition: String,
    /// What was measured.
    pub measured: String,
    /// The first bad event that led to it.
    pub first_bad: Duration,
    /// When it fired.
    pub fired_at: Duration,
}

/// Something of ours that may still be on the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResidueRecord {
    /// The step's number in the journal.
    pub step: u64,
    /// What is left.
    pub what: String,
    /// Why.
    pub why: String,
    /// The command to run by hand, where there is one.
    pub command: Option<String>,
    /// What is left then, what ends it, and how to see whether it is there.
    pub help: String,
}

/// One thing that was done to the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepRecord {
    /// Its number in the journal.
    pub number: u64,
    /// What was done.
    pub act: String,
    /// When.
    pub applied: Duration,
    /// How it was undone, once that was read back.
    pub undo: Option<String>,
    /// When the undo was read back.
    pub undone: Option<Duration>,
}

/// The end of the wait for the steady state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecoveryEnd {
    /// When the wait was over.
    pub at: Duration,
    /// Whether the steady state was back.
    pub recovered: bool,
}

/// The counters of a proxy at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrafficLook {
    /// When.
    pub at: Duration,
    /// Connections that were open.
    pub open: u64,
    /// Requests; none where the proxy did not look into the bytes.
    pub requests: Option<RequestCounts>,
}

impl Run {
    /// Folds the events of a run, in their order. None when the first is not [`EventKind::RunStarted`].
    pub fn fold(events: &[Event]) -> Option<Self> {
        let (first, rest) = events.split_first()?;
        let mut run = Self::begin(first)?;
        rest.iter().for_each(|event| run.hear(event));
        Some(run.complete())
    }

    /// Begins with the first event; none when that is not [`EventKind::RunStarted`]. [`Run::hear`] takes the others, in
    /// their order, and [`Run::complete`] ends it: so nobody has to keep a million events.
    pub fn begin(first: &Event) -> Option<Self> {
        let EventKind::RunStarted(header) = &first.kind else { return None };
        Some(Self::new(header.as_ref().clone()))
    }

    /// The next event.
    pub fn hear(&mut self, event: &Event) {
        self.last = self.last.max(event.at);
        self.take(event);
    }

    /// There are no more events.
    #[must_use = "only this run is in order"]
    pub fn complete(mut self) -> Self {
        if let Some(open) = self.phases.last_mut() {
            open.end = self.last;
        }
        // In place: a sort that keeps the order of equals would take half as much memory again.
        self.samples.sort_unstable_by_key(|sample| (sample.intended(), sample.probe()));
        self.samples.shrink_to_fit();
        self
    }

    /// The samples of the baseline that were known when it was judged, by intended time: those that the runner judged
    /// it by. What was still under way may already show the fault. All of the phase when it was not judged.
    pub fn baseline(&self) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(|sample| self.is_baseline(sample))
    }

    /// Those of them that one probe was to take in one of these windows.
    pub fn baseline_in<'a, 'w>(
        &'a self,
        probe: usize,
        windows: &'w [Window],
    ) -> impl Iterator<Item = &'a Sample> + use<'a, 'w> {
        samples_in(&self.samples, probe, windows).filter(|sample| self.is_baseline(sample))
    }

    fn is_baseline(&self, sample: &Sample) -> bool {
        sample.phase() == Phase::Baseline && !self.late.contains(&(sample.intended(), sample.probe()))
    }

    /// Lets go of the samples, of which there may be millions: an analysis that was made of them needs them no more.
    pub fn forget_samples(&mut self) {
        self.samples = Vec::new();
    }

    /// The experiment.
    pub fn experiment(&self) -> &Experiment {
        &self.header.experiment
    }

    /// Nothing is broken in this mode.
    pub fn observes_only(&self) -> bool {
        self.header.mode == Mode::Observe
    }

    /// When a phase was, if it began.
    pub fn phase(&self, phase: Phase) -> Option<PhaseSpan> {
        self.phases.iter().copied().find(|span| span.phase == phase)
    }

    /// When the first fault was applied.
    pub fn first_applied(&self) -> Option<Duration> {
        self.faults.iter().filter_map(|fault| fault.applied).min()
    }

    /// When the last fault was verified undone; the verified rollback when single undos were not told.
    pub fn verified_undo(&self) -> Option<Duration> {
        self.faults.iter().filter_map(|fault| fault.undone).max().or(self.rolled_back_at)
    }

    fn new(header: RunHeader) -> Self {
        let faults = vec![FaultRecord::default(); header.experiment.faults.len()];
        let mut samples = Vec::new();
        // Grown step by step, a list of a million would be copied while both copies are in memory. Room that is not
        // used costs nothing; without it, it does grow.
        let _ = samples.try_reserve_exact(foreseen(&header.experiment));
        Self {
            header,
            phases: Vec::new(),
            samples,
            faults,
            late: BTreeSet::new(),
            words: VecDeque::new(),
            baseline_judged_at: None,
            baseline_problems: None,
            stop: None,
            interrupted: None,
            set_up_failure: None,
            residue: Vec::new(),
            steps: Vec::new(),
            rolled_back_at: None,
            recovery_ended: None,
            affected_users: None,
            traffic: BTreeMap::new(),
            notes: Vec::new(),
            ended: false,
            last: Duration::ZERO,
        }
    }

    fn take(&mut self, event: &Event) {
        let at = event.at;
        match &event.kind {
            EventKind::PhaseStarted { phase } => self.enter(*phase, at),
            EventKind::Sample(sample) => self.see(sample),
            EventKind::SetUpFailed { why } => self.set_up_failure = Some(why.clone()),
            EventKind::BaselineJudged { problems } => {
                self.baseline_judged_at = Some(at);
                self.baseline_problems = Some(problems.clone());
            }
            EventKind::StopFired { cause, condition, measured, first_bad } => {
                self.stop.get_or_insert_with(|| StopRecord {
                    cause: *cause,
                    condition: condition.clone(),
                    measured: measured.clone(),
                    first_bad: *first_bad,
                    fired_at: at,
                });
            }
            EventKind::Interrupted { signal } => {
                self.interrupted.get_or_insert_with(|| signal.clone());
            }
            EventKind::RolledBack => self.rolled_back_at = Some(at),
            EventKind::RecoveryEnded { recovered } => {
                self.recovery_ended = Some(RecoveryEnd { at, recovered: *recovered });
            }
            EventKind::AffectedUsers { users } => self.affected_users = Some(*users),
            EventKind::Traffic { proxies } => self.look(at, proxies),
            EventKind::Note { text } => self.notes.push(text.clone()),
            EventKind::RunEnded => self.ended = true,
            EventKind::RunStarted(_) | EventKind::ServiceReady { .. } | EventKind::ProxyListening { .. } => {}
            _ => self.take_change(event),
        }
    }

    fn look(&mut self, at: Duration, proxies: &[ProxyTraffic]) {
        for proxy in proxies {
            let look = TrafficLook { at, open: proxy.open, requests: proxy.requests };
            self.traffic.entry(proxy.proxy.clone()).or_default().push(look);
        }
    }

    fn see(&mut self, sample: &Sample) {
        if sample.phase() == Phase::Baseline && self.baseline_judged_at.is_some() {
            self.late.insert((sample.intended(), sample.probe()));
        }
        let mut sample = sample.clone();
        if sample.detail().is_some() && !self.words.iter().any(|with| sample.share_words(with)) {
            self.words.push_back(sample.clone());
            self.words.truncate(WORDS);
            self.words.rotate_right(1);
        }
        self.samples.push(sample);
    }

    /// The events that tell of changes to the machine.
    fn take_change(&mut self, event: &Event) {
        let at = event.at;
        match &event.kind {
            EventKind::FaultApplied { fault } => self.fault(*fault, |record| record.applied = Some(at)),
            EventKind::FaultFailed { fault, why } => self.fault(*fault, |record| record.failed = Some(why.clone())),
            EventKind::FaultSkipped { fault } => self.fault(*fault, |record| record.skipped = true),
            EventKind::DoseRead { fault, dose } => self.fault(*fault, |record| {
                record.dose_read = Some(at);
                record.dose = Some(dose.clone());
            }),
            EventKind::FaultUndone { fault } => self.fault(*fault, |record| record.undone = Some(at)),
            EventKind::StepApplied { step, act } => {
                self.steps.push(StepRecord { number: *step, act: act.clone(), applied: at, undo: None, undone: None });
            }
            EventKind::StepUndone { step, undo } => self.undone(*step, undo, at),
            EventKind::Residue { step, what, why, command, help } => self.residue.push(ResidueRecord {
                step: *step,
                what: what.clone(),
                why: why.clone(),
                command: command.clone(),
                help: help.clone(),
            }),
            _ => {}
        }
    }

    fn enter(&mut self, phase: Phase, at: Duration) {
        if let Some(before) = self.phases.last_mut() {
            before.end = at;
        }
        self.phases.push(PhaseSpan { phase, start: at, end: at });
    }

    /// Events of a fault that the experiment does not have are ignored: they can only come from a damaged file.
    fn fault(&mut self, fault: usize, change: impl FnOnce(&mut FaultRecord)) {
        if let Some(record) = self.faults.get_mut(fault) {
            change(record);
        }
    }

    fn undone(&mut self, number: u64, undo: &str, at: Duration) {
        if let Some(step) = self.steps.iter_mut().rev().find(|step| step.number == number) {
            step.undo = Some(undo.to_owned());
            step.undone = Some(at);
        }
    }
}

/// How many samples a run of this experiment takes when everything goes as long as it may.
fn foreseen(experiment: &Experiment) -> usize {
    let of = |probe: &ProbeSpec| experiment.watched().as_nanos().div_ceil(probe.interval.0.as_nanos().max(1));
    let all: u128 = experiment.steady_state.iter().map(of).sum();
    usize::try_from(all).unwrap_or(usize::MAX).min(MOST_FORESEEN)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Run;
    use crate::analysis::testing::Story;
    use crate::model::event::{Event, EventKind};
    use crate::model::phase::Phase;

    #[test]
    fn a_stream_without_a_beginning_is_no_run() {
        assert_eq!(Run::fold(&[]), None);
        assert_eq!(Run::fold(&[Event { at: Duration::ZERO, kind: EventKind::RunEnded }]), None);
    }

    #[test]
    fn a_run_remembers_when_its_faults_were_applied_and_undone() {
        let run = Story::slow_generator().tell();
        let fault = &run.faults[0];
        assert_eq!(fault.applied, run.phase(Phase::Observe).map(|span| span.start));
        assert!(fault.undone > fault.dose_read && fault.dose_read > fault.applied);
        assert_eq!(run.verified_undo(), fault.undone);
        assert!(run.ended);
    }

    #[test]
    fn every_step_is_paired_with_its_undo() {
        let run = Story::slow_generator().tell();
        assert!(!run.steps.is_empty());
        assert!(run.steps.iter().all(|step| step.undo.is_some() && step.undone > Some(step.applied)));
    }

    #[test]
    fn phases_end_where_the_next_begins_and_the_last_with_the_last_event() {
        let run = Story::slow_generator().tell();
        assert!(run.phases.windows(2).all(|pair| pair[0].end == pair[1].start));
        assert_eq!(run.phases.last().map(|span| span.end), Some(run.last));
    }

    #[test]
    fn only_the_first_stop_counts() {
        let mut events = Story::slow_generator().stopped_by("ask.p99 > 2s", 12.0).events();
        let again = EventKind::StopFired {
            cause: Default::default(),
            condition: "later".into(),
            measured: String::new(),
            first_bad: Duration::ZERO,
        };
        events.push(Event { at: Duration::from_secs(50), kind: again });
        let run = Run::fold(&events).expect("a run");
        assert_eq!(run.stop.map(|stop| stop.condition).as_deref(), Some("ask.p99 > 2s"));
    }

    #[test]
    fn samples_are_put_in_the_order_of_their_intended_times() {
        let mut events = Story::slow_generator().events();
        events[1..].reverse();
        let run = Run::fold(&events).expect("a run");
        assert!(run.samples.is_sorted_by_key(|sample| sample.intended()));
    }
}
