//! What the schema says is what the reader does.

use serde_json::{Value, json};

use super::{common_of_faults, common_of_probes, experiment, settings_of_fault, settings_of_probe};
use crate::model::fault::FaultKind;
use crate::model::probe::ProbeKind;
use crate::spec::{Source, Variables, read};

#[test]
fn every_setting_says_what_it_is() {
    let faults = FaultKind::WORDS.into_iter().map(|word| (word, settings_of_fault(word).expect(word)));
    let probes = ProbeKind::WORDS.into_iter().map(|word| (word, settings_of_probe(word).expect(word)));
    let common = [("every fault", common_of_faults()), ("every probe", common_of_probes())];
    for (word, settings) in faults.chain(probes).chain(common) {
        for setting in settings {
            assert!(setting.about.ends_with('.'), "{word}: `{}` has no doc comment", setting.name);
            assert!(!setting.kind.is_empty() && !setting.about.contains("  "), "{word}: {setting:?}");
        }
    }
}

#[test]
fn a_setting_has_its_type_its_unit_and_its_default() {
    let settings = settings_of_fault("network.latency").expect("a fault");
    let told = |name: &str| settings.iter().find(|setting| setting.name == name).expect("a setting").clone();
    let delay = told("delay");
    assert_eq!((delay.required, delay.default), (true, None));
    assert_eq!(delay.kind, "a time with its unit, such as `200ms`");
    assert_eq!(told("jitter").default.as_deref(), Some("0s"));
    assert_eq!(told("distribution").kind, "uniform, normal, pareto");
    assert_eq!(told("stream").default.as_deref(), Some("downstream"));
    assert!(settings_of_fault("network.latencies").is_none());
}

#[test]
fn the_defaults_it_names_are_those_that_are_read() {
    let text = "name: a\nservices: [{ name: s, command: [s] }]\nsteady_state: [{ name: p, probe: tcp, address: 'a:1', \
                expect: [p50 < 1s] }]\nfaults: [{ fault: process.pause, target: { process: { service: s } } }]\n";
    let read = read(Source { name: "a", text }, &Variables::default()).expect("is right").experiment;
    let schema = experiment(&[], &[]);
    let default = |path: &[&str]| {
        let found = path.iter().fold(&schema, |schema, key| &schema["properties"][*key]);
        found["default"].clone()
    };
    fn told(value: &impl serde::Serialize) -> Value {
        serde_json::to_value(value).expect("writes")
    }
    assert_eq!(default(&["baseline"]), told(&read.baseline));
    assert_eq!(default(&["recovery", "within"]), told(&read.recovery.within));
    assert_eq!(default(&["blast_radius", "duration"]), json!("60s"));
    assert_eq!(read.blast_radius.duration, "60s".parse().expect("a time"));
    assert_eq!(default(&["blast_radius", "scope"]), told(&read.blast_radius.scope));
    assert_eq!(default(&["blast_radius", "traffic"]), told(&read.blast_radius.traffic));
    assert_eq!(default(&["allow_irreversible"]), told(&read.allow_irreversible));
    let service = &schema["properties"]["services"]["items"]["properties"];
    assert_eq!(service["ready_within"]["default"], told(&read.services[0].ready_within));
    assert_eq!(service["restart"]["default"], told(&read.services[0].restart));
    let probe = &schema["properties"]["steady_state"]["items"]["properties"];
    assert_eq!(probe["timeout"]["default"], told(&read.steady_state[0].timeout));
    assert_eq!(probe["on_no_data"]["default"], told(&read.steady_state[0].on_no_data));
    assert_eq!(schema["properties"]["faults"]["items"]["properties"]["start"]["default"], told(&read.faults[0].start));
}
