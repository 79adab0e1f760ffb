//! After the verified undo the system is watched until it is steady again, or until the objective has passed.

use super::transition::Ended;
use super::walk::{Heard, Walk};
use crate::analysis::RecoveryWatch;
use crate::host::Machine;
use crate::model::event::EventKind;

impl<M: Machine> Walk<M> {
    pub(super) async fn await_recovery(&mut self) -> Ended {
        let undone = self.emitter.elapsed();
        // What was sent before the undo was read back still belongs to the fault.
        self.drain_samples();
        self.recovery = Some((undone, RecoveryWatch::new(&self.header.experiment, &self.baseline)));
        let deadline = self.clock.now() + self.header.experiment.recovery.within.0;
        let heard = self.listen_until(deadline).await;
        self.recovery = None;
        if heard == Heard::Cancel {
            return Ended::Cancelled;
        }
        self.emitter.emit(EventKind::RecoveryEnded { recovered: heard == Heard::Recovered });
        Ended::Well
    }
}
