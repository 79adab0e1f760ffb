//! A frame of the live view: a pure function of how the run stands, of the moment and of the room there is.

use std::time::Duration;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::board::Board;
use super::gauge::{Reading, SECONDS};
use crate::diagnostic::clean::clean;
use crate::guard::Nearness;
use crate::model::units::Timespan;

/// The room for a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    /// No line is wider, in columns.
    pub width: usize,
    /// There are no more lines.
    pub height: usize,
    /// Colours may be used.
    pub color: bool,
}

/// A colour of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ink {
    Plain,
    Strong,
    Faint,
    Good,
    Doubtful,
    Bad,
}

/// A line in the making: pieces of text, each with its ink, cut where the room ends.
struct Line {
    room: Room,
    text: String,
    width: usize,
}

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Bars of how far something is have so many columns at most.
const LONGEST_BAR: usize = 24;
/// A name of a probe has so many columns at most.
const LONGEST_NAME: usize = 24;
/// From here on a stop condition is near.
const NEAR: f64 = 0.5;
/// And from here on very near.
const VERY_NEAR: f64 = 0.8;

/// The lines of a frame, the phase first.
pub(super) fn frame(board: &Board, at: Duration, room: Room) -> Vec<String> {
    let mut lines = vec![phase(board, at, room)];
    lines.extend(faults(board, at, room));
    lines.extend(probes(board, at, room));
    lines.extend(conditions(board, room));
    if lines.len() > room.height {
        let hidden = lines.len() - room.height.saturating_sub(1);
        lines.truncate(room.height.saturating_sub(1));
        lines.push(Line::new(room).add(&format!("... and {hidden} lines more"), Ink::Faint).finish());
    }
    lines
}

fn phase(board: &Board, at: Duration, room: Room) -> String {
    let mut line = Line::new(room);
    let Some((phase, lasted, length)) = board.progress(at) else { return line.finish() };
    line.add(&format!("{:<9} ", phase.word()), Ink::Strong);
    match length.filter(|length| !length.is_zero()) {
        Some(length) => {
            let share = lasted.as_secs_f64() / length.as_secs_f64();
            if room.width >= 60 {
                line.add(&bar(share, LONGEST_BAR), Ink::Good);
                line.add(" ", Ink::Plain);
            }
            let left = length.saturating_sub(lasted);
            line.add(
                &format!("{} of {}, {} left", clock(lasted.min(length)), Timespan(length), clock(left)),
                Ink::Plain,
            );
        }
        None => {
            line.add(&clock(lasted), Ink::Plain);
        }
    }
    if room.width >= 60 {
        line.add(&format!("   {} into the run", clock(at)), Ink::Faint);
    }
    line.finish()
}

/// Every fault that is in place or will be.
fn faults(board: &Board, at: Duration, room: Room) -> Vec<String> {
    let Some(from) = board.observed_from else { return Vec::new() };
    let specs = board.header.experiment.faults.iter().zip(&board.active);
    let lines = specs.filter_map(|(spec, active)| {
        let mut line = Line::new(room);
        let what = format!(" ({} on {})", spec.kind.word(), spec.target.describe());
        let what = if room.width >= 60 { what } else { String::new() };
        let (begins, ends) = (from + spec.start.0, from + spec.end().0);
        let (sign, ink, when) = match active {
            Some(since) => {
                let left = ends.saturating_sub(at);
                ("ACTIVE    ", Ink::Bad, format!("for {}, {} left", clock(at.saturating_sub(*since)), clock(left)))
            }
            None if at < begins && board.stop.is_some() => {
                ("later     ", Ink::Faint, format!("in {}", clock(begins - at)))
            }
            None => return None,
        };
        // The time is what changes: a long name gives way.
        let width = room.width.saturating_sub(sign.len() + when.len() + 1);
        line.add(sign, ink).add(&fit(&clean(&format!("{}{what}", spec.name)), width), Ink::Plain);
        line.add(" ", Ink::Plain).add(&when, Ink::Plain);
        Some(line.finish())
    });
    lines.collect()
}

/// A table: what does not fit is left out, from the rate on.
fn probes(board: &Board, at: Duration, room: Room) -> Vec<String> {
    let specs = &board.header.experiment.steady_state;
    let names: Vec<String> = specs.iter().map(|probe| clean(&probe.name)).collect();
    let widest = names.iter().map(|name| name.width()).max().unwrap_or(0).max("probe".len());
    let name = widest.min(LONGEST_NAME).min(room.width / 3);
    let room_left = room.width.saturating_sub(name);
    let columns: Vec<Column> = COLUMNS.into_iter().filter(|column| room_left >= column.from).collect();
    let used: usize = columns.iter().map(|column| column.width + 2).sum();
    let spark = room_left.saturating_sub(used + 2).min(SECONDS);
    let mut head = Line::new(room);
    head.add(&pad("probe", name), Ink::Faint);
    columns.iter().for_each(|column| {
        head.add(&format!("  {:>width$}", column.title, width = column.width), Ink::Faint);
    });
    if spark >= 8 {
        let title = if spark >= 18 { format!("p95, last {spark}s") } else { "p95".to_owned() };
        head.add(&format!("  {title}"), Ink::Faint);
    }
    let rows = board.gauges.iter().zip(&names).map(|(gauge, title)| {
        let reading = gauge.reading(at);
        let mut line = Line::new(room);
        line.add(&pad(title, name), Ink::Strong);
        for column in &columns {
            let ink = if column.title == "errors" && reading.is_failing { Ink::Bad } else { Ink::Plain };
            line.add(&format!("  {:>width$}", (column.of)(&reading), width = column.width), ink);
        }
        if spark >= 8 {
            line.add("  ", Ink::Plain);
            sparkline(&mut line, &gauge.history(at, spark));
        }
        line.finish()
    });
    std::iter::once(head.finish()).chain(rows).collect()
}

#[derive(Clone, Copy)]
struct Column {
    title: &'static str,
    width: usize,
    /// It is shown where so much room is left beside the name.
    from: usize,
    of: fn(&Reading) -> &str,
}

const COLUMNS: [Column; 4] = [
    Column { title: "rate", width: 7, from: 36, of: |reading| &reading.rate },
    Column { title: "errors", width: 6, from: 8, of: |reading| &reading.errors },
    Column { title: "p50", width: 7, from: 27, of: |reading| &reading.p50 },
    Column { title: "p95", width: 7, from: 17, of: |reading| &reading.p95 },
];

/// A bar a second, the highest being the largest; seconds with errors are marked by their colour.
fn sparkline(line: &mut Line, history: &[(Option<f64>, bool)]) {
    let top = history.iter().filter_map(|(number, _)| *number).fold(0.0, f64::max);
    for (number, failed) in history {
        let mark = match number {
            Some(number) if top > 0.0 => BARS[((number / top * 7.0).round().clamp(0.0, 7.0)) as usize],
            Some(_) => BARS[0],
            None if *failed => '×',
            None => ' ',
        };
        line.add(mark.encode_utf8(&mut [0; 4]), if *failed { Ink::Bad } else { Ink::Good });
    }
}

/// Every stop condition and how near it is.
fn conditions(board: &Board, room: Room) -> Vec<String> {
    let near = board.stop.as_ref().map(|stop| stop.nearness(board.users)).unwrap_or_default();
    near.iter().map(|near| condition(near, room)).collect()
}

fn condition(near: &Nearness, room: Room) -> String {
    let mut line = Line::new(room);
    let measured = near.measured.as_deref().unwrap_or("no samples yet");
    let limit = if near.from_above { format!(", not below {}", near.limit) } else { format!(" of {}", near.limit) };
    let beyond = near.beyond.filter(|(lasted, _)| !lasted.is_zero());
    let beyond = beyond.map(|(lasted, hold)| format!(", beyond it for {} of {}", clock(lasted), Timespan(hold)));
    let ink = match near.share {
        share if share >= VERY_NEAR => Ink::Bad,
        share if share >= NEAR => Ink::Doubtful,
        _ => Ink::Plain,
    };
    line.add("stop at   ", Ink::Faint);
    if room.width >= 60 {
        line.add(&bar(near.share, 10), ink).add(" ", Ink::Plain);
    }
    line.add(&clean(&format!("{} ", near.subject)), Ink::Plain);
    line.add(&format!("{measured}{limit}{}", beyond.unwrap_or_default()), ink);
    line.finish()
}

/// How far something is, in so many columns.
fn bar(share: f64, columns: usize) -> String {
    let full = (share.clamp(0.0, 1.0) * columns as f64).round() as usize;
    format!("{}{}", "━".repeat(full), "─".repeat(columns - full))
}

/// Tenths of seconds below a minute: a clock that is seen to run.
pub(super) fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{:.1}s", (time.as_millis() / 100) as f64 / 10.0),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m{:02}s", seconds / 3600, seconds / 60 % 60, seconds % 60),
    }
}

/// At most so many columns; what is cut says so.
fn fit(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let (mut fitting, mut width) = (String::new(), 0);
    for c in text.chars() {
        width += c.width().unwrap_or(0);
        if width >= columns {
            break;
        }
        fitting.push(c);
    }
    if columns > 0 {
        fitting.push('…');
    }
    fitting
}

/// Exactly so many columns.
fn pad(text: &str, columns: usize) -> String {
    let text = fit(text, columns);
    let blank = columns.saturating_sub(text.width());
    text + &" ".repeat(blank)
}

impl Line {
    fn new(room: Room) -> Self {
        Self { room, text: String::new(), width: 0 }
    }

    fn add(&mut self, text: &str, ink: Ink) -> &mut Self {
        let text = fit(text, self.room.width.saturating_sub(self.width));
        self.width += text.width();
        let code = match ink {
            Ink::Plain => None,
            Ink::Strong => Some("1"),
            Ink::Faint => Some("2"),
            Ink::Good => Some("32"),
            Ink::Doubtful => Some("33"),
            Ink::Bad => Some("31"),
        };
        match code.filter(|_| self.room.color && !text.is_empty()) {
            Some(code) => self.text.push_str(&format!("\u{1b}[{code}m{text}\u{1b}[0m")),
            None => self.text.push_str(&text),
        }
        self
    }

    fn finish(&mut self) -> String {
        std::mem::take(&mut self.text).trim_end().to_owned()
    }
}
