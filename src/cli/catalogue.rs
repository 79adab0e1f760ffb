//! `chaos faults [NAME]` and `chaos probes [NAME]`: what there is, from the definitions that files are read with.

use super::arguments::{CatalogueArguments, Output};
use super::{REFUSED, colour};
use crate::host::output;
use crate::model::about::{About, ProbeAbout};
use crate::model::fault::TargetKind;
use crate::report::catalogue::{self, Card};
use crate::spec::{schema, suggest};
use crate::{fault, probe};

pub(super) fn faults(arguments: &CatalogueArguments) -> anyhow::Result<u8> {
    show(arguments, "faults", fault::CATALOGUE.iter().map(of_fault).collect())
}

pub(super) fn probes(arguments: &CatalogueArguments) -> anyhow::Result<u8> {
    show(arguments, "probes", probe::CATALOGUE.iter().map(of_probe).collect())
}

/// Everything, one, or a family such as `network`.
fn show(arguments: &CatalogueArguments, what: &str, all: Vec<Card>) -> anyhow::Result<u8> {
    let words: Vec<&str> = all.iter().map(|card| card.word).collect();
    let chosen: Vec<Card> = match &arguments.name {
        None => all.clone(),
        Some(name) if words.contains(&name.as_str()) => all.iter().filter(|card| card.word == name).cloned().collect(),
        Some(name) => {
            let family = format!("{}.", name.trim_end_matches('*').trim_end_matches('.'));
            all.iter().filter(|card| card.word.starts_with(&family)).cloned().collect()
        }
    };
    if chosen.is_empty() {
        let name = arguments.name.as_deref().unwrap_or_default();
        let one = what.trim_end_matches('s');
        output::stderr(&format!("error: there is no {one} `{name}`\n  help: {}\n", suggest::hint(name, &words)));
        return Ok(REFUSED);
    }
    output::stdout(&match (arguments.output, chosen.as_slice()) {
        (Output::Json, _) => catalogue::json(what, &chosen)?,
        (Output::Text, [one]) if arguments.name.is_some() => catalogue::card(one, colour::style()),
        (Output::Text, _) => {
            let more = format!("`chaos {what} NAME` tells the settings of one, and shows an example.");
            catalogue::list(&chosen, &more, colour::style())
        }
    });
    Ok(0)
}

fn of_fault(about: &About) -> Card {
    let targets = about.targets.iter().map(|target| target.example()).collect::<Vec<_>>().join(" or ");
    let facts = [
        ("breaks", about.breaks),
        ("how", about.mechanism),
        ("target", targets.as_str()),
        ("privileges", about.privileges),
        ("dose", about.dose),
        ("undo", about.undo),
        ("remains", about.remains),
    ];
    Card {
        word: about.word,
        summary: about.summary,
        facts: facts.map(|(label, text)| (label, text.to_owned())).into(),
        settings: schema::settings_of_fault(about.word).unwrap_or_default(),
        common: schema::common_of_faults(),
        example: example_of_fault(about),
    }
}

fn of_probe(about: &ProbeAbout) -> Card {
    let facts = [
        ("errors", about.errors),
        ("no_data", about.no_data),
        ("metrics", about.metrics),
        ("privileges", about.privileges),
    ];
    Card {
        word: about.word,
        summary: about.summary,
        facts: facts.map(|(label, text)| (label, text.to_owned())).into(),
        settings: schema::settings_of_probe(about.word).unwrap_or_default(),
        common: schema::common_of_probes(),
        example: example_of_probe(about),
    }
}

/// A whole experiment with this fault.
fn example_of_fault(about: &About) -> String {
    let (parts, target) = match about.targets.first() {
        Some(TargetKind::Proxy) => (
            "proxies:\n  - { name: dependency, listen: 127.0.0.1:9102, upstream: 127.0.0.1:9002 }\n",
            "{ proxy: dependency }",
        ),
        Some(TargetKind::Process) => (
            "services:\n  - { name: server, command: [./server], ready: 127.0.0.1:8080 }\n",
            "{ process: { service: server } }",
        ),
        Some(TargetKind::Host) | None => ("", "{ host: local }"),
    };
    let settings: String = about.example.iter().map(|line| format!("    {line}\n")).collect();
    format!(
        "name: answers keep flowing\n\
         {parts}\
         steady_state:\n  - name: ask\n    probe: http\n    url: http://127.0.0.1:8080/health\n    rate: 50/s\n    \
         expect: [success_rate >= 99%, p95 <= 250ms]\n\
         faults:\n  - fault: {}\n    target: {target}\n{settings}    duration: 10s\n\
         blast_radius: {{ duration: 14s }}\n\
         stop_conditions: [ask.error_rate > 50%]\n",
        about.word
    )
}

/// A whole experiment with this probe, which only measures.
fn example_of_probe(about: &ProbeAbout) -> String {
    let settings: String = about.example.iter().map(|line| format!("    {line}\n")).collect();
    format!("name: the steady state\nsteady_state:\n  - name: ask\n    probe: {}\n{settings}", about.word)
}

#[cfg(test)]
mod tests {
    use super::{of_fault, of_probe};
    use crate::spec::{Source, Variables, read};
    use crate::{fault, probe};

    #[test]
    fn every_example_is_an_experiment_with_that_fault_or_probe() {
        let faults = fault::CATALOGUE.iter().map(of_fault);
        for card in faults.chain(probe::CATALOGUE.iter().map(of_probe)) {
            let source = Source { name: card.word, text: &card.example };
            let read = read(source, &Variables::default()).unwrap_or_else(|told| panic!("{}\n{told}", card.example));
            assert_eq!(read.warnings.to_string(), "", "{}", card.example);
            let kinds = read.experiment.faults.iter().map(|fault| fault.kind.word());
            let kinds = kinds.chain(read.experiment.steady_state.iter().map(|probe| probe.kind.word()));
            assert!(kinds.into_iter().any(|word| word == card.word), "{}", card.example);
        }
    }

    #[test]
    fn every_setting_that_must_be_there_stands_in_the_example() {
        let faults = fault::CATALOGUE.iter().map(of_fault);
        for card in faults.chain(probe::CATALOGUE.iter().map(of_probe)) {
            for setting in card.settings.iter().filter(|setting| setting.required) {
                assert!(card.example.contains(&format!("    {}: ", setting.name)), "{}: {}", card.word, setting.name);
            }
        }
    }
}
