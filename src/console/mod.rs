//! The only pen during a run: events -> standard error. Never panics, never waits for a reader that is gone.
//!
//! What happens is a line. On a terminal a frame below the lines shows how the run stands ([`board`] folds the events,
//! [`frame`] draws it, [`pen`] puts it there); elsewhere a dated line says so now and then.

mod board;
mod frame;
mod gauge;
mod line;
mod pen;
#[cfg(test)]
mod tests;

use std::time::Duration;

use board::Board;
use frame::Room;
use pen::Pen;

use crate::model::event::{Event, EventKind};
use crate::model::phase::Phase;

/// How the run is told while it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Lines, and a frame below them that lives.
    Live {
        /// Colours may be used.
        color: bool,
    },
    /// Dated lines only.
    Plain,
    /// Nothing.
    Silent,
}

/// A frame is drawn no more often: the rate of samples costs nothing here.
const REDRAW: Duration = Duration::from_millis(200);
/// Elsewhere than on a terminal a long phase says how it stands, ten times in its course and no more often than this.
const SIGN_OF_LIFE: Duration = Duration::from_secs(10);

/// The pen.
pub struct Console {
    look: Look,
    board: Option<Board>,
    pen: Pen,
    /// Lines that are not written yet.
    lines: String,
    drawn: Option<Duration>,
    /// When a dated line last said how it stands.
    told: Duration,
    ended: bool,
}

impl Console {
    /// A pen that has written nothing yet.
    pub fn new(look: Look) -> Self {
        let (drawn, told) = (None, Duration::ZERO);
        Self { look, board: None, pen: Pen::default(), lines: String::new(), drawn, told, ended: false }
    }

    /// Takes notice of what happened; what is worth a line is written by [`Console::draw`].
    pub fn see(&mut self, event: &Event) {
        if self.look == Look::Silent {
            return;
        }
        match &event.kind {
            EventKind::RunStarted(header) => self.board = Some(Board::new(header)),
            EventKind::RunEnded => self.ended = true,
            kind => {
                if let Some(board) = &mut self.board {
                    board.see(event.at, kind);
                }
            }
        }
        if matches!(event.kind, EventKind::PhaseStarted { .. }) {
            self.told = event.at;
        }
        let experiment = self.board.as_ref().map(|board| &board.header.experiment);
        if let Some(line) = line::of(&event.kind, experiment) {
            let line = self.dated(event.at, &line);
            self.lines.push_str(&line);
        }
    }

    /// Writes what is to be written at this moment of the run: new lines at once, frames now and then.
    pub fn draw(&mut self, at: Duration) {
        match self.look {
            Look::Live { color } => self.draw_frame(at, color),
            Look::Plain => {
                if let Some(line) = self.sign_of_life(at) {
                    self.lines.push_str(&line);
                }
                self.pen.write(&std::mem::take(&mut self.lines), &[]);
            }
            Look::Silent => {}
        }
    }

    fn draw_frame(&mut self, at: Duration, color: bool) {
        let due = self.drawn.is_none_or(|drawn| at >= drawn + REDRAW);
        if !(due || self.ended || !self.lines.is_empty()) {
            return;
        }
        self.drawn = Some(at);
        let (columns, rows) = pen::size();
        // One column and row less: some terminals break a line that fills the last column, and the cursor stands below.
        let room = Room { width: columns.saturating_sub(1).max(20), height: rows.saturating_sub(2).max(3), color };
        let board = self.board.as_ref().filter(|board| !self.ended && shows(board));
        let frame = board.map(|board| frame::frame(board, at, room)).unwrap_or_default();
        self.pen.write(&std::mem::take(&mut self.lines), &frame);
    }

    fn dated(&self, at: Duration, line: &str) -> String {
        match (self.look, &self.board) {
            (Look::Plain, Some(board)) => {
                let moment = board.header.started + at;
                format!("{} {line}\n", moment.format("%Y-%m-%dT%H:%M:%S%.3fZ"))
            }
            _ => format!("{:>7.1}s {line}\n", at.as_secs_f64()),
        }
    }

    /// A line on how a long phase stands, when it is time for one.
    fn sign_of_life(&mut self, at: Duration) -> Option<String> {
        let board = self.board.as_ref().filter(|board| !self.ended && shows(board))?;
        let (_, _, length) = board.progress(at)?;
        let every = SIGN_OF_LIFE.max(length.unwrap_or_default() / 10);
        if at < self.told + every {
            return None;
        }
        self.told = at;
        Some(self.dated(at, &line::standing(board, at)?))
    }
}

/// While nothing is measured any more there is nothing to show.
fn shows(board: &Board) -> bool {
    board.phase.is_some_and(|(phase, _)| phase < Phase::TearDown)
}
