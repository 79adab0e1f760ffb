//! `${NAME}`, `${NAME:-default}` and `$$`, put into the scalars of a tree after it was parsed: a variable can never
//! change the structure of a file, nor a key.
//!
//! A name means, in this order: what `--var` says, the environment, `vars` of the file, the default.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use super::tree::{Content, NodeId, Scalar, Tree};
use super::{Variables, suggest};
use crate::diagnostic::Diagnostic;

/// The most bytes that all values may have after interpolation.
const MOST_BYTES: usize = 1 << 20;
/// How far variables may refer to variables.
const MOST_LEVELS: usize = 32;

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What is wrong.
    pub errors: Vec<Diagnostic>,
    /// The scalars whose value is therefore not known.
    pub unknown: Vec<NodeId>,
}

/// Rewrites every scalar.
pub fn interpolate(tree: &mut Tree, variables: &Variables) -> Outcome {
    let mut outcome = Outcome::default();
    let file = vars(tree, &mut outcome.errors);
    let (known, used) = (HashMap::new(), BTreeSet::new());
    let mut scope = Scope { variables, file, known, used, stack: Vec::new(), bytes: 0 };
    for (id, node) in tree.nodes_mut().enumerate() {
        let Content::Scalar(scalar) = &mut node.content else { continue };
        if !scalar.text.contains('$') {
            continue;
        }
        match scope.expand(&scalar.text) {
            Ok(text) if text != scalar.text => (scalar.text, scalar.verbatim) = (text, None),
            Ok(_) => {}
            Err(problems) => {
                outcome.unknown.push(id);
                outcome.errors.extend(problems.into_iter().map(|problem| problem.diagnose(scalar, &node.span)));
            }
        }
    }
    outcome.errors.extend(scope.unused());
    outcome
}

/// The texts under `vars`, as they stand in the file.
fn vars(tree: &Tree, errors: &mut Vec<Diagnostic>) -> BTreeMap<String, String> {
    let mut texts = BTreeMap::new();
    let Some(vars) = tree.get(tree.root, "vars") else { return texts };
    for entry in tree.entries(vars) {
        if !is_name(&entry.key) {
            let message = format!("`{}` cannot be the name of a variable", entry.key);
            let help = "a name is made of letters, digits and `_`, and begins with no digit";
            errors.push(Diagnostic::error(message).at(entry.key_span.clone()).help(help));
        }
        match tree.scalar(entry.value) {
            Some(scalar) => drop(texts.insert(entry.key.clone(), scalar.text.clone())),
            None => {
                let message = format!("the variable `{}` must be one word or text", entry.key);
                errors.push(Diagnostic::error(message).at(tree.head(entry.value)));
            }
        }
    }
    texts
}

/// What is wrong with a part of a text.
struct Problem {
    part: Range<usize>,
    message: String,
    help: String,
    /// It is the fault of no single text, so whoever uses the variable reports it.
    shared: bool,
}

impl Problem {
    fn new(part: Range<usize>, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { part, message: message.into(), help: help.into(), shared: false }
    }

    fn diagnose(self, scalar: &Scalar, whole: &Range<usize>) -> Diagnostic {
        let place = match scalar.verbatim {
            Some(start) => start + self.part.start..start + self.part.end,
            None => whole.clone(),
        };
        Diagnostic::error(self.message).at(place).help(self.help)
    }
}

/// The problems of a text; none when they are reported elsewhere.
type Problems = Vec<Problem>;

struct Scope<'v> {
    variables: &'v Variables,
    file: BTreeMap<String, String>,
    /// Variables of the file that were expanded before; none where that failed.
    known: HashMap<String, Option<String>>,
    used: BTreeSet<String>,
    stack: Vec<String>,
    bytes: usize,
}

impl Scope<'_> {
    fn expand(&mut self, text: &str) -> Result<String, Problems> {
        let mut out = String::with_capacity(text.len());
        let mut failed: Option<Problems> = None;
        let mut at = 0;
        while let Some(dollar) = text[at..].find('$').map(|found| at + found) {
            out.push_str(&text[at..dollar]);
            let rest = &text[dollar + 1..];
            if rest.starts_with('$') {
                out.push('$');
                at = dollar + 2;
            } else if let Some(inner) = rest.strip_prefix('{') {
                let Some(length) = inner.find('}') else {
                    let help = "write `$${` for the characters `${`";
                    failed.get_or_insert_default().push(Problem::new(dollar..text.len(), "`${` without `}`", help));
                    break;
                };
                at = dollar + length + 3;
                match self.reference(&inner[..length], dollar..at) {
                    Ok(value) => out.push_str(&value),
                    Err(problems) => failed.get_or_insert_default().extend(problems),
                }
            } else {
                out.push('$');
                at = dollar + 1;
            }
            self.limit(&out, text)?;
        }
        out.push_str(text.get(at..).unwrap_or_default());
        self.bytes += out.len();
        self.limit("", text)?;
        failed.map_or(Ok(out), Err)
    }

    /// Refuses to let all values together grow beyond the limit.
    fn limit(&self, more: &str, text: &str) -> Result<(), Problems> {
        if self.bytes + more.len() <= MOST_BYTES {
            return Ok(());
        }
        let help = "some variable contains another one too often";
        Err(vec![Problem::new(0..text.len(), "the variables of this file make it larger than 1 MiB", help)])
    }

    /// The value of what stands between `${` and `}`.
    fn reference(&mut self, inner: &str, part: Range<usize>) -> Result<String, Problems> {
        let (name, default) = match inner.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inner, None),
        };
        if !is_name(name) {
            let help = "write `${NAME}` or `${NAME:-default}`; `$$` stands for one `$`";
            return Err(vec![Problem::new(part, format!("`${{{inner}}}` names no variable"), help)]);
        }
        self.used.insert(name.to_owned());
        let value = match self.lookup(name, &part)? {
            Some(value) if !(value.is_empty() && default.is_some()) => Some(value),
            _ => default.map(str::to_owned),
        };
        value.ok_or_else(|| vec![self.undefined(name, part)])
    }

    fn lookup(&mut self, name: &str, part: &Range<usize>) -> Result<Option<String>, Problems> {
        let outer = self.variables.given.get(name).or_else(|| self.variables.environment.get(name));
        if let Some(value) = outer {
            return Ok(Some(value.clone()));
        }
        let Some(text) = self.file.get(name).cloned() else { return Ok(None) };
        if let Some(known) = self.known.get(name) {
            return known.clone().map(Some).ok_or_else(Vec::new);
        }
        let shared = |message: String, help: &str| {
            Err(vec![Problem { shared: true, ..Problem::new(part.clone(), message, help) }])
        };
        if self.stack.iter().any(|outer| outer == name) {
            return shared(
                format!("the variable `{name}` is made of itself"),
                "let one of the variables say its value",
            );
        }
        if self.stack.len() >= MOST_LEVELS {
            return shared("these variables refer to each other too often".to_owned(), "shorten the chain");
        }
        self.stack.push(name.to_owned());
        let value = self.expand(&text);
        self.stack.pop();
        self.known.insert(name.to_owned(), value.as_ref().ok().cloned());
        // Other problems are reported where the variable is defined.
        let here = |problem: Problem| problem.shared.then(|| Problem { part: part.clone(), ..problem });
        value.map(Some).map_err(|problems| problems.into_iter().filter_map(here).take(1).collect())
    }

    fn undefined(&self, name: &str, part: Range<usize>) -> Problem {
        let known = self.file.keys().chain(self.variables.given.keys()).map(String::as_str);
        let help = match suggest::nearest(name, known) {
            Some(meant) => format!("did you mean `${{{meant}}}`?"),
            None => format!("pass `--var {name}=VALUE`, add it to `vars`, or write `${{{name}:-default}}`"),
        };
        Problem::new(part, format!("the variable `{name}` has no value"), help)
    }

    /// `--var` of names that the file does not know.
    fn unused(&self) -> Vec<Diagnostic> {
        let unknown = |name: &&String| !self.used.contains(*name) && !self.file.contains_key(*name);
        let names = self.variables.given.keys().filter(unknown);
        let diagnose = |name: &String| {
            let error =
                Diagnostic::error(format!("`--var {name}=...` is given, but there is no `${{{name}}}` in this file"));
            match suggest::nearest(name, self.used.iter().map(String::as_str)) {
                Some(meant) => error.help(format!("did you mean `--var {meant}=...`?")),
                None => error,
            }
        };
        names.map(diagnose).collect()
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::interpolate;
    use crate::spec::Variables;
    use crate::spec::parser::parse;

    fn variables(given: &[(&str, &str)], environment: &[(&str, &str)]) -> Variables {
        let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Variables { given: map(given), environment: map(environment) }
    }

    /// The value of `x` after interpolation, or the messages.
    fn x(text: &str, variables: &Variables) -> Result<String, String> {
        let mut tree = parse(text).expect("YAML");
        let errors = interpolate(&mut tree, variables).errors;
        if !errors.is_empty() {
            return Err(errors.iter().map(|error| error.message.as_str()).collect::<Vec<_>>().join(" | "));
        }
        Ok(tree.scalar(tree.get(tree.root, "x").expect("x")).expect("scalar").text.clone())
    }

    #[test]
    fn the_command_line_comes_before_the_environment_before_the_file_before_the_default() {
        let text = "vars: { A: file }\nx: ${A:-default}";
        assert_eq!(x(text, &variables(&[("A", "given")], &[("A", "env")])), Ok("given".into()));
        assert_eq!(x(text, &variables(&[], &[("A", "env")])), Ok("env".into()));
        assert_eq!(x(text, &variables(&[], &[])), Ok("file".into()));
        assert_eq!(x("x: a ${B:-default} b", &variables(&[], &[])), Ok("a default b".into()));
    }

    #[test]
    fn a_dollar_is_a_dollar() {
        assert_eq!(x("x: ^a$|$$|$5", &Variables::default()), Ok("^a$|$|$5".into()));
        assert_eq!(x("x: $${A}", &Variables::default()), Ok("${A}".into()));
    }

    #[test]
    fn variables_may_be_made_of_variables_but_not_of_themselves() {
        assert_eq!(x("vars: { A: 1, B: \"${A}2\" }\nx: ${B}3", &Variables::default()), Ok("123".into()));
        let cycle = x("vars: { A: \"${B}\", B: \"${A}\" }\nx: ${A}", &Variables::default()).expect_err("cycle");
        assert!(cycle.contains("made of itself"), "{cycle}");
    }

    #[test]
    fn a_value_never_becomes_structure() {
        let given = variables(&[("A", "[1, 2]\nname: evil")], &[]);
        assert_eq!(x("x: ${A}", &given), Ok("[1, 2]\nname: evil".into()));
    }

    #[test]
    fn unknown_and_unused_names_are_refused() {
        assert_eq!(x("x: ${A}", &Variables::default()), Err("the variable `A` has no value".into()));
        assert_eq!(x("x: ${A", &Variables::default()), Err("`${` without `}`".into()));
        assert_eq!(x("x: ${a b}", &Variables::default()), Err("`${a b}` names no variable".into()));
        let unused = x("x: 1", &variables(&[("A", "1")], &[])).expect_err("unused");
        assert_eq!(unused, "`--var A=...` is given, but there is no `${A}` in this file");
    }

    #[test]
    fn variables_that_multiply_each_other_are_stopped() {
        let mut text = "vars:\n  A0: aaaaaaaaaaaaaaaa\n".to_owned();
        (1..30).for_each(|n| text.push_str(&format!("  A{n}: ${{A{0}}}${{A{0}}}${{A{0}}}\n", n - 1)));
        text.push_str("x: ${A29}\n");
        let bomb = x(&text, &Variables::default()).expect_err("bomb");
        assert!(bomb.contains("larger than 1 MiB"), "{bomb}");
    }
}
