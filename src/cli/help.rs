//! `chaos help`: a verb, or a topic in the very words of the documents.

use anyhow::Context;
use clap::CommandFactory;

use super::arguments::{Arguments, HelpArguments};
use super::colour;
use crate::host::output;
use crate::report::topic;

/// A part of the documents.
struct Topic {
    name: &'static str,
    about: &'static str,
    document: &'static str,
    /// The titles of its sections; the whole document where there are none.
    sections: &'static [&'static str],
}

const README: &str = include_str!("../../README.md");

const TOPICS: [Topic; 6] = [
    Topic { name: "format", about: "what an experiment file says", document: README, sections: &["An experiment"] },
    Topic { name: "exit-codes", about: "what each exit code means", document: README, sections: &["Exit codes"] },
    Topic {
        name: "safety",
        about: "what protects this machine, and what to do when something was left",
        document: README,
        sections: &["Safety in six lines", "When something was left behind"],
    },
    Topic { name: "claims", about: "what a run may claim", document: README, sections: &["What a run may claim"] },
    Topic { name: "policies", about: "rules and secrets", document: README, sections: &["Policies and secrets"] },
    Topic { name: "ci", about: "gates in CI", document: include_str!("../../docs/ci/README.md"), sections: &[] },
];

pub(super) fn help(arguments: &HelpArguments) -> anyhow::Result<u8> {
    let Some(subject) = arguments.subject.as_deref() else {
        let usage = Arguments::command().render_long_help();
        output::stdout(&format!("{usage}\n{}", list()));
        return Ok(0);
    };
    let mut command = Arguments::command();
    command.build();
    if let Some(verb) = command.find_subcommand_mut(subject) {
        output::stdout(&verb.render_long_help().to_string());
        return Ok(0);
    }
    let topic = TOPICS.iter().find(|topic| topic.name == subject);
    let topic = topic.with_context(|| format!("there is no help about `{subject}`\n\n{}", list().trim_end()))?;
    output::stdout(&topic::text(&text(topic), colour::style()));
    Ok(0)
}

/// Every topic with a few words.
pub(super) fn topics() -> impl Iterator<Item = (&'static str, &'static str)> {
    TOPICS.iter().map(|topic| (topic.name, topic.about))
}

fn list() -> String {
    let lines = topics().map(|(name, about)| format!("  {name:<11} {about}\n"));
    format!("Topics of `chaos help TOPIC`:\n{}", lines.collect::<String>())
}

fn text(topic: &Topic) -> String {
    if topic.sections.is_empty() {
        return topic.document.to_owned();
    }
    topic.sections.iter().map(|title| topic::section(topic.document, title)).collect()
}

#[cfg(test)]
mod tests {
    use super::{TOPICS, text};
    use crate::report::topic;

    #[test]
    fn every_section_is_in_its_document() {
        for topic in TOPICS {
            for title in topic.sections {
                let lines = topic::section(topic.document, title).lines().count();
                assert!(
                    lines > 3,
                    "`{title}`, which `chaos help {}` shows, is not in its document any more",
                    topic.name
                );
            }
            assert!(text(&topic).len() > 200, "{}", topic.name);
        }
    }
}
