//! The one loop that listens to samples, time and signals, also while the hands are busy.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;

use super::emitter::Emitter;
use super::transition::Ended;
use crate::analysis::RecoveryWatch;
use crate::guard::{Fired, StopWatch};
use crate::host::Machine;
use crate::host::clock::Clock;
use crate::host::signals::Cancel;
use crate::model::event::EventKind;
use crate::model::phase::Phase;
use crate::model::sample::Sample;

/// How often time-bound conditions are looked at.
const TICK: Duration = Duration::from_millis(100);

/// What a run hears, and what it remembers of it.
pub(super) struct Ears<M> {
    machine: Arc<M>,
    clock: Clock,
    emitter: Emitter,
    cancel: Cancel,
    samples: UnboundedReceiver<Sample>,
    /// The samples of the baseline that were known when it was judged. What was under way then may show the fault.
    pub(super) baseline: Vec<Sample>,
    /// Whether the baseline is still being measured.
    pub(super) measuring: bool,
    /// What ends the faults; none where nothing is to be ended, or once it fired.
    pub(super) stop: Option<StopWatch>,
    /// The verified undo, and the watch over what was sent after it.
    pub(super) recovery: Option<(Duration, RecoveryWatch)>,
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

impl<M: Machine> Ears<M> {
    pub fn new(machine: Arc<M>, emitter: Emitter, cancel: Cancel, samples: UnboundedReceiver<Sample>) -> Self {
        let clock = machine.clock();
        let (baseline, stop, recovery) = (Vec::new(), None, None);
        Self {
            machine,
            clock,
            emitter,
            cancel,
            samples,
            baseline,
            measuring: true,
            stop,
            recovery,
            interruption_told: false,
        }
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
        let cancel = self.cancel.clone();
        tokio::select! {
            biased;
            _ = cancel.wait() => self.signal(),
            Some(sample) = self.samples.recv() => self.see(sample),
            () = self.clock.sleep_until(moment) => None,
        }
    }

    fn signal(&mut self) -> Option<Heard> {
        let signal = self.cancel.requested()?;
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
        if self.measuring && sample.phase == Phase::Baseline {
            self.baseline.push(sample.clone());
        }
        self.emitter.emit(EventKind::Sample(sample));
        fired.map(|fired| self.stop_for(fired)).or_else(|| recovered.then_some(Heard::Recovered))
    }

    /// What is due by the clock, after everything that was said before: a backlog of samples is not silence.
    fn tick(&mut self) -> Option<Heard> {
        while let Ok(sample) = self.samples.try_recv() {
            let heard = self.see(sample);
            if heard.is_some() {
                return heard;
            }
        }
        let users = self.machine.affected_users();
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
