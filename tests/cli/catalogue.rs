//! `chaos faults` and `chaos probes`. That every example is read is tested beside them; here they are run past the door.

use chaos::model::fault::FaultKind;
use chaos::model::probe::ProbeKind;

use crate::support::Sandbox;

#[test]
fn every_fault_and_every_probe_is_listed() {
    let sandbox = Sandbox::new();
    for (verb, words) in [("faults", &FaultKind::WORDS[..]), ("probes", &ProbeKind::WORDS[..])] {
        let done = sandbox.chaos([verb]).done().exits(0).complains_of_nothing();
        let first: Vec<&str> = done.stdout.lines().filter_map(|line| line.split_whitespace().next()).collect();
        assert!(words.iter().all(|word| first.contains(word)), "{done}");
        assert!(done.stdout.lines().all(|line| line.chars().count() <= 80), "{done}");
        let listed = sandbox.chaos([verb, "--output", "json"]).done().exits(0).json();
        let listed: Vec<&str> =
            listed[verb].as_array().expect(verb).iter().filter_map(|one| one["word"].as_str()).collect();
        assert_eq!(listed, words);
    }
}

#[test]
fn one_fault_tells_everything_and_its_example_is_valid() {
    let sandbox = Sandbox::new();
    let done = sandbox.chaos(["faults", "network.latency"]).done().exits(0).complains_of_nothing();
    for part in ["the toxic is taken off", "delay How much later on average", "a time with its unit", "{ proxy: NAME }"]
    {
        assert!(done.stdout.split_whitespace().collect::<Vec<_>>().join(" ").contains(part), "no `{part}` in {done}");
    }
    for verb in ["faults", "probes"] {
        let all = sandbox.chaos([verb, "--output", "json"]).done().exits(0).json();
        for one in all[verb].as_array().expect(verb) {
            let word = one["word"].as_str().expect("a word");
            sandbox.write(&format!("{verb}/{word}.yaml"), one["example"].as_str().expect("an example"));
        }
        sandbox.chaos(["validate", verb]).done().exits(0).complains_of_nothing();
    }
}

#[test]
fn a_family_is_listed_and_a_slip_is_recognised() {
    let sandbox = Sandbox::new();
    for family in ["network", "network.", "network.*"] {
        sandbox.chaos(["faults", family]).done().exits(0).says("network.slow_close").never_says("http.error");
    }
    sandbox
        .chaos(["faults", "netwrok.latency"])
        .done()
        .exits(2)
        .says_nothing()
        .complains("did you mean `network.latency`?");
    sandbox.chaos(["probes", "https"]).done().exits(2).says_nothing().complains("did you mean `http`?");
    sandbox.chaos(["probes", "kubernetes"]).done().exits(2).complains("there is no probe `kubernetes`");
}
