//! YAML in documents: whole experiments, and parts of them put where they belong.

use chaos::spec::{Source, read_policy};

use crate::support::Sandbox;

/// What the documents' faults may name: the proxies `db` (TCP) and `api` (HTTP), the service `shop`, this machine.
const AROUND: &str = "\
name: an example of the documents
services:
  - { name: shop, command: [chaos, demo], ready: \"127.0.0.1:8080\" }
proxies:
  - { name: db, listen: \"127.0.0.1:9102\", upstream: \"127.0.0.1:9002\" }
  - { name: api, listen: \"127.0.0.1:9103\", upstream: \"127.0.0.1:9001\", protocol: http }
blast_radius: { duration: 60s }
baseline: 30s
recovery: { within: 15s }
";
const PROBES: &str = "  - { name: ask, probe: tcp, address: \"127.0.0.1:8080\", rate: 100/s, timeout: 1s, \
                      expect: [success_rate >= 99%] }\n";
const FAULTS: &str = "  - { fault: network.latency, target: { proxy: db }, delay: 200ms, duration: 20s }\n";

/// An experiment must be valid and without a warning.
pub fn problems_of_experiment(text: &str) -> Vec<String> {
    validate(text, &["--strict"])
}

/// Entries of `faults`.
pub fn problems_of_faults(text: &str) -> Vec<String> {
    let stop = "stop_conditions: [ask.error_rate > 20%]\n";
    validate(&format!("{AROUND}{stop}steady_state:\n{PROBES}faults:\n{}", indented(text)), &[])
}

/// Entries of `steady_state`.
pub fn problems_of_probes(text: &str) -> Vec<String> {
    validate(&format!("{AROUND}steady_state:\n{}faults:\n{FAULTS}", indented(text)), &[])
}

/// A whole policy.
pub fn problems_of_policy(text: &str) -> Vec<String> {
    read_policy(Source { name: "policy.yaml", text }, false).err().map(|told| told.render(false)).into_iter().collect()
}

/// Any YAML.
pub fn problems_of_yaml(text: &str) -> Vec<String> {
    let read = serde_yaml::from_str::<serde_yaml::Value>(text);
    read.err().map(|error| format!("this is not YAML: {error}")).into_iter().collect()
}

fn validate(text: &str, words: &[&str]) -> Vec<String> {
    let sandbox = Sandbox::new();
    sandbox.write("block.yaml", text);
    let done = sandbox.chaos(["validate", "block.yaml"]).args(words).done();
    if done.code == Some(0) { Vec::new() } else { vec![done.stderr] }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}
