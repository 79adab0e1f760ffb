//! Which programs services, probes and faults may start, by the files that their words mean here.

use super::{Bench, only};
use crate::model::experiment::Experiment;
use crate::model::policy::matches;
use crate::model::probe::ProbeKind;

/// Words by which this program acts on a machine by itself; so do its hidden ones, which begin with `__`.
const ACTING: [&str; 3] = ["run", "proxy", "rollback"];

/// The word of a command by which this very program would act once more.
fn acts_again<'c>(command: &'c [String], file: Option<&str>) -> Option<&'c str> {
    let [program, rest @ ..] = command else { return None };
    let ours = program == "chaos" || file.is_some_and(|file| file.ends_with("/chaos"));
    let words = rest.iter().map(String::as_str).filter(|_| ours);
    words.into_iter().find(|word| word.starts_with("__") || ACTING.contains(word))
}

/// The commands of an experiment, by their paths in it.
pub(super) fn commands(experiment: &Experiment) -> Vec<(String, &[String])> {
    let services = experiment.services.iter().enumerate();
    let services = services.map(|(place, service)| (format!("services[{place}].command"), service.command.as_slice()));
    let probes = experiment.steady_state.iter().enumerate().filter_map(|(place, probe)| match &probe.kind {
        ProbeKind::Command(probe) => Some((format!("steady_state[{place}].command"), probe.command.as_slice())),
        _ => None,
    });
    let faults = experiment.faults.iter().enumerate().flat_map(|(place, fault)| {
        let commands = fault.kind.commands().into_iter();
        commands.map(move |(key, words)| (format!("faults[{place}].{key}"), words.as_slice()))
    });
    services.chain(probes).chain(faults).collect()
}

pub(super) fn judge(bench: &mut Bench<'_, '_>) {
    let Some(rule) = &bench.policy.allow_programs else { return };
    let experiment = bench.request.experiment;
    for (place, command) in commands(experiment) {
        let word = command.first().map_or("", String::as_str);
        let file = bench.request.surroundings.programs.get(&place).cloned().flatten();
        let shown = file.as_ref().map(|file| file.display().to_string());
        let of = |pattern: &String| match shown.as_deref() {
            _ if word == "chaos" => pattern == "chaos",
            Some(file) => matches(pattern, file),
            None => false,
        };
        if !rule.value.iter().any(of) {
            let what = match shown.as_deref() {
                Some(file) if file != word && word != "chaos" => format!("`{word}` ({file})"),
                _ => format!("`{word}`"),
            };
            let message = format!("the program {what} is not allowed, {}", only(&rule.value));
            bench.refuse(("allow_programs", rule.line), place, message);
        } else if let Some(verb) = acts_again(command, shown.as_deref()) {
            let message = format!("`chaos {verb}` inside of an experiment would not be under its policies");
            bench.refuse(("allow_programs", rule.line), place, message);
        }
    }
    for (place, service) in experiment.services.iter().enumerate() {
        // What is loaded into an allowed program is a program too.
        for name in service.env.keys().filter(|name| name.starts_with("LD_")) {
            let message = format!("`{name}` loads other programs into the allowed ones");
            bench.refuse(("allow_programs", rule.line), format!("services[{place}].env.{name}"), message);
        }
    }
}
