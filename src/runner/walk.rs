//! The walk through the phases, and the one loop that listens to samples, time and signals.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use super::active::Active;
use super::emitter::Emitter;
use super::hands::Hands;
use super::transition::{Ended, next};
use crate::analysis::RecoveryWatch;
use crate::guard::{Fired, StopWatch};
use crate::host::Machine;
use crate::host::clock::Clock;
use crate::host::signals::Cancel;
use crate::journal::Journal;
use crate::model::event::{Event, EventKind, RunHeader};
use crate::model::phase::Phase;
use crate::model::sample::Sample;
use crate::probe::schedule::Scheduled;
use crate::probe::{PhaseCell, Recorder};

/// How often time-bound conditions are looked at.
const TICK: Duration = Duration::from_millis(100);

/// A run under way.
pub(super) struct Walk<M: Machine> {
    pub(super) header: RunHeader,
    pub(super) hands: Hands<M>,
    pub(super) emitter: Emitter,
    pub(super) clock: Clock,
    pub(super) recorder: Recorder,
    samples: UnboundedReceiver<Sample>,
    pub(super) schedules: Vec<Scheduled>,
    pub(super) baseline: Vec<Sample>,
    pub(super) stop: Option<StopWatch>,
    /// The verified undo, and the watch over what was sent after it.
    pub(super) recovery: Option<(Duration, RecoveryWatch)>,
    pub(super) active: Active,
    interruption_told: bool,
}

/// Why listening ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Heard {
    /// The time is over.
    TimeIsUp,
    /// A stop condition fired.
    Stop,
    /// A signal asks to end.
    Cancel,
    /// The steady state is back.
    Recovered,
}

impl<M: Machine> Walk<M> {
    pub fn new(
        header: RunHeader,
        machine: Arc<M>,
        journal: Journal,
        cancel: Cancel,
        events: UnboundedSender<Event>,
    ) -> Self {
        let clock = machine.clock();
        let emitter = Emitter::new(clock, events);
        let (send_samples, samples) = unbounded_channel();
        let origin = emitter.origin();
        let phases = PhaseCell::new(Phase::SetUp, origin);
        Self {
            hands: Hands { machine, journal, emitter: emitter.clone(), cancel },
            header,
            emitter,
            clock,
            recorder: Recorder { clock, origin, phases, samples: send_samples },
            samples,
            schedules: Vec::new(),
            baseline: Vec::new(),
            stop: None,
            recovery: None,
            active: Active::default(),
            interruption_told: false,
        }
    }

    /// Walks until there is nothing left to do.
    pub async fn through_all_phases(&mut self) {
        self.emitter.emit(EventKind::RunStarted(Box::new(self.header.clone())));
        let mut phase = Phase::SetUp;
        while phase != Phase::Done {
            self.recorder.phases.enter(phase, self.clock.now());
            self.emitter.emit(EventKind::PhaseStarted { phase });
            let ended = self.walk(phase).await;
            phase = next(phase, ended);
        }
    }

    async fn walk(&mut self, phase: Phase) -> Ended {
        match phase {
            Phase::SetUp => self.set_up().await,
            Phase::Baseline => self.measure_baseline().await,
            Phase::Inject => self.inject().await,
            Phase::Observe => self.observe().await,
            Phase::Rollback => self.roll_back().await,
            Phase::Recovery => self.await_recovery().await,
            Phase::TearDown => self.tear_down().await,
            Phase::Done => Ended::Well,
        }
    }

    /// After a panic: whatever phase that was in.
    pub async fn put_everything_back(&mut self) {
        self.schedules.clear();
        if self.hands.put_back(|_| true).await {
            self.emitter.emit(EventKind::RolledBack);
        }
    }

    pub fn end(&self) {
        self.emitter.emit(EventKind::RunEnded);
    }

    /// Listens to samples, time and signals until a moment, or until something asks to end sooner.
    pub async fn listen_until(&mut self, moment: Instant) -> Heard {
        // On a clock of its own: samples that keep coming must not put it off.
        let mut next_tick = self.clock.now();
        loop {
            if let Some(heard) = self.signal() {
                return heard;
            }
            let now = self.clock.now();
            if now >= moment {
                return Heard::TimeIsUp;
            }
            let mut heard = None;
            if now >= next_tick {
                next_tick = now + TICK;
                heard = self.tick();
            }
            if heard.is_none() {
                heard = self.hear_one(moment.min(next_tick)).await;
            }
            if let Some(heard) = heard {
                return heard;
            }
        }
    }

    /// Waits for a signal, a sample or a moment, whatever comes first.
    async fn hear_one(&mut self, moment: Instant) -> Option<Heard> {
        let cancel = self.hands.cancel.clone();
        tokio::select! {
            biased;
            _ = cancel.wait() => self.signal(),
            Some(sample) = self.samples.recv() => self.see(sample),
            () = self.clock.sleep_until(moment) => None,
        }
    }

    fn signal(&mut self) -> Option<Heard> {
        let signal = self.hands.cancel.requested()?;
        if !self.interruption_told {
            self.interruption_told = true;
            self.emitter.emit(EventKind::Interrupted { signal: signal.to_string() });
        }
        Some(Heard::Cancel)
    }

    /// Whether a signal asks to end; told as an event the first time.
    pub fn cancelled(&mut self) -> bool {
        self.signal().is_some()
    }

    fn see(&mut self, sample: Sample) -> Option<Heard> {
        let fired = self.stop.as_mut().and_then(|stop| stop.see(&sample));
        let recovered = self.recovery.as_mut().is_some_and(|(undone, recovery)| {
            if sample.intended >= *undone {
                recovery.see(&sample);
            }
            recovery.recovered().is_some()
        });
        if sample.phase == Phase::Baseline {
            self.baseline.push(sample.clone());
        }
        self.emitter.emit(EventKind::Sample(sample));
        fired.map(|fired| self.stop_for(fired)).or_else(|| recovered.then_some(Heard::Recovered))
    }

    fn tick(&mut self) -> Option<Heard> {
        let users = self.hands.machine.affected_users();
        let fired = self.stop.as_mut().and_then(|stop| stop.tick(self.emitter.elapsed(), users));
        fired.map(|fired| self.stop_for(fired))
    }

    fn stop_for(&mut self, fired: Fired) -> Heard {
        let Fired { condition, measured, first_bad } = fired;
        self.emitter.emit(EventKind::StopFired { condition, measured, first_bad });
        self.stop = None;
        Heard::Stop
    }

    /// Samples that came in while nobody listened.
    pub fn drain_samples(&mut self) {
        while let Ok(sample) = self.samples.try_recv() {
            self.see(sample);
        }
    }
}

impl Heard {
    pub const fn ended(&self) -> Ended {
        match self {
            Self::TimeIsUp | Self::Recovered => Ended::Well,
            Self::Stop => Ended::Stopped,
            Self::Cancel => Ended::Cancelled,
        }
    }
}
