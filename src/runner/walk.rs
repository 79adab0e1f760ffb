//! The walk through the phases.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::active::Active;
use super::ears::Ears;
use super::emitter::Emitter;
use super::hands::Hands;
use super::transition::{Ended, next};
use crate::host::Machine;
use crate::host::clock::Clock;
use crate::host::signals::Cancel;
use crate::journal::Journal;
use crate::model::event::{Event, EventKind, RunHeader};
use crate::model::phase::Phase;
use crate::probe::schedule::Scheduled;
use crate::probe::{PhaseCell, Recorder, UnderWay};

/// A run under way.
pub(super) struct Walk<M: Machine> {
    pub(super) header: RunHeader,
    pub(super) hands: Hands<M>,
    pub(super) emitter: Emitter,
    pub(super) clock: Clock,
    pub(super) recorder: Recorder,
    pub(super) ears: Ears<M>,
    pub(super) schedules: Vec<Scheduled>,
    /// The current phase and its start.
    pub(super) phase: (Phase, Duration),
    pub(super) active: Active,
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
        let under_way = UnderWay::default();
        let phases = PhaseCell::new(Phase::SetUp, origin);
        Self {
            ears: Ears::new(Arc::clone(&machine), emitter.clone(), cancel.clone(), samples, under_way.clone()),
            hands: Hands { machine, journal, emitter: emitter.clone(), cancel },
            header,
            emitter,
            clock,
            recorder: Recorder { clock, origin, phases, samples: send_samples, under_way: under_way.clone() },
            schedules: Vec::new(),
            phase: (Phase::SetUp, Duration::ZERO),
            active: Active::default(),
        }
    }

    /// Walks until there is nothing left to do.
    pub async fn through_all_phases(&mut self) {
        self.emitter.emit(EventKind::RunStarted(Box::new(self.header.clone())));
        let mut phase = Phase::SetUp;
        while phase != Phase::Done {
            self.recorder.phases.enter(phase, self.clock.now());
            self.phase = (phase, self.emitter.elapsed());
            self.emitter.emit_at(self.phase.1, EventKind::PhaseStarted { phase });
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

    pub fn end(&mut self) {
        if let Err(error) = self.hands.journal.finish() {
            self.emitter.note(format!("the journal could not be closed; `chaos rollback` will tidy up: {error}"));
        }
        self.emitter.emit(EventKind::RunEnded);
    }
}
