//! The small grammar of expectations and stop conditions.
//!
//! ```text
//! expectation    = METRIC comparison
//! stop condition = PROBE "." METRIC comparison [ "for" TIME ]  |  "affected_users" OP NUMBER
//! comparison     = OP LIMIT  |  "within" LIMIT "of" LIMIT        (the latter not in stop conditions)
//! METRIC         = success_rate | error_rate | p0 ... p100 | median | mean | min | max | value
//! OP             = "<" | "<=" | ">" | ">="
//! ```

mod limit;
mod token;

use std::ops::Range;

use self::limit::number;
pub use self::limit::{Fitting, Values};
use self::token::{Token, tokens};
use super::suggest;
use crate::model::expectation::{Expectation, Limit, Metric, Must, Operator, StopCondition, Subject};
use crate::model::units::Timespan;

/// What is wrong with a part of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The bytes of the expression.
    pub part: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What to try.
    pub help: String,
}

impl Trouble {
    fn new(part: Range<usize>, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { part, message: message.into(), help: help.into() }
    }

    fn at(token: &Token<'_>, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(token.part.clone(), message, help)
    }
}

/// A probe that stop conditions may name; its values are not known when its settings are wrong.
#[derive(Debug, Clone)]
pub struct Known<'n> {
    /// Its name.
    pub name: &'n str,
    /// What its samples carry.
    pub values: Option<Values>,
}

/// Reads one line of `expect:` of a probe with these values; none when the values are not known, as the probe is wrong
/// itself.
///
/// # Errors
/// The first thing that is wrong.
pub fn expectation(text: &str, values: Option<Values>) -> Result<Option<Expectation>, Trouble> {
    let mut words = Words::of(text);
    let Some(token) = words.next() else {
        return Err(Trouble::new(0..text.len(), "an expectation is missing here", EXPECTATION));
    };
    if token.is_sign() {
        return Err(Trouble::at(&token, format!("there is no metric before `{}`", token.text), EXPECTATION));
    }
    let metric = metric(token.text, token.part.start)?;
    let Some(fitting) = fitting(metric, values, &token)? else { return Ok(None) };
    let must = words.must(fitting, token.text, EXPECTATION)?;
    words.finish()?;
    Ok(Some(Expectation { text: text.trim().to_owned(), metric, must }))
}

/// Reads one line of `stop_conditions:`; none when the probe it names is wrong itself. `complete` says whether all
/// probes are known.
///
/// # Errors
/// The first thing that is wrong.
pub fn stop_condition(text: &str, probes: &[Known<'_>], complete: bool) -> Result<Option<StopCondition>, Trouble> {
    let mut words = Words::of(text);
    let subject = words
        .until_sign(text)
        .ok_or_else(|| Trouble::new(0..text.len(), "a stop condition compares something with a limit", STOP))?;
    let text_of = || text.trim().to_owned();
    if subject.text == "affected_users" {
        let breach = words.count()?;
        words.finish()?;
        return Ok(Some(StopCondition { text: text_of(), subject: Subject::AffectedUsers, breach, hold: None }));
    }
    let (name, metric_token) = split_subject(&subject)?;
    let metric = metric(metric_token.text, metric_token.part.start)?;
    let Some(probe) = probes.iter().position(|probe| probe.name == name.text) else {
        return if complete { Err(no_such_probe(&name, probes)) } else { Ok(None) };
    };
    let Some(fitting) = fitting(metric, probes[probe].values, &metric_token)? else { return Ok(None) };
    let breach = words.must(fitting, metric_token.text, STOP)?;
    let hold = words.hold()?;
    words.finish()?;
    Ok(Some(StopCondition { text: text_of(), subject: Subject::Probe { probe, metric }, breach, hold }))
}

/// Reads `expected_value` and `tolerance`, which is zero when absent.
///
/// # Errors
/// What is wrong with the value, or else with the tolerance; which of them is said first.
pub fn single_value(value: &str, tolerance: Option<&str>, values: Values) -> Result<Expectation, (bool, Trouble)> {
    let token = |text| Token { text, part: 0..str::len(text) };
    let (value, tolerance) = (value.trim(), tolerance.map(str::trim));
    let Some(fitting) = Fitting::of(Metric::Value, values) else {
        return Err((true, valueless(&token(value))));
    };
    let centre = fitting.read(&token(value), "the value").map_err(|trouble| (true, trouble))?;
    let distance = match tolerance {
        None => centre.with(0.0),
        Some(text) => fitting.read(&token(text), "the tolerance").map_err(|trouble| (false, trouble))?,
    };
    let place = token(tolerance.unwrap_or_default());
    let must = within(distance, centre, &place).map_err(|trouble| (false, trouble))?;
    let text = format!("value within {} of {value}", tolerance.unwrap_or("0"));
    Ok(Expectation { text, metric: Metric::Value, must })
}

const EXPECTATION: &str = "write it like `success_rate >= 99%`, `p95 <= 250ms` or `value within 5 of 10`";
const STOP: &str = "write it like `ask.error_rate > 20%`, `ask.p99 > 2s for 3s` or `affected_users > 100`";
const METRICS: [&str; 10] =
    ["success_rate", "error_rate", "p50", "p95", "p99", "median", "mean", "min", "max", "value"];

const UNITS: [&str; 9] = ["ns", "us", "ms", "s", "m", "h", "%", "KiB", "MiB"];

/// Reads the name of a metric that begins at this byte of the expression.
fn metric(text: &str, start: usize) -> Result<Metric, Trouble> {
    let wrong = |message: String, help: &str| Trouble::new(start..start + text.len(), message, help);
    match text {
        "success_rate" => Ok(Metric::SuccessRate),
        "error_rate" => Ok(Metric::ErrorRate),
        "median" => Ok(Metric::Quantile(0.5)),
        "mean" => Ok(Metric::Mean),
        "min" => Ok(Metric::Min),
        "max" => Ok(Metric::Max),
        "value" => Ok(Metric::Value),
        "avg" | "average" => Err(wrong(format!("there is no metric `{text}`"), "did you mean `mean`?")),
        "latency" | "duration" | "response_time" => {
            Err(wrong(format!("`{text}` is many numbers"), "say which one: `p95`, `mean` or `max`"))
        }
        _ => match text.strip_prefix('p').and_then(number) {
            Some(percent) if (0.0..=100.0).contains(&percent) => {
                // 99.9 / 100 is not the number nearest to 0.999, and would be another one once written and read.
                let exact = text.strip_prefix('p').and_then(|digits| format!("{digits}e-2").parse().ok());
                Ok(Metric::Quantile(exact.unwrap_or(percent / 100.0)))
            }
            Some(_) => Err(wrong(format!("there is no quantile `{text}`"), "quantiles go from `p0` to `p100`")),
            None => Err(wrong(format!("there is no metric `{text}`"), &suggest::hint(text, &METRICS))),
        },
    }
}

/// The units that fit; none when that cannot be known.
fn fitting(metric: Metric, values: Option<Values>, token: &Token<'_>) -> Result<Option<Fitting>, Trouble> {
    match values {
        None => Ok(None),
        Some(values) => Fitting::of(metric, values).map(Some).ok_or_else(|| valueless(token)),
    }
}

fn valueless(token: &Token<'_>) -> Trouble {
    let help = "use `success_rate`, `error_rate` or a latency such as `p95`";
    Trouble::at(token, "the samples of this probe carry no value", help)
}

/// Splits `ask.p99.9` into the probe and the metric, which may hold a point itself.
fn split_subject<'t>(subject: &Token<'t>) -> Result<(Token<'t>, Token<'t>), Trouble> {
    let text = subject.text;
    let missing = || Trouble::at(subject, format!("`{text}` names no metric of a probe"), STOP);
    let mut point = text.rfind('.').ok_or_else(missing)?;
    let is_quantile = |metric: &str| metric.strip_prefix('p').is_some_and(|n| n.contains('.') && number(n).is_some());
    if let Some(earlier) = text[..point].rfind('.').filter(|&earlier| is_quantile(&text[earlier + 1..])) {
        point = earlier;
    }
    let start = subject.part.start;
    let metric = Token { text: &text[point + 1..], part: start + point + 1..subject.part.end };
    let name = Token { text: unquote(&text[..point]), part: start..start + point };
    if name.text.is_empty() || metric.text.is_empty() {
        return Err(missing());
    }
    Ok((name, metric))
}

fn unquote(text: &str) -> &str {
    let text = text.trim();
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

fn no_such_probe(name: &Token<'_>, probes: &[Known<'_>]) -> Trouble {
    let names: Vec<&str> = probes.iter().map(|probe| probe.name).collect();
    Trouble::at(name, format!("there is no probe `{}` in `steady_state`", name.text), suggest::hint(name.text, &names))
}

fn within(tolerance: Limit, centre: Limit, place: &Token<'_>) -> Result<Must, Trouble> {
    if std::mem::discriminant(&tolerance) != std::mem::discriminant(&centre) {
        let message = "the tolerance and the centre have different units";
        return Err(Trouble::at(place, message, "write both in the same unit, such as `value within 5 of 10`"));
    }
    if tolerance.number() < 0.0 {
        return Err(Trouble::at(place, "a tolerance is not negative", "write `value within 5 of 10`"));
    }
    Ok(Must::Within { tolerance, centre })
}

/// The rest of an expression.
struct Words<'t> {
    text: &'t str,
    end: usize,
    rest: std::vec::IntoIter<Token<'t>>,
}

impl<'t> Words<'t> {
    fn of(text: &'t str) -> Self {
        Self { text, end: text.trim_end().len(), rest: tokens(text).into_iter() }
    }

    fn next(&mut self) -> Option<Token<'t>> {
        self.rest.next()
    }

    /// Everything before the first sign or `within`, blanks included.
    fn until_sign(&mut self, text: &'t str) -> Option<Token<'t>> {
        let ends = |token: &Token<'_>| token.is_sign() || token.text == "within";
        let before: Vec<Token<'t>> = self.rest.as_slice().iter().take_while(|token| !ends(token)).cloned().collect();
        let part = before.first()?.part.start..before.last()?.part.end;
        if before.len() == self.rest.len() {
            return None;
        }
        self.rest.nth(before.len() - 1);
        Some(Token { text: &text[part.clone()], part })
    }

    /// A comparison.
    fn must(&mut self, fitting: Fitting, subject: &str, form: &str) -> Result<Must, Trouble> {
        let subject = format!("`{subject}`");
        let Some(token) = self.next() else {
            return Err(self.at_end(format!("{subject} is compared with nothing"), form));
        };
        if token.text != "within" {
            let operator = operator(&token, form)?;
            let limit = fitting.read(&self.limit(form)?, &subject)?;
            return Ok(Must::Compare { operator, limit });
        }
        if form == STOP {
            return Err(Trouble::at(&token, "a stop condition says what must not happen, with `<` or `>`", STOP));
        }
        let place = self.limit(form)?;
        let tolerance = fitting.read(&place, &subject)?;
        match self.next() {
            Some(of) if of.text == "of" => {}
            Some(other) => return Err(Trouble::at(&other, "`of` is missing here", "write `value within 5 of 10`")),
            None => return Err(self.at_end("within of what?", "write `value within 5 of 10`")),
        }
        within(tolerance, fitting.read(&self.limit(form)?, &subject)?, &place)
    }

    /// The comparison of `affected_users`.
    fn count(&mut self) -> Result<Must, Trouble> {
        let token = self.next().ok_or_else(|| self.at_end("`affected_users` is compared with nothing", STOP))?;
        let operator = operator(&token, STOP)?;
        let token = self.limit(STOP)?;
        match token.text.parse::<u32>() {
            Ok(users) => Ok(Must::Compare { operator, limit: Limit::Number(f64::from(users)) }),
            Err(_) => {
                Err(Trouble::at(&token, format!("`{}` is no number of users", token.text), "write a whole number"))
            }
        }
    }

    /// A limit; a blank before its unit does no harm.
    fn limit(&mut self, form: &str) -> Result<Token<'t>, Trouble> {
        let token = self.next().ok_or_else(|| self.at_end("a limit is missing at the end", form))?;
        match self.rest.as_slice().first() {
            Some(unit) if number(token.text).is_some() && UNITS.contains(&unit.text) => {
                let part = token.part.start..unit.part.end;
                self.next();
                Ok(Token { text: &self.text[part.clone()], part })
            }
            _ => Ok(token),
        }
    }

    /// `for TIME`.
    fn hold(&mut self) -> Result<Option<Timespan>, Trouble> {
        if self.rest.as_slice().first().is_none_or(|token| token.text != "for") {
            return Ok(None);
        }
        self.next();
        let token = self.next().ok_or_else(|| self.at_end("for how long?", STOP))?;
        match token.text.parse::<Timespan>() {
            Ok(time) => Ok(Some(time)),
            Err(error) => Err(Trouble::at(&token, error.problem, error.hint)),
        }
    }

    /// Nothing may be left.
    fn finish(&mut self) -> Result<(), Trouble> {
        let Some(token) = self.next() else { return Ok(()) };
        let help = match token.text {
            "and" | "or" | "&&" | "||" | "," => "write each condition on a line of its own",
            "for" => "`for` belongs to stop conditions that watch a probe",
            _ => "remove it",
        };
        Err(Trouble::new(token.part.start..self.end, "nothing may follow here", help))
    }

    fn at_end(&self, message: impl Into<String>, help: &str) -> Trouble {
        Trouble::new(self.end.saturating_sub(1)..self.end, message, help)
    }
}

fn operator(token: &Token<'_>, form: &str) -> Result<Operator, Trouble> {
    let wrong = |help: &str| Err(Trouble::at(token, format!("there is no comparison `{}`", token.text), help));
    match token.text {
        "<" => Ok(Operator::Less),
        "<=" => Ok(Operator::AtMost),
        ">" => Ok(Operator::More),
        ">=" => Ok(Operator::AtLeast),
        "=<" => wrong("did you mean `<=`?"),
        "=>" => wrong("did you mean `>=`?"),
        "=" | "==" if form == EXPECTATION => wrong("for one exact value, write `value within 0 of 10`"),
        _ => wrong("write one of `<`, `<=`, `>`, `>=`"),
    }
}

#[cfg(test)]
mod tests;
