//! Says of trouble with a value that variables made which variable said what: the file shows `${NAME}` there only.

use super::interpolate::{Filled, Giver};
use super::tree::{NodeId, Tree};
use crate::diagnostic::{Diagnostic, Diagnostics};

/// More variables of one value are not told.
const MOST: usize = 3;

/// Adds to each diagnostic about such a value what the variables were, and tells the fix where the value comes from.
pub fn explain(told: &mut Diagnostics, tree: &Tree, text: &str, filled: &[(NodeId, Vec<Filled>)]) {
    told.amend(|diagnostic| {
        let Some(span) = diagnostic.span.clone() else { return };
        let within = |id: NodeId| {
            let whole = &tree.node(id).span;
            whole.start <= span.start && span.end <= whole.end && span.start < span.end
        };
        let Some((_, variables)) = filled.iter().find(|(id, _)| within(*id)) else { return };
        for variable in variables.iter().take(MOST) {
            diagnostic.notes.push(origin(variable));
        }
        if let [only] = variables.as_slice()
            && text.get(span).is_some_and(|source| is_reference_to(source, &only.name))
        {
            move_help(diagnostic, only);
        }
    });
}

fn origin(variable: &Filled) -> String {
    let giver = match variable.giver {
        Giver::CommandLine => "from `--var`",
        Giver::Environment => "from the environment",
        Giver::File => "from `vars` of this file",
        Giver::Default => "its default",
    };
    match &variable.value {
        Some(value) => format!("`${{{}}}` is `{}`, {giver}", variable.name, super::decode::shorten(value)),
        None => format!("`${{{}}}` is secret, {giver}", variable.name),
    }
}

/// `${NAME}` or `${NAME:-default}`, and nothing around it but quotes.
fn is_reference_to(source: &str, name: &str) -> bool {
    let source = source.trim_matches(['"', '\'']);
    let inner = source.strip_prefix("${").and_then(|inner| inner.strip_suffix('}'));
    inner.and_then(|inner| inner.strip_prefix(name)).is_some_and(|rest| rest.is_empty() || rest.starts_with(":-"))
}

/// "did you mean `99s`?" is to be written where the value comes from.
fn move_help(diagnostic: &mut Diagnostic, variable: &Filled) {
    let Some(help) = &diagnostic.help else { return };
    let Some(meant) = help.strip_prefix("did you mean `").and_then(|rest| rest.strip_suffix("`?")) else { return };
    let name = &variable.name;
    diagnostic.help = Some(match variable.giver {
        Giver::CommandLine => format!("did you mean `--var {name}={meant}`?"),
        Giver::Environment => format!("did you mean `{name}={meant}` in the environment?"),
        Giver::File => format!("did you mean `{name}: {meant}` in `vars`?"),
        Giver::Default => format!("did you mean `${{{name}:-{meant}}}`?"),
    });
}
