//! Injecting, watching, and taking faults off again, each at its time.

use std::time::Duration;

use tokio::time::Instant;

use super::active::Begun;
use super::contention::apart;
use super::ears::{Heard, Watched};
use super::hands::Undone;
use super::put_back::LONGEST_UNDO;
use super::transition::Ended;
use super::walk::Walk;
use crate::fault::{self, FaultPlan};
use crate::guard::StopWatch;
use crate::host::{Chosen, Facts, Machine, Trouble};
use crate::journal::Owner;
use crate::model::dose::Dose;
use crate::model::event::EventKind;
use crate::model::experiment::Experiment;
use crate::model::fault::{FaultSpec, Target};
use crate::model::target::Victim;
use crate::model::units::Timespan;
use crate::model::verdict::Mode;

/// A dose that cannot be read at once is not waited for: the undo comes first.
const READING: Duration = Duration::from_millis(250);

/// What the blast radius may cut off the faults' time without a word: applying them takes a moment, too.
const CUT: Duration = Duration::from_secs(1);

const TOO_SLOW: &str = "it was not complete when the time of the blast radius was over";

/// Something that is due while observing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// Ends sort before beginnings, so that steps that follow each other do not overlap.
    End(usize),
    Begin(usize),
}

impl<M: Machine> Walk<M> {
    /// Applies the faults that start at once.
    pub(super) async fn inject(&mut self) -> Ended {
        self.ears.stop = Some(StopWatch::new(&self.header.experiment, self.emitter.elapsed()));
        for fault in at_once(&self.header.experiment) {
            let ended = self.begin(fault).await;
            if ended != Ended::Well {
                return ended;
            }
        }
        Ended::Well
    }

    /// Watches until the last fault's time is over.
    pub(super) async fn observe(&mut self) -> Ended {
        let began = self.clock.now();
        for (at, due) in timeline(&self.header.experiment) {
            let heard = self.ears.listen_until(self.limited(began + at)).await.ended();
            if heard != Ended::Well {
                return heard;
            }
            if self.out_of_time() {
                return self.cut_short(began);
            }
            let ended = match due {
                Due::Begin(fault) => self.begin(fault).await,
                Due::End(fault) => self.end_fault(fault).await,
            };
            if ended != Ended::Well {
                return ended;
            }
        }
        match self.ears.listen_until(self.limited(began + window(&self.header.experiment).0)).await.ended() {
            Ended::Well => self.cut_short(began),
            ended => ended,
        }
    }

    /// The end of what may be observed. When the blast radius ended it well before the faults' own time, that is told as
    /// the stop it is.
    fn cut_short(&mut self, began: Instant) -> Ended {
        let window = window(&self.header.experiment).0;
        let left = (began + window).saturating_duration_since(self.clock.now());
        if left <= CUT.max(window / 10) {
            return Ended::Well;
        }
        let limit = self.header.experiment.blast_radius.duration;
        self.ears.out_of_time(limit, Timespan(left)).ended()
    }

    /// Takes everything off that faults did, and reads it back.
    pub(super) async fn roll_back(&mut self) -> Ended {
        let stopped = self.ears.stop.take().is_none();
        self.ears.targets.clear();
        let open: Vec<usize> = self.active.begun.keys().copied().collect();
        for fault in &open {
            self.read_dose(*fault).await;
        }
        let verified = self.hands.put_back(|owner| matches!(owner, Owner::Fault(_))).await;
        for fault in open {
            self.active.begun.remove(&fault);
            if self.verified(fault) {
                self.emitter.emit(EventKind::FaultUndone { fault });
            }
        }
        self.tell_affected_users();
        if !verified || !self.hands.journal.conflicts().is_empty() {
            return Ended::Failed;
        }
        self.emitter.emit(EventKind::RolledBack);
        match (self.ears.cancelled(), stopped) {
            (true, _) => Ended::Cancelled,
            (false, true) => Ended::Stopped,
            (false, false) => Ended::Well,
        }
    }

    /// Users are counted in proxies only: without a fault there, their number is not zero but unknown.
    fn tell_affected_users(&self) {
        let on_proxy = |fault: &FaultSpec| matches!(fault.target, Target::Proxy(_));
        if self.header.mode == Mode::Inject && self.header.experiment.faults.iter().any(on_proxy) {
            self.emitter.emit(EventKind::AffectedUsers { users: self.hands.machine.affected_users() });
        }
    }

    async fn begin(&mut self, fault: usize) -> Ended {
        if self.header.mode == Mode::Observe {
            self.emitter.emit(EventKind::FaultSkipped { fault });
            return Ended::Well;
        }
        let mut facts = self.hands.machine.facts().await;
        match self.choose(fault).await {
            Ok(chosen) => (facts.victims, facts.open_files) = (chosen.victims, chosen.open_files),
            Err(trouble) => return self.not_applied(fault, trouble.to_string()),
        }
        let experiment = &self.header.experiment;
        let plan = match fault::plan(&experiment.faults[fault], experiment, &facts) {
            Ok(plan) => plan,
            Err(why) => return self.not_applied(fault, why),
        };
        self.apply(fault, plan, facts).await
    }

    /// Those that the fault is to hit, found now; told where there was a choice, or where they are not ours.
    async fn choose(&self, fault: usize) -> Result<Chosen, Trouble> {
        let spec = &self.header.experiment.faults[fault];
        let Some(target) = spec.target.process() else { return Ok(Chosen::default()) };
        let chosen = self.hands.machine.choose(spec, target).await?;
        apart(spec, &chosen.victims, self.in_place())?;
        if target.by.service().is_none() {
            self.emitter.note(told(spec, &chosen, self.header.seed));
        }
        Ok(chosen)
    }

    /// The faults that are in place, each with whom it hits.
    fn in_place(&self) -> impl Iterator<Item = (&FaultSpec, &[Victim])> {
        let faults = &self.header.experiment.faults;
        self.active.begun.iter().map(|(place, begun)| (&faults[*place], begun.facts.victims.as_slice()))
    }

    async fn apply(&mut self, fault: usize, plan: FaultPlan, facts: Facts) -> Ended {
        let at = self.clock.now();
        let first = *self.active.first.get_or_insert(at);
        // A fault may bite long before it is complete: whoever asks to end it meanwhile is heard.
        let limit = first + self.header.experiment.blast_radius.duration.0;
        let applied = tokio::select! {
            biased;
            heard = self.ears.listen_until(limit) => return match heard {
                Heard::TimeIsUp => self.not_applied(fault, TOO_SLOW.to_owned()),
                heard => heard.ended(),
            },
            applied = self.hands.apply(Owner::Fault(fault), plan.steps) => applied,
        };
        match applied {
            Ok(_) => {
                let began = Begun { at: self.clock.now(), meter: plan.meter, facts };
                self.active.begun.insert(fault, began);
                self.watch_target(fault);
                self.emitter.emit(EventKind::FaultApplied { fault });
                Ended::Well
            }
            Err(Undone::Cancelled) => Ended::Cancelled,
            Err(Undone::Trouble(trouble)) => self.not_applied(fault, trouble.to_string()),
        }
    }

    /// From now on the end of what the fault acts on ends the run, unless some fault is to end it.
    fn watch_target(&mut self, fault: usize) {
        let faults = &self.header.experiment.faults;
        let (spec, begun) = (&faults[fault], self.active.begun.get(&fault));
        let to_end = faults.iter().any(|other| other.kind.ends_its_target() && other.target == spec.target);
        if let Some(begun) = begun.filter(|_| !to_end) {
            let name = format!("{}: {}", spec.name, spec.target.describe());
            self.ears.targets.insert(fault, Watched { name, meter: begun.meter.clone() });
        }
    }

    fn not_applied(&self, fault: usize, why: String) -> Ended {
        self.emitter.emit(EventKind::FaultFailed { fault, why });
        Ended::Failed
    }

    /// Ends one fault while others go on.
    async fn end_fault(&mut self, fault: usize) -> Ended {
        if self.header.mode == Mode::Observe {
            return Ended::Well;
        }
        self.ears.targets.remove(&fault);
        self.read_dose(fault).await;
        // Other faults are in place still: whoever asks to end them meanwhile is heard, and the rollback goes on here.
        let limit = self.limited(self.clock.now() + LONGEST_UNDO);
        let verified = tokio::select! {
            biased;
            heard = self.ears.listen_until(limit) => return heard.ended(),
            verified = self.hands.put_back(|owner| owner == Owner::Fault(fault)) => verified,
        };
        self.active.begun.remove(&fault);
        if !verified {
            return Ended::Failed;
        }
        self.emitter.emit(EventKind::FaultUndone { fault });
        Ended::Well
    }

    async fn read_dose(&self, fault: usize) {
        let Some(begun) = self.active.begun.get(&fault) else { return };
        let lasted = self.clock.now().saturating_duration_since(begun.at);
        let reading = tokio::time::timeout(READING, self.hands.machine.read(&begun.meter)).await;
        let experiment = &self.header.experiment;
        let dose = match reading {
            Ok(Ok(reading)) => fault::dose(&experiment.faults[fault], experiment, &begun.facts, &reading, lasted),
            Ok(Err(trouble)) => unread(trouble.to_string()),
            Err(_) => unread(format!("its meter gave no answer within {}", Timespan(READING))),
        };
        self.emitter.emit(EventKind::DoseRead { fault, dose });
    }

    fn verified(&self, fault: usize) -> bool {
        self.hands.journal.conflicts().iter().all(|entry| entry.owner != Owner::Fault(fault))
    }

    /// A moment, or the end of the blast radius if that is sooner.
    fn limited(&self, moment: Instant) -> Instant {
        let most = self.header.experiment.blast_radius.duration.0;
        self.active.first.map_or(moment, |first| moment.min(first + most))
    }

    fn out_of_time(&self) -> bool {
        let most = self.header.experiment.blast_radius.duration.0;
        self.active.first.is_some_and(|first| self.clock.now() >= first + most)
    }
}

fn told(fault: &FaultSpec, chosen: &Chosen, seed: u64) -> String {
    let named: Vec<String> = chosen.victims.iter().map(ToString::to_string).collect();
    let Chosen { instances, matching, .. } = chosen;
    let how = match matching {
        _ if instances == matching => format!("all {matching} that match"),
        _ => format!("{instances} of {matching} that match, drawn by the seed {seed}"),
    };
    format!("\"{}\" hits {}: {how}", fault.name, named.join(", "))
}

fn unread(why: String) -> Dose {
    Dose { parts: Vec::new(), ineffective: Some(format!("the dose could not be read: {why}")) }
}

/// How long is observed: the faults' window, or the baseline's length where nothing is broken.
fn window(experiment: &Experiment) -> Timespan {
    if experiment.faults.is_empty() { experiment.baseline } else { experiment.fault_window() }
}

fn at_once(experiment: &Experiment) -> Vec<usize> {
    let faults = experiment.faults.iter().enumerate();
    faults.filter(|(_, fault)| fault.start == Timespan::ZERO).map(|(place, _)| place).collect()
}

/// What begins later, and what ends before the last fault does, in order. The rest ends in the rollback.
fn timeline(experiment: &Experiment) -> Vec<(Duration, Due)> {
    let last = experiment.fault_window();
    let mut timeline = Vec::new();
    for (place, fault) in experiment.faults.iter().enumerate() {
        if fault.start > Timespan::ZERO {
            timeline.push((fault.start.0, Due::Begin(place)));
        }
        if fault.end() < last {
            timeline.push((fault.end().0, Due::End(place)));
        }
    }
    timeline.sort_unstable();
    timeline
}
