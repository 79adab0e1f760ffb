//! The experiments in `docs/examples/`, run as a reader runs them, with other ports.

use serde_json::Value;

use crate::run::{Ended, Home};

/// One of the shipped files, about to run.
pub struct Example {
    text: String,
    variables: String,
}

impl Example {
    pub fn named(name: &str) -> Self {
        let file = format!("{}/docs/examples/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(text.contains(&format!("\n#   chaos run docs/examples/{name}.yaml\n")), "{name} says how it is run");
        Self { text, variables: String::new() }
    }

    /// The environment gives a variable its value.
    pub fn with(mut self, variable: &str, value: u16) -> Self {
        assert!(self.text.contains(&format!("\n  {variable}: ")), "{variable} is a variable of the file");
        self.variables += &format!("export {variable}={value};");
        self
    }

    pub async fn run(self) -> Ended {
        let _busy = crate::busy::busy();
        let home = Home::new();
        let mut command = home.command_in_a_shell(&self.variables, &self.text);
        home.start_as(&mut command).ended().await
    }
}

/// How an expectation of a probe was judged.
pub fn result_of<'a>(ended: &'a Ended, probe: &str, expected: &str) -> &'a Value {
    let list = |value: &'a Value| value.as_array().expect("a list").iter();
    let probe = list(&ended.report["probes"]).find(|one| one["name"] == probe).expect("is a probe");
    &list(&probe["expectations"]).find(|one| one["expected"] == expected).expect("is expected")["result"]
}
