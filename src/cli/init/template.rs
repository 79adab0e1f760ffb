//! The common cases: what is broken, how much, and the question that it answers.

use crate::cli::arguments::Break;
use crate::fault::CATALOGUE;
use crate::model::about::About;
use crate::model::fault::TargetKind;

/// One common case.
#[derive(Debug, Clone, Copy)]
pub(super) struct Template {
    /// The word in `fault:`.
    word: &'static str,
    /// What is believed, in which `{}` is what is broken.
    belief: &'static str,
    /// The settings with a remark each.
    pub settings: &'static [(&'static str, &'static str)],
    /// What must hold, with a remark each.
    pub expect: &'static [(&'static str, &'static str)],
    /// Nothing but a fallback or a retry can keep the steady state.
    pub needs_help: bool,
}

/// Answers must come.
const COME: (&str, &str) = ("success_rate >= 99%", "takes 381 samples without an error to be sure of");
/// They must come in time.
const FAST: (&str, &str) = ("p95 <= 500ms", "what your callers can live with: write your own limit");

impl Template {
    /// The one for this case.
    #[expect(clippy::too_many_lines, reason = "a table, and the compiler asks for a row of each case")]
    pub const fn of(case: Break) -> Self {
        let (come, both): (&[_], &[_]) = (&[COME], &[COME, FAST]);
        match case {
            Break::Latency => Self {
                word: "network.latency",
                belief: "answers stay fast when {} is 200ms slower",
                settings: &[
                    ("delay: 200ms", "how much later every byte arrives"),
                    ("jitter: 20ms", "give or take this"),
                ],
                expect: both,
                needs_help: false,
            },
            Break::SlowLine => Self {
                word: "network.bandwidth",
                belief: "answers stay fast when the line to {} is thin",
                settings: &[("rate: 100KiB/s", "of each connection")],
                expect: both,
                needs_help: false,
            },
            Break::Errors => Self {
                word: "http.error",
                belief: "answers keep flowing when {} fails every fifth request",
                settings: &[("status: 503", "what is answered in its place"), ("share: 20%", "of the requests")],
                expect: come,
                needs_help: true,
            },
            Break::Disconnects => Self {
                word: "network.disconnect",
                belief: "answers keep flowing when every fifth connection to {} is reset",
                settings: &[("share: 20%", "of the connections")],
                expect: come,
                needs_help: true,
            },
            Break::Outage => Self {
                word: "network.down",
                belief: "answers keep flowing while {} refuses connections",
                settings: &[],
                expect: come,
                needs_help: true,
            },
            Break::Hang => Self {
                word: "network.blackhole",
                belief: "answers keep flowing while {} says nothing",
                settings: &[],
                expect: come,
                needs_help: true,
            },
            Break::Cpu => Self {
                word: "cpu.stress",
                belief: "answers stay fast while the cores of {} are busy",
                settings: &[("load: 80%", "of the time of every core; `cores: 1` for one of them")],
                expect: both,
                needs_help: false,
            },
            Break::Memory => Self {
                word: "memory.stress",
                belief: "answers stay fast while the memory of {} is scarce",
                settings: &[("size: 50%", "of what is available when the fault starts")],
                expect: both,
                needs_help: false,
            },
            Break::Disk => Self {
                word: "disk.stress",
                belief: "answers stay fast while the disk of {} is busy",
                settings: &[("path: /var/tmp", "a folder on the disk in question"), ("iops: 200/s", "writes a second")],
                expect: both,
                needs_help: false,
            },
            Break::Kill => Self {
                word: "process.kill",
                belief: "answers come back by themselves when {} is killed",
                settings: &[("signal: KILL", "at once; TERM asks politely")],
                expect: come,
                needs_help: true,
            },
            Break::Pause => Self {
                word: "process.pause",
                belief: "answers come back when {} hung for a while",
                settings: &[],
                expect: come,
                needs_help: true,
            },
        }
    }

    /// What the catalogue says of its fault. A test looks for every one of them.
    pub fn about(&self) -> &'static About {
        CATALOGUE.iter().find(|about| about.word == self.word).unwrap_or(&CATALOGUE[0])
    }

    /// What it acts on, in the usual case.
    pub fn target(&self) -> TargetKind {
        self.about().targets.first().copied().unwrap_or(TargetKind::Host)
    }

    /// What is believed of this subject.
    pub fn belief(&self, subject: &str) -> String {
        self.belief.replace("{}", subject)
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::{Break, Template};

    #[test]
    fn every_template_breaks_something_that_there_is() {
        for case in Break::value_variants() {
            let template = Template::of(*case);
            assert_eq!(template.about().word, template.word, "{case:?}");
            assert!(template.belief("x").contains('x'), "{case:?}");
        }
    }
}
