//! After the verified undo the system is watched until it is steady again, or until the objective has passed.

use std::time::Duration;

use tokio::time::Instant;

use super::ears::Heard;
use super::transition::Ended;
use super::walk::Walk;
use crate::analysis::RecoveryWatch;
use crate::host::Machine;
use crate::model::event::EventKind;

/// How long the steady state is watched once it is back, so that what is said about it rests on enough samples; unless
/// the file wants more.
const SETTLED: Duration = Duration::from_secs(1);

impl<M: Machine> Walk<M> {
    pub(super) async fn await_recovery(&mut self) -> Ended {
        let undone = self.emitter.elapsed();
        // What was sent before the undo was read back still belongs to the fault.
        self.ears.drain_samples();
        // A baseline that was cut short was not judged.
        let learn = || RecoveryWatch::new(&self.header.experiment, &self.ears.baseline);
        let watch = self.ears.good.take().unwrap_or_else(learn);
        let within = self.header.experiment.recovery.within.0;
        // It takes samples, and so time, to be sure of a recovery that was in time.
        let asked = self.header.experiment.recovery.watch.map(|watch| watch.0);
        let deadline = self.clock.now() + within + watch.patience();
        self.ears.recovery = Some((undone, watch));
        let heard = self.recovered_before(deadline, asked).await;
        let watch = self.ears.recovery.take();
        if heard == Heard::Cancel {
            return Ended::Cancelled;
        }
        let since = watch.and_then(|(_, watch)| watch.recovered());
        let recovered = since.is_some_and(|since| since <= undone + within);
        self.emitter.emit(EventKind::RecoveryEnded { recovered });
        Ended::Well
    }

    /// Listens until the steady state is back and has stayed for as long as asked for, else for a moment, as far as the
    /// objective allows; a relapse in that time starts the wait again.
    async fn recovered_before(&mut self, deadline: Instant, asked: Option<Duration>) -> Heard {
        loop {
            let heard = self.ears.listen_until(deadline).await;
            if heard != Heard::Recovered {
                return heard;
            }
            let settled = asked.map_or(deadline.min(self.clock.now() + SETTLED), |asked| self.clock.now() + asked);
            while self.clock.now() < settled {
                if self.ears.listen_until(settled).await == Heard::Cancel {
                    return Heard::Cancel;
                }
            }
            let recovered = self.ears.recovery.as_ref().is_some_and(|(_, recovery)| recovery.recovered().is_some());
            if recovered || self.clock.now() >= deadline {
                return Heard::Recovered;
            }
        }
    }
}
