//! `${NAME}`, `${NAME:-default}` and `$$`, put into the scalars of a tree after it was parsed: a variable can never
//! change the structure of a file, nor a key.
//!
//! A name means, in this order: what `--var` says, the environment, `vars` of the file, the default. A variable whose
//! value in `vars` is a secret ([`Source`]) is one wherever its value comes from, and so is every text it is a part of.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use super::secrets::Source;
use super::tree::{Content, Hidden, NodeId, Scalar, Tree};
use super::{Secrets, Variables, suggest};
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
    /// The scalars that variables were put into.
    pub filled: Vec<(NodeId, Vec<Filled>)>,
}

/// A variable that was put into a scalar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filled {
    /// Its name.
    pub name: String,
    /// Its value, unless it is secret.
    pub value: Option<String>,
    /// Who gave it.
    pub giver: Giver,
}

/// Who gave a variable its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Giver {
    /// `--var`
    CommandLine,
    /// The environment.
    Environment,
    /// `vars` of the file.
    File,
    /// What stands after `:-`.
    Default,
}

/// Rewrites every scalar.
pub fn interpolate(tree: &mut Tree, variables: &Variables) -> Outcome {
    let mut outcome = Outcome::default();
    let file = vars(tree, &mut outcome.errors);
    let (known, used) = (HashMap::new(), BTreeSet::new());
    let mut scope = Scope { variables, file, known, used, stack: Vec::new(), bytes: 0, filled: Vec::new() };
    for (id, node) in tree.nodes_mut().enumerate() {
        let Content::Scalar(scalar) = &mut node.content else { continue };
        if !scalar.text.contains('$') {
            continue;
        }
        scope.filled.clear();
        match scope.expand(&scalar.text) {
            Ok(text) if text.is_secret() => *scalar = text.hidden(),
            Ok(Text { text, .. }) if text != scalar.text => {
                (scalar.text, scalar.verbatim) = (text, None);
                outcome.filled.push((id, std::mem::take(&mut scope.filled)));
            }
            Ok(_) => {}
            Err(problems) => {
                outcome.unknown.push(id);
                outcome.errors.extend(problems.into_iter().map(|problem| problem.diagnose(scalar, &node.span)));
            }
        }
    }
    outcome.errors.extend(scope.unused());
    fetch(tree, variables, &mut outcome);
    outcome
}

/// Puts secrets where the file refers to them, except in `vars`: those are fetched where they are used.
fn fetch(tree: &mut Tree, variables: &Variables, outcome: &mut Outcome) {
    let vars = tree.get(tree.root, "vars").map(|vars| tree.entries(vars)).unwrap_or_default();
    let vars: BTreeSet<NodeId> = vars.iter().map(|entry| entry.value).collect();
    let found = |id: NodeId| Some((id, Source::of(tree, id)?)).filter(|_| !vars.contains(&id));
    let found: Vec<(NodeId, (Source, NodeId))> = (0..tree.len()).filter_map(found).collect();
    for (id, (source, place)) in found {
        match Text::of(&source, variables) {
            Ok(text) => tree.put(id, Content::Scalar(text.hidden())),
            Err((message, help)) => {
                outcome.unknown.push(id);
                outcome.errors.push(Diagnostic::error(message).at(tree.head(place)).help(help));
            }
        }
    }
}

/// A text after interpolation.
#[derive(Debug, Clone, Default)]
struct Text {
    text: String,
    /// The same with names in place of secrets.
    shown: String,
    /// The secrets in it.
    secrets: Vec<String>,
}

impl Text {
    fn plain(text: &str) -> Self {
        Self { text: text.to_owned(), shown: text.to_owned(), secrets: Vec::new() }
    }

    fn of(source: &Source, variables: &Variables) -> Result<Self, (String, String)> {
        Ok(Self::secret(source.read(variables)?, source))
    }

    fn secret(text: String, source: &Source) -> Self {
        Self { secrets: vec![text.clone()], text, shown: source.shown() }
    }

    fn is_secret(&self) -> bool {
        !self.secrets.is_empty()
    }

    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.shown.push_str(text);
    }

    fn append(&mut self, other: &Self) {
        self.text.push_str(&other.text);
        self.shown.push_str(&other.shown);
        self.secrets.extend_from_slice(&other.secrets);
    }

    fn length(&self) -> usize {
        self.text.len().max(self.shown.len())
    }

    /// As a scalar that only places for secrets take.
    fn hidden(self) -> Scalar {
        let secret = Some(Hidden { shown: self.shown, parts: self.secrets });
        Scalar { text: self.text, plain: false, verbatim: None, secret }
    }
}

/// What stands under `vars`.
#[derive(Debug, Clone)]
enum Var {
    Text(String),
    Secret(Source),
}

/// The variables of the file, as they stand there.
fn vars(tree: &Tree, errors: &mut Vec<Diagnostic>) -> BTreeMap<String, Var> {
    let mut texts = BTreeMap::new();
    let Some(vars) = tree.get(tree.root, "vars") else { return texts };
    for entry in tree.entries(vars) {
        if !is_name(&entry.key) {
            let message = format!("`{}` cannot be the name of a variable", entry.key);
            let help = "a name is made of letters, digits and `_`, and begins with no digit";
            errors.push(Diagnostic::error(message).at(entry.key_span.clone()).help(help));
        }
        match (tree.scalar(entry.value), Source::of(tree, entry.value)) {
            (Some(scalar), _) => drop(texts.insert(entry.key.clone(), Var::Text(scalar.text.clone()))),
            (None, Some((source, _))) => drop(texts.insert(entry.key.clone(), Var::Secret(source))),
            (None, None) => {
                let message = format!("the variable `{}` must be one word or text", entry.key);
                let error = Diagnostic::error(message).at(tree.head(entry.value));
                let help = "a secret is written `{ from_env: NAME }` or `{ from_file: PATH }`";
                let list = tree.entries(entry.value).is_empty();
                errors.push(error.help(if list { "write one value; a variable is no list" } else { help }));
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
    file: BTreeMap<String, Var>,
    /// Variables of the file that were expanded before; none where that failed.
    known: HashMap<String, Option<Text>>,
    used: BTreeSet<String>,
    stack: Vec<String>,
    bytes: usize,
    /// What was put into the scalar that is expanded.
    filled: Vec<Filled>,
}

impl Scope<'_> {
    fn expand(&mut self, text: &str) -> Result<Text, Problems> {
        let mut out = Text::default();
        let mut failed: Option<Problems> = None;
        let mut at = 0;
        while let Some(dollar) = text[at..].find('$').map(|found| at + found) {
            out.push(&text[at..dollar]);
            let rest = &text[dollar + 1..];
            if rest.starts_with('$') {
                out.push("$");
                at = dollar + 2;
            } else if let Some(inner) = rest.strip_prefix('{') {
                let Some(length) = inner.find('}') else {
                    let help = "write `$${` for the characters `${`";
                    failed.get_or_insert_default().push(Problem::new(dollar..text.len(), "`${` without `}`", help));
                    break;
                };
                at = dollar + length + 3;
                match self.reference(&inner[..length], dollar..at) {
                    Ok(value) => out.append(&value),
                    Err(problems) => failed.get_or_insert_default().extend(problems),
                }
            } else {
                out.push("$");
                at = dollar + 1;
            }
            self.limit(out.length(), text)?;
        }
        out.push(text.get(at..).unwrap_or_default());
        self.bytes += out.length();
        self.limit(0, text)?;
        failed.map_or(Ok(out), Err)
    }

    /// Refuses to let all values together grow beyond the limit.
    fn limit(&self, more: usize, text: &str) -> Result<(), Problems> {
        if self.bytes + more <= MOST_BYTES {
            return Ok(());
        }
        let help = "some variable contains another one too often";
        Err(vec![Problem::new(0..text.len(), "the variables of this file make it larger than 1 MiB", help)])
    }

    /// The value of what stands between `${` and `}`.
    fn reference(&mut self, inner: &str, part: Range<usize>) -> Result<Text, Problems> {
        let (name, default) = match inner.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inner, None),
        };
        if !is_name(name) {
            let help = "write `${NAME}` or `${NAME:-default}`; `$$` stands for one `$`";
            return Err(vec![Problem::new(part, format!("`${{{inner}}}` names no variable"), help)]);
        }
        self.used.insert(name.to_owned());
        let (value, giver) = match self.lookup(name, &part)? {
            Some(value) if !(value.text.is_empty() && default.is_some()) => (Some(value), self.giver(name)),
            _ => (default.map(Text::plain), Giver::Default),
        };
        if let Some(value) = value.as_ref().filter(|_| self.stack.is_empty()) {
            let shown = Some(value.text.clone()).filter(|_| !value.is_secret());
            self.filled.push(Filled { name: name.to_owned(), value: shown, giver });
        }
        value.ok_or_else(|| vec![self.undefined(name, part)])
    }

    fn lookup(&mut self, name: &str, part: &Range<usize>) -> Result<Option<Text>, Problems> {
        let outer = self.variables.given.get(name).or_else(|| self.variables.environment.get(name));
        let text = match (outer, self.file.get(name).cloned()) {
            (Some(value), Some(Var::Secret(source))) => return Ok(Some(self.given_secret(value, &source))),
            (Some(value), _) => return Ok(Some(Text::plain(value))),
            (None, Some(Var::Secret(source))) => {
                let read = Text::of(&source, self.variables);
                return read.map(Some).map_err(|(message, help)| vec![Problem::new(part.clone(), message, help)]);
            }
            (None, Some(Var::Text(text))) => text,
            (None, None) => return Ok(None),
        };
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

    fn giver(&self, name: &str) -> Giver {
        if self.variables.given.contains_key(name) {
            Giver::CommandLine
        } else if self.variables.environment.contains_key(name) {
            Giver::Environment
        } else {
            Giver::File
        }
    }

    /// The value of a secret variable that comes from the command line or the environment.
    fn given_secret(&self, value: &str, source: &Source) -> Text {
        let text = match self.variables.secrets {
            Secrets::Hidden => "***",
            Secrets::Read(_) => value,
        };
        Text::secret(text.to_owned(), source)
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
                None => error.help("remove it, or write the name as the file does"),
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
    use crate::spec::parser::parse;
    use crate::spec::tree::Hidden;
    use crate::spec::{Secrets, Variables};

    fn variables(given: &[(&str, &str)], environment: &[(&str, &str)]) -> Variables {
        let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Variables { given: map(given), environment: map(environment), ..Variables::default() }
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

    #[test]
    fn whatever_a_secret_variable_is_a_part_of_is_secret_wherever_its_value_comes_from() {
        let text = "vars: { T: { from_env: TOKEN }, H: \"Bearer ${T}\" }\nx: ${H}";
        for (given, environment) in
            [(&[][..], &[("TOKEN", "s3cret")][..]), (&[("T", "s3cret")], &[]), (&[], &[("T", "s3cret")])]
        {
            let variables =
                Variables { secrets: Secrets::Read(|_, _| Ok(Vec::new())), ..variables(given, environment) };
            let mut tree = parse(text).expect("YAML");
            assert!(interpolate(&mut tree, &variables).errors.is_empty());
            let x = tree.scalar(tree.get(tree.root, "x").expect("x")).expect("scalar").clone();
            let hidden = Hidden { shown: "Bearer {from_env: TOKEN}".into(), parts: vec!["s3cret".into()] };
            assert_eq!((x.text.as_str(), x.secret.as_ref()), ("Bearer s3cret", Some(&hidden)));
        }
    }

    #[test]
    fn a_secret_that_nobody_looks_at_is_stars() {
        let text = "vars: { T: { from_env: TOKEN } }\nx: ${T}\ny: { from_file: /run/secret }";
        let mut tree = parse(text).expect("YAML");
        assert!(interpolate(&mut tree, &variables(&[("T", "s3cret")], &[])).errors.is_empty());
        for key in ["x", "y"] {
            assert_eq!(tree.scalar(tree.get(tree.root, key).expect(key)).expect("scalar").text, "***");
        }
    }
}
