//! The only pen during a run: events -> standard error. Never panics, never waits for a reader that is gone.

mod line;

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::host::output;
use crate::model::event::{Event, EventKind, RunHeader};
use crate::model::phase::Phase;
use crate::model::sample::Sample;

/// How the run is told while it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Lines, and a bar below them that lives.
    Live,
    /// Dated lines only.
    Plain,
    /// Nothing.
    Silent,
}

/// The pen.
pub struct Console {
    look: Look,
    header: Option<RunHeader>,
    bar: ProgressBar,
    samples: u64,
    errors: u64,
}

impl Console {
    /// A pen that has written nothing yet.
    pub fn new(look: Look) -> Self {
        let target =
            if look == Look::Live { ProgressDrawTarget::stderr_with_hz(10) } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        Self { look, header: None, bar, samples: 0, errors: 0 }
    }

    /// Tells what happened, where it is worth a line.
    pub fn see(&mut self, event: &Event) {
        match &event.kind {
            EventKind::RunStarted(header) => self.header = Some((**header).clone()),
            EventKind::PhaseStarted { phase } => self.begin(*phase),
            EventKind::Sample(sample) => self.count(sample),
            _ => {}
        }
        if matches!(event.kind, EventKind::RunEnded) {
            self.bar.finish_and_clear();
        }
        let experiment = self.header.as_ref().map(|header| &header.experiment);
        if let (Some(line), false) = (line::of(&event.kind, experiment), self.look == Look::Silent) {
            self.write(event.at, &line);
        }
    }

    fn write(&self, at: Duration, line: &str) {
        let text = match (self.look, &self.header) {
            (Look::Plain, Some(header)) => {
                let moment = header.started + at;
                format!("{} {line}\n", moment.format("%Y-%m-%dT%H:%M:%S%.3fZ"))
            }
            _ => format!("{:>7.1}s {line}\n", at.as_secs_f64()),
        };
        self.bar.suspend(|| output::stderr(&text));
    }

    /// The bar shows the phase and, where that is known, how much of its time is over.
    fn begin(&mut self, phase: Phase) {
        (self.samples, self.errors) = (0, 0);
        if self.look != Look::Live {
            return;
        }
        let length = self.header.as_ref().and_then(|header| line::length(phase, &header.experiment));
        let template = match length {
            Some(_) => "{prefix:>9} [{bar:28}] {pos}/{len}s {wide_msg}",
            None => "{prefix:>9} {spinner} {elapsed} {wide_msg}",
        };
        self.bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        self.bar.set_prefix(phase.word());
        self.bar.set_message("");
        self.bar.reset();
        match length {
            Some(length) => self.bar.set_length(length.as_secs_f64().ceil() as u64),
            None => self.bar.unset_length(),
        }
        self.bar.enable_steady_tick(Duration::from_millis(200));
    }

    fn count(&mut self, sample: &Sample) {
        self.samples += 1;
        self.errors += u64::from(sample.measurement.outcome.is_error());
        if self.look == Look::Live {
            self.bar.set_position(self.bar.elapsed().as_secs());
            self.bar.set_message(format!("{} samples, {} errors", self.samples, self.errors));
        }
    }
}
