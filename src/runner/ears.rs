//! The one loop that listens to samples, time and signals, also while the hands are busy.

use std::collections::BTreeMap;
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
use crate::host::signals::{Cancel, Reason};
use crate::model::dose::Meter;
use crate::model::event::{EventKind, StopCause};
use crate::model::phase::Phase;
use crate::model::sample::Sample;
use crate::model::units::Timespan;
use crate::probe::UnderWay;

/// How often time-bound conditions are looked at.
const TICK: Duration = Duration::from_millis(100);

/// How often the number of affected users is told at most.
const SECOND: Duration = Duration::from_secs(1);
/// How long whoever starts a target again has to do so before the run ends for want of it: then both can be named.
const TO_BE_REPLACED: Duration = Duration::from_millis(200);
/// Thousands of samples a second are not worth a wake-up each: after some were heard, others gather for so long.
const GATHER: Duration = Duration::from_millis(10);
/// How often the counters of the proxies are told.
const LOOK: Duration = Duration::from_millis(200);

const GUARDIAN_LOST: &str = "the guardian is lost";

/// What a run hears, and what it remembers of it.
pub(super) struct Ears<M> {
    machine: Arc<M>,
    clock: Clock,
    emitter: Emitter,
    cancel: Cancel,
    samples: UnboundedReceiver<Sample>,
    /// What has no answer yet.
    pub(super) under_way: UnderWay,
    /// What faults act on that must not end, by the fault's place.
    pub(super) targets: BTreeMap<usize, Watched>,
    /// The samples of the baseline, until it is judged. What was under way then may show the fault.
    pub(super) baseline: Vec<Sample>,
    /// What will see the steady state again, once the baseline was judged.
    pub(super) good: Option<RecoveryWatch>,
    /// Whether the baseline is still being measured.
    pub(super) measuring: bool,
    /// What ends the faults; none where nothing is to be ended, or once it fired.
    pub(super) stop: Option<StopWatch>,
    /// The verified undo, and the watch over what was sent after it.
    pub(super) recovery: Option<(Duration, RecoveryWatch)>,
    interruption_told: bool,
    /// Since when a target is known to be gone.
    gone_since: Option<Duration>,
    /// How many users were told to be affected, and when.
    users_told: (u64, Duration),
    /// Samples are not waited for before this.
    gathered: Instant,
    /// When the counters of the proxies are told next.
    next_look: Instant,
}

/// What a fault acts on.
#[derive(Debug, Clone)]
pub(super) struct Watched {
    /// For people: `slow generator: proxy generator`.
    pub(super) name: String,
    pub(super) meter: Meter,
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
    pub fn new(
        machine: Arc<M>,
        emitter: Emitter,
        cancel: Cancel,
        samples: UnboundedReceiver<Sample>,
        under_way: UnderWay,
    ) -> Self {
        let clock = machine.clock();
        let (baseline, stop, recovery) = (Vec::new(), None, None);
        Self {
            machine,
            clock,
            emitter,
            cancel,
            samples,
            under_way,
            targets: BTreeMap::new(),
            baseline,
            good: None,
            measuring: true,
            stop,
            recovery,
            interruption_told: false,
            gone_since: None,
            users_told: (0, Duration::ZERO),
            gathered: clock.now(),
            next_look: clock.now(),
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
                heard = self.hear_some(moment, next_tick).await;
            }
            if let Some(heard) = heard {
                return heard;
            }
        }
    }

    /// Waits for a signal, samples, a moment or a tick, whatever comes first.
    async fn hear_some(&mut self, moment: Instant, tick: Instant) -> Option<Heard> {
        let (cancel, clock, gathered) = (self.cancel.clone(), self.clock, self.gathered);
        let sample = async {
            clock.patience_until(gathered).await;
            self.samples.recv().await
        };
        // Phases begin and end in time; that a tick is late hurts nobody.
        let time =
            async { if moment <= tick { clock.sleep_until(moment).await } else { clock.patience_until(tick).await } };
        tokio::select! {
            biased;
            _ = cancel.wait() => self.signal(),
            Some(sample) = sample => {
                self.gathered = clock.now() + GATHER;
                self.see(sample).or_else(|| self.see_what_came())
            }
            () = time => None,
        }
    }

    /// Everything that was said up to now, unless something of it asks to end.
    fn see_what_came(&mut self) -> Option<Heard> {
        while let Ok(sample) = self.samples.try_recv() {
            let heard = self.see(sample);
            if heard.is_some() {
                return heard;
            }
        }
        None
    }

    fn signal(&mut self) -> Option<Heard> {
        let reason = self.cancel.requested()?;
        if !self.interruption_told {
            self.interruption_told = true;
            match reason {
                Reason::Signal(signal) => self.emitter.emit(EventKind::Interrupted { signal: signal.to_owned() }),
                Reason::GuardianLost => {
                    self.stop_for(self.hard_limit(
                        StopCause::GuardianLost,
                        GUARDIAN_LOST,
                        "it died, or gave no sign of life",
                    ));
                }
            }
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
            if sample.intended() >= *undone {
                recovery.see(&sample);
            }
            recovery.recovered().is_some()
        });
        if self.measuring && sample.phase() == Phase::Baseline {
            self.baseline.push(sample.clone());
        }
        self.emitter.emit(EventKind::Sample(sample));
        fired.map(|fired| self.stop_for(fired)).or_else(|| recovered.then_some(Heard::Recovered))
    }

    /// What is due by the clock, after everything that was said before: a backlog of samples is not silence.
    fn tick(&mut self) -> Option<Heard> {
        let heard = self.see_what_came();
        if heard.is_some() {
            return heard;
        }
        self.look_at_traffic();
        let users = self.machine.affected_users();
        let (now, under_way) = (self.emitter.elapsed(), self.under_way.all());
        self.tell_users(users, now);
        let stop = self.stop.as_mut()?;
        let fired = stop.tick(now, users).or_else(|| stop.waiting(now, &under_way));
        fired.or_else(|| self.target_gone()).map(|fired| self.stop_for(fired))
    }

    /// So that who looks on sees how near a limit of users is; no more than once a second.
    fn tell_users(&mut self, users: u64, now: Duration) {
        let (told, at) = self.users_told;
        if users > told && now >= at + SECOND {
            self.users_told = (users, now);
            self.emitter.emit(EventKind::AffectedUsers { users });
        }
    }

    fn look_at_traffic(&mut self) {
        let now = self.clock.now();
        if now < self.next_look {
            return;
        }
        self.next_look = now + LOOK;
        let proxies = self.machine.traffic();
        if !proxies.is_empty() {
            self.emitter.emit(EventKind::Traffic { proxies });
        }
    }

    fn target_gone(&mut self) -> Option<Fired> {
        let gone = self.targets.values().find_map(|target| {
            let why = self.machine.target_gone(&target.meter)?;
            Some(self.hard_limit(StopCause::TargetGone, &format!("{}: the target is gone", target.name), &why))
        });
        let now = self.emitter.elapsed();
        self.gone_since = gone.as_ref().map(|_| self.gone_since.unwrap_or(now));
        gone.filter(|_| self.gone_since.is_some_and(|since| now >= since + TO_BE_REPLACED))
    }

    /// A limit that needs no evidence: what it forbids is there.
    fn hard_limit(&self, cause: StopCause, limit: &str, measured: &str) -> Fired {
        Fired { cause, condition: limit.to_owned(), measured: measured.to_owned(), first_bad: self.emitter.elapsed() }
    }

    /// The time of the blast radius is over, and the faults are not.
    pub fn out_of_time(&mut self, limit: Timespan, left: Timespan) -> Heard {
        let (limit, left) =
            (format!("blast_radius.duration: {limit}"), format!("{left} of the faults' time were left"));
        self.stop_for(self.hard_limit(StopCause::BlastRadius, &limit, &left))
    }

    fn stop_for(&mut self, fired: Fired) -> Heard {
        let Fired { cause, condition, measured, first_bad } = fired;
        self.emitter.emit(EventKind::StopFired { cause, condition, measured, first_bad });
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
