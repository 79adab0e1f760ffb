//! The steady state is measured before anything is broken; if it is not steady, nothing is.

use super::ears::Heard;
use super::transition::Ended;
use super::walk::Walk;
use crate::analysis::{RecoveryWatch, baseline_problems};
use crate::guard::StopWatch;
use crate::host::Machine;
use crate::model::event::EventKind;

impl<M: Machine> Walk<M> {
    pub(super) async fn measure_baseline(&mut self) -> Ended {
        let (_, from) = self.phase;
        let until = self.clock.now() + self.header.experiment.baseline.0;
        if self.ears.listen_until(until).await == Heard::Cancel {
            return Ended::Cancelled;
        }
        self.ears.measuring = false;
        let experiment = &self.header.experiment;
        let (judged_at, under_way) = (self.emitter.elapsed(), self.ears.under_way.all());
        let mut problems = baseline_problems(experiment, &self.ears.baseline, from, judged_at);
        if let Some(fired) = StopWatch::backtest(experiment, &self.ears.baseline, judged_at, &under_way) {
            problems.push(format!("`{}` would stop the run already: {}", fired.condition, fired.measured));
        }
        let steady = problems.is_empty();
        // What is good is known now; the samples, of which there may be a million, are needed no more.
        self.ears.good = Some(RecoveryWatch::new(experiment, &std::mem::take(&mut self.ears.baseline)));
        self.emitter.emit_at(judged_at, EventKind::BaselineJudged { problems });
        if steady { Ended::Well } else { Ended::Failed }
    }
}
