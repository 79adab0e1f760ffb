//! May this experiment be run here? Pure: an experiment, its steps, what is known of the machine, and the policies go in;
//! what they forbid comes out, all of it. Several policies intersect: each one can only refuse.

mod consent;
mod demands;
mod doses;
mod faults;
mod network;
mod programs;
mod targets;
mod window;

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::{DateTime, Utc};

pub use targets::{ProcessPlace, hits};

use crate::model::experiment::Experiment;
use crate::model::policy::Policy;
use crate::model::step::Step;

/// What is asked.
#[derive(Debug)]
pub struct Request<'a> {
    /// The experiment as it was read.
    pub experiment: &'a Experiment,
    /// The steps of each fault, in the order of the file.
    pub steps: &'a [Vec<Step>],
    /// The digest of the plan.
    pub digest: &'a str,
    /// What it is asked for.
    pub purpose: Purpose<'a>,
    /// What is known of the machine.
    pub surroundings: &'a Surroundings,
}

/// What an experiment is judged for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose<'a> {
    /// To be looked at: when, and whether it is approved, does not matter yet.
    Look,
    /// To be run now, with the digest that was approved, if one was given.
    Run {
        /// As given.
        approved: Option<&'a str>,
    },
}

/// What is known of the machine and of us.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Surroundings {
    /// The time.
    pub now: DateTime<Utc>,
    /// Who we are, and so services and probes.
    pub us: ProcessPlace,
    /// The files that the commands of services and probes start, by the paths of the commands in the experiment; `None`
    /// where there is none.
    pub programs: BTreeMap<String, Option<PathBuf>>,
    /// The folders that disk faults load, with all links resolved, by the paths of the faults; `None` where there is none.
    pub folders: BTreeMap<String, Option<PathBuf>>,
}

/// One thing that is forbidden.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What, in a sentence without a final full stop.
    pub message: String,
    /// Where in the experiment, such as `faults[0].delay`; empty when nowhere.
    pub place: String,
    /// Which rule forbids it: `FILE:LINE: KEY`.
    pub rule: String,
    /// What to try.
    pub help: Option<String>,
}

/// Everything that is forbidden; nothing when it may be run.
pub fn judge(request: &Request<'_>, policies: &[Policy]) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    consent::judge(request, &mut refusals);
    targets::protected_folders(request, &mut refusals);
    network::without_policy(request, policies, &mut refusals);
    for policy in policies {
        let mut bench = Bench { request, policy, refusals: &mut refusals };
        faults::judge(&mut bench);
        doses::judge(&mut bench);
        demands::judge(&mut bench);
        programs::judge(&mut bench);
        targets::judge(&mut bench);
        network::judge(&mut bench);
        window::judge(&mut bench);
    }
    refusals
}

/// One policy at work.
struct Bench<'r, 'a> {
    request: &'r Request<'a>,
    policy: &'r Policy,
    refusals: &'r mut Vec<Refusal>,
}

impl Bench<'_, '_> {
    fn refuse(&mut self, (key, line): (&str, usize), place: impl Into<String>, message: impl Into<String>) {
        self.refuse_with(
            key,
            line,
            Refusal { message: message.into(), place: place.into(), rule: String::new(), help: None },
        );
    }

    fn refuse_with(&mut self, key: &str, line: usize, refusal: Refusal) {
        let rule = format!("{}:{line}: `{key}`", self.policy.file);
        self.refusals.push(Refusal { rule, ..refusal });
    }
}

/// The end of a message: what is allowed instead.
fn only<T: std::fmt::Display>(list: &[T]) -> String {
    let quoted: Vec<String> = list.iter().map(|one| format!("`{one}`")).collect();
    if quoted.is_empty() { "nothing is".to_owned() } else { format!("only {}", quoted.join(", ")) }
}

#[cfg(test)]
mod tests;
