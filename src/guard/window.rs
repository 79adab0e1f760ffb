//! A trailing window of good and bad events.

use std::collections::VecDeque;
use std::time::Duration;

/// One event: when it was known, and how it was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Dot {
    /// When it was known.
    pub at: Duration,
    /// When it was due: an outage begins here.
    pub due: Duration,
    /// Whether it speaks for the condition's breach.
    pub bad: bool,
    /// The number it carries: a latency in seconds, or a value.
    pub number: f64,
}

/// The events of the last `length`, but never fewer than the last `least`.
#[derive(Debug, Clone)]
pub(super) struct Window {
    length: Duration,
    least: usize,
    dots: VecDeque<Dot>,
    /// How many of them are bad.
    bad: usize,
}

impl Window {
    pub fn new(length: Duration, least: usize) -> Self {
        Self { length, least, dots: VecDeque::new(), bad: 0 }
    }

    pub fn push(&mut self, dot: Dot) {
        self.dots.push_back(dot);
        self.bad += usize::from(dot.bad);
        let from = dot.at.saturating_sub(self.length);
        while self.dots.len() > self.least && self.dots.front().is_some_and(|old| old.at < from) {
            let old = self.dots.pop_front();
            self.bad -= usize::from(old.is_some_and(|old| old.bad));
        }
    }

    pub fn len(&self) -> usize {
        self.dots.len()
    }

    pub fn bad(&self) -> usize {
        self.bad
    }

    pub fn mean(&self) -> f64 {
        self.dots.iter().map(|dot| dot.number).sum::<f64>() / self.dots.len().max(1) as f64
    }

    /// The number of each event, the oldest first.
    pub fn numbers(&self) -> impl Iterator<Item = f64> {
        self.dots.iter().map(|dot| dot.number)
    }

    /// The number of the newest event.
    pub fn newest(&self) -> Option<f64> {
        self.dots.back().map(|dot| dot.number)
    }

    /// When the newest event was known.
    pub fn newest_at(&self) -> Option<Duration> {
        self.dots.back().map(|dot| dot.at)
    }

    /// When the first bad event in it was due.
    pub fn first_bad(&self) -> Option<Duration> {
        self.dots.iter().find(|dot| dot.bad).map(|dot| dot.due)
    }

    /// How many of the newest events in a row are bad, and when the first of those was due.
    pub fn run_of_bad(&self) -> (usize, Option<Duration>) {
        let run = self.dots.iter().rev().take_while(|dot| dot.bad);
        let (count, first) = run.fold((0, None), |(count, _), dot| (count + 1, Some(dot.due)));
        (count, first)
    }
}
