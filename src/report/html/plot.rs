//! The time line of one probe as SVG: phases and faults shaded, quantiles as lines, samples as dots, errors as bars.

use std::fmt::Write;
use std::time::Duration;

use super::escape;
use crate::analysis::Run;
use crate::analysis::timeline::{Series, Stretch};
use crate::model::phase::Phase;
use crate::model::units::Timespan;

/// What the colours mean.
pub(super) const LEGEND: &str = "<ul class=\"legend\"><li><i class=\"k50\"></i>p50</li><li><i class=\"k95\"></i>p95</li>\
    <li><i class=\"k99\"></i>p99</li><li><i class=\"klimit\"></i>expected</li><li><i class=\"kerror\"></i>share of errors</li>\
    <li><i class=\"kbase\"></i>baseline</li><li><i class=\"kfault\"></i>fault</li><li><i class=\"krec\"></i>recovery</li></ul>\n";

const WIDTH: f64 = 960.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 12.0;
/// The frame of the curves, and below it that of the errors.
const TOP: f64 = 48.0;
const BOTTOM: f64 = 228.0;
const ERRORS_TOP: f64 = 236.0;
const ERRORS_BOTTOM: f64 = 266.0;
const HEIGHT: f64 = 288.0;
/// Numbers that are further apart than this factor need a logarithmic scale to be seen together.
const WIDE: f64 = 30.0;

/// Where numbers and moments are drawn.
struct Scale {
    end: f64,
    low: f64,
    high: f64,
    logarithmic: bool,
}

impl Scale {
    fn of(run: &Run, series: &Series) -> Self {
        let numbers = series.stretches.iter().flat_map(|stretch| [stretch.p50, stretch.p95, stretch.p99]).flatten();
        let points = series.points.iter().map(|point| point.number);
        let limits = series.limits.iter().map(|(limit, _)| *limit);
        let all: Vec<f64> = numbers.chain(points).chain(limits).filter(|number| number.is_finite()).collect();
        let high = all.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        let low = all.iter().copied().fold(f64::INFINITY, f64::min).min(high);
        let logarithmic = !series.is_value && low > 0.0 && high / low > WIDE;
        let (low, high) = match logarithmic {
            true => (low / 1.4, high * 1.4),
            false => (low.min(0.0), high * 1.08),
        };
        Self { end: run.last.as_secs_f64().max(0.001), low, high, logarithmic }
    }

    fn x(&self, at: Duration) -> f64 {
        LEFT + (at.as_secs_f64() / self.end).min(1.0) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, number: f64) -> f64 {
        let share = match self.logarithmic {
            true => (number.max(self.low) / self.low).ln() / (self.high / self.low).ln(),
            false => (number - self.low) / (self.high - self.low),
        };
        BOTTOM - share.clamp(0.0, 1.0) * (BOTTOM - TOP)
    }

    /// Round numbers within the scale.
    fn ticks(&self) -> Vec<f64> {
        if !self.logarithmic {
            let step = round_step((self.high - self.low) / 4.0);
            let first = (self.low / step).ceil() as i64;
            return (first..first + 8).map(|n| n as f64 * step).filter(|tick| *tick <= self.high).collect();
        }
        let decades = self.low.log10().floor() as i32..=self.high.log10().ceil() as i32;
        let few = (self.high / self.low).log10() < 3.0;
        let steps: &[f64] = if few { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let ticks = decades.flat_map(|decade| steps.iter().map(move |step| step * 10f64.powi(decade)));
        ticks.filter(|tick| (self.low..=self.high).contains(tick)).collect()
    }
}

/// The smallest of 1, 2, 5, 10, ... that is not below.
fn round_step(step: f64) -> f64 {
    let decade = 10f64.powf(step.max(f64::MIN_POSITIVE).log10().floor());
    [1.0, 2.0, 5.0].map(|part| part * decade).into_iter().find(|round| *round >= step * 0.999).unwrap_or(10.0 * decade)
}

/// Draws one probe.
pub(super) fn plot(out: &mut String, run: &Run, series: &Series) {
    let scale = Scale::of(run, series);
    let what = if series.is_value { "value" } else { "latency from the intended start" };
    let log = if scale.logarithmic { ", logarithmic" } else { "" };
    let _ = write!(
        out,
        "<figure>\n<figcaption>{} <span>{}: {what}{log}</span></figcaption>\n<div class=\"scroll\">\
         <svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{} over time\">\n",
        escape(&series.probe),
        escape(&series.kind),
        escape(&series.probe)
    );
    phases(out, run, &scale);
    axes(out, series, &scale);
    limits(out, series, &scale);
    dots(out, series, &scale);
    for (class, number) in QUANTILES.iter().rev() {
        line(out, class, series, &scale, *number);
    }
    errors(out, series, &scale);
    marks(out, run, &scale);
    series.stretches.iter().for_each(|stretch| hit(out, series, &scale, stretch));
    out.push_str("</svg></div>\n</figure>\n");
}

type Quantile = fn(&Stretch) -> Option<f64>;

const QUANTILES: [(&str, Quantile); 3] =
    [("l50", |stretch| stretch.p50), ("l95", |stretch| stretch.p95), ("l99", |stretch| stretch.p99)];

fn band(out: &mut String, scale: &Scale, class: &str, from: Duration, to: Duration) {
    let (x, width, height) = (scale.x(from), scale.x(to) - scale.x(from), ERRORS_BOTTOM - TOP);
    let _ =
        writeln!(out, "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{height}\"/>");
}

fn phases(out: &mut String, run: &Run, scale: &Scale) {
    for (phase, class) in [(Phase::Baseline, "baseline"), (Phase::Recovery, "recovery")] {
        if let Some(span) = run.phase(phase) {
            band(out, scale, class, span.start, span.end);
        }
    }
    for fault in &run.faults {
        if let Some(applied) = fault.applied {
            band(out, scale, "fault", applied, fault.undone.unwrap_or(run.last));
        }
    }
}

fn axes(out: &mut String, series: &Series, scale: &Scale) {
    for tick in scale.ticks() {
        let (y, end, label) = (scale.y(tick), WIDTH - RIGHT, escape(&shown(series, tick)));
        let _ = writeln!(out, "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{end}\" y2=\"{y:.1}\"/>");
        let _ = writeln!(out, "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>", LEFT - 6.0, y + 4.0);
    }
    let step = round_step(scale.end / 10.0);
    for n in 0..=(scale.end / step) as u32 {
        let at = Duration::from_secs_f64(f64::from(n) * step);
        let (x, y) = (scale.x(at), ERRORS_BOTTOM + 15.0);
        let _ = writeln!(out, "<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{}</text>", Timespan(at));
    }
    let _ = writeln!(out, "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">errors</text>", LEFT - 6.0, ERRORS_BOTTOM - 3.0);
    let end = WIDTH - RIGHT;
    let _ = writeln!(
        out,
        "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{ERRORS_BOTTOM}\" x2=\"{end}\" y2=\"{ERRORS_BOTTOM}\"/>"
    );
}

fn limits(out: &mut String, series: &Series, scale: &Scale) {
    for (limit, text) in &series.limits {
        let (y, end) = (scale.y(*limit), WIDTH - RIGHT);
        let _ = writeln!(out, "<line class=\"limit\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{end}\" y2=\"{y:.1}\"/>");
        let (x, y) = (end - 4.0, y - 4.0);
        let _ =
            writeln!(out, "<text class=\"limits\" x=\"{x}\" y=\"{y:.1}\" text-anchor=\"end\">{}</text>", escape(text));
    }
}

fn dots(out: &mut String, series: &Series, scale: &Scale) {
    for point in &series.points {
        let (x, y, class) = (scale.x(point.at), scale.y(point.number), if point.is_error { "wrong" } else { "dot" });
        let _ = writeln!(out, "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"1.6\"/>");
    }
}

/// A line through the middles of the stretches, broken where there is no number.
fn line(out: &mut String, class: &str, series: &Series, scale: &Scale, number: Quantile) {
    let (mut path, mut pen) = (String::new(), 'M');
    for stretch in &series.stretches {
        let Some(number) = number(stretch) else {
            pen = 'M';
            continue;
        };
        let _ = write!(path, "{pen}{:.1} {:.1}", scale.x((stretch.from + stretch.to) / 2), scale.y(number));
        pen = 'L';
    }
    let _ = writeln!(out, "<path class=\"{class}\" d=\"{path}\"/>");
}

fn errors(out: &mut String, series: &Series, scale: &Scale) {
    for stretch in &series.stretches {
        let share = |count: usize| count as f64 / stretch.samples.max(1) as f64 * (ERRORS_BOTTOM - ERRORS_TOP);
        let (x, width) = (scale.x(stretch.from), (scale.x(stretch.to) - scale.x(stretch.from)).max(1.0));
        for (class, height) in [("errors", share(stretch.errors)), ("blind", share(stretch.blind))] {
            if height > 0.0 {
                let y = ERRORS_BOTTOM - height;
                let _ = writeln!(
                    out,
                    "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"
                );
            }
        }
    }
}

/// When faults came and went, and when the run was stopped.
fn marks(out: &mut String, run: &Run, scale: &Scale) {
    let edge = |out: &mut String, class: &str, at: Duration| {
        let x = scale.x(at);
        let _ =
            writeln!(out, "<line class=\"{class}\" x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{ERRORS_BOTTOM}\"/>");
    };
    for (place, (fault, spec)) in run.faults.iter().zip(&run.experiment().faults).enumerate() {
        fault.applied.into_iter().chain(fault.undone).for_each(|at| edge(out, "edge", at));
        if let Some(applied) = fault.applied {
            // Two rows of names: neighbours do not write over each other.
            let y = TOP - 6.0 - 14.0 * (place % 2) as f64;
            label(out, scale, applied, y, &spec.name);
        }
    }
    if let Some(stop) = &run.stop {
        edge(out, "stop", stop.fired_at);
        label(
            out,
            scale,
            stop.fired_at,
            TOP - 6.0 - 14.0 * run.faults.len().min(2) as f64,
            &format!("stopped: {}", stop.condition),
        );
    }
}

/// A name beside a moment, on the side where there is room.
fn label(out: &mut String, scale: &Scale, at: Duration, y: f64, text: &str) {
    let x = scale.x(at);
    let (x, anchor) = if x < WIDTH * 0.6 { (x + 3.0, "start") } else { (x - 3.0, "end") };
    let text = escape(&short(text));
    let _ = writeln!(out, "<text class=\"mark\" x=\"{x:.1}\" y=\"{y}\" text-anchor=\"{anchor}\">{text}</text>");
}

/// What a stretch tells when one points at it.
fn hit(out: &mut String, series: &Series, scale: &Scale, stretch: &Stretch) {
    let (x, width) = (scale.x(stretch.from), scale.x(stretch.to) - scale.x(stretch.from));
    let number = |number: Option<f64>| number.map_or_else(|| "-".to_owned(), |number| shown(series, number));
    let Stretch { from, samples, errors, .. } = *stretch;
    let [p50, p95, p99] = [stretch.p50, stretch.p95, stretch.p99].map(number);
    let from = Timespan(from);
    let title = format!("{from}: {samples} samples, {errors} errors, p50 {p50}, p95 {p95}, p99 {p99}");
    let height = ERRORS_BOTTOM - TOP;
    let _ = writeln!(
        out,
        "<rect class=\"hit\" x=\"{x:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{height}\"><title>{}</title></rect>",
        escape(&title)
    );
}

/// A number in the unit of the probe.
fn shown(series: &Series, number: f64) -> String {
    match (&series.unit, series.is_value) {
        (Some(unit), _) => unit.show(number),
        (None, true) => format!("{number:.6}").trim_end_matches('0').trim_end_matches('.').to_owned(),
        (None, false) => Timespan(Duration::try_from_secs_f64(number).unwrap_or_default()).to_string(),
    }
}

/// What fits beside a mark.
fn short(text: &str) -> String {
    const MOST: usize = 48;
    let cut: String = text.chars().take(MOST).collect();
    if cut.len() < text.len() { format!("{cut}...") } else { cut }
}

#[cfg(test)]
mod tests {
    use super::round_step;

    #[test]
    fn steps_are_round_and_not_below() {
        for (step, round) in
            [(0.9, 1.0), (1.0, 1.0), (1.1, 2.0), (3.0, 5.0), (7.0, 10.0), (0.013, 0.02), (160.0, 200.0)]
        {
            assert!((round_step(step) - round).abs() < 1e-9 * round, "{step}: {}", round_step(step));
        }
    }
}
