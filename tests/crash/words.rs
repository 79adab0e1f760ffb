//! The words that `cargo test` and `cargo nextest` say to a suite.

/// What was asked for.
#[derive(Debug, Default)]
pub struct Words {
    pub list: bool,
    ignored: bool,
    exact: bool,
    names: Vec<String>,
}

impl Words {
    pub fn of(all: &[String]) -> Self {
        let mut words = Self::default();
        let mut all = all.iter();
        while let Some(word) = all.next() {
            match word.as_str() {
                "--list" => words.list = true,
                "--ignored" => words.ignored = true,
                "--exact" => words.exact = true,
                // These come with a value that does not matter here.
                "--format" | "--test-threads" | "--color" | "--skip" => drop(all.next()),
                other if other.starts_with('-') => {}
                name => words.names.push(name.to_owned()),
            }
        }
        words
    }

    /// No mode is ignored; without a name all are wanted.
    pub fn want(&self, mode: &str) -> bool {
        let named = |name: &String| if self.exact { mode == name } else { mode.contains(name.as_str()) };
        !self.ignored && (self.names.is_empty() || self.names.iter().any(named))
    }
}
