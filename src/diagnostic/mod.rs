//! How trouble is told: what is wrong, where in the file, why, and what to try. Floor 1.
//!
//! A [`Diagnostic`] is one piece of trouble; [`Diagnostics`] are all of one file and know how to draw themselves.

pub mod clean;
mod draw;
mod fix;
pub mod lines;
mod located;

use std::fmt;
use std::ops::Range;

pub use fix::Fix;
pub use located::Located;
use serde::Serialize;

/// More errors than this are counted but not kept: nobody reads them, and hostile files would make millions.
const KEPT: usize = 200;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The file is refused.
    Error,
    /// The file is accepted, but probably not what was meant.
    Warning,
}

/// A place of secondary interest and what is to be said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The bytes of the file.
    pub span: Range<usize>,
    /// A few words.
    pub text: String,
}

/// One piece of trouble.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub level: Level,
    /// What is wrong, in one sentence without a final full stop.
    pub message: String,
    /// The bytes of the file that are to blame; none when no place is.
    pub span: Option<Range<usize>>,
    /// A few words beside the caret.
    pub label: Option<String>,
    /// Other places that matter, such as the first of two equal keys.
    pub secondary: Vec<Label>,
    /// Why it matters.
    pub notes: Vec<String>,
    /// What to try.
    pub help: Option<String>,
    /// The same as a change of the file, where it is a simple one.
    pub fix: Option<Fix>,
}

impl Diagnostic {
    /// An error without a place yet.
    pub fn error(message: impl Into<String>) -> Self {
        Self::new(Level::Error, message.into())
    }

    /// A warning without a place yet.
    pub fn warning(message: impl Into<String>) -> Self {
        Self::new(Level::Warning, message.into())
    }

    const fn new(level: Level, message: String) -> Self {
        Self {
            level,
            message,
            span: None,
            label: None,
            secondary: Vec::new(),
            notes: Vec::new(),
            help: None,
            fix: None,
        }
    }

    /// Blames these bytes of the file.
    #[must_use]
    pub fn at(mut self, span: Range<usize>) -> Self {
        self.span = Some(span);
        self
    }

    /// Says a few words beside the caret.
    #[must_use]
    pub fn label(mut self, text: impl Into<String>) -> Self {
        self.label = Some(text.into());
        self
    }

    /// Points at another place as well.
    #[must_use]
    pub fn also(mut self, span: Range<usize>, text: impl Into<String>) -> Self {
        self.secondary.push(Label { span, text: text.into() });
        self
    }

    /// Adds why it matters.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(text.into());
        self
    }

    /// Adds what to try.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }
}

/// All the trouble with one file, and the file's text to draw it on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnostics {
    name: String,
    text: String,
    list: Vec<Diagnostic>,
    dropped: usize,
}

impl Diagnostics {
    /// No trouble yet with the file of that name and text.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into(), list: Vec::new(), dropped: 0 }
    }

    /// Adds one, unless the very same is known already.
    pub fn push(&mut self, mut diagnostic: Diagnostic) {
        diagnostic.fix = fix::promised(&self.text, &diagnostic);
        if self.is_full() {
            self.dropped += 1;
        } else if !self.list.contains(&diagnostic) {
            self.list.push(diagnostic);
        }
    }

    /// Whether further ones are only counted.
    pub fn is_full(&self) -> bool {
        self.list.len() >= KEPT
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many errors there are.
    pub fn errors(&self) -> usize {
        self.dropped + self.count(Level::Error)
    }

    /// How many warnings there are.
    pub fn warnings(&self) -> usize {
        self.count(Level::Warning)
    }

    fn count(&self, level: Level) -> usize {
        self.list.iter().filter(|diagnostic| diagnostic.level == level).count()
    }

    /// Each of them, in the order of the file once [sorted](Self::sort).
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.list.iter()
    }

    /// Says more about each of them.
    pub fn amend(&mut self, amend: impl FnMut(&mut Diagnostic)) {
        self.list.iter_mut().for_each(amend);
    }

    /// Takes those of the same file in.
    pub fn extend(&mut self, others: impl IntoIterator<Item = Diagnostic>) {
        others.into_iter().for_each(|other| self.push(other));
        self.sort();
    }

    /// Each of them with its line and column, for machines.
    pub fn located(&self) -> Vec<Located> {
        self.list.iter().map(|diagnostic| Located::of(&self.text, diagnostic)).collect()
    }

    /// Forgets the warnings: beside errors they only distract.
    pub fn forget_warnings(&mut self) {
        self.list.retain(|diagnostic| diagnostic.level == Level::Error);
    }

    /// Puts them in the order of the file.
    pub fn sort(&mut self) {
        self.list.sort_by_key(|diagnostic| diagnostic.span.as_ref().map_or((0, 0), |span| (span.start, span.end)));
    }

    /// All of them as text for people, in the manner of rustc; the first twenty in full. Ends with a line break
    /// unless there is nothing to say.
    pub fn render(&self, color: bool) -> String {
        draw::all(&self.name, &self.text, &self.list, self.dropped, color)
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}
