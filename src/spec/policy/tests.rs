use super::{Policy, Source, read};
use crate::model::policy::{Day, Rule, Window};

fn policy(text: &str) -> Policy {
    read(Source { name: "policy.yaml", text }, true).unwrap_or_else(|told| panic!("{told}"))
}

fn refused(text: &str) -> String {
    read(Source { name: "policy.yaml", text }, true).expect_err("refused").render(false)
}

#[test]
fn a_rule_knows_its_line() {
    let text = "description: x\nallow_faults:\n  - network.*\nat_most:\n  load: 80%\n  size: 1GiB\nallow_listen: []\n";
    let read = policy(text);
    assert_eq!(read.allow_faults, Some(Rule { value: vec!["network.*".into()], line: 2 }));
    let doses: Vec<(&str, usize)> = read.at_most.iter().map(|dose| (dose.setting.as_str(), dose.line)).collect();
    assert_eq!(doses, [("load", 5), ("size", 6)]);
    assert_eq!(read.allow_listen, Some(Rule { value: Vec::new(), line: 7 }), "an empty list is a rule");
    assert!(read.of_system && read.deny_faults.is_none());
}

#[test]
fn a_window_is_every_day_unless_it_says_which() {
    let read = policy("windows: [{ days: [mon, fri], from: \"09:00\", to: \"24:00\" }, { from: 22:30, to: 06:00 }]");
    let windows = read.windows.expect("windows").value;
    assert_eq!(windows[0], Window { days: vec![Day::Mon, Day::Fri], from: 540, to: 1440 });
    assert_eq!(windows[1], Window { days: Day::ALL.to_vec(), from: 1350, to: 360 });
}

#[test]
fn all_that_is_wrong_is_told_in_one_go() {
    let text = "allow_fault: [network.*]\ndeny_faults: [process.kil, disc.*]\nat_most: { lod: 80%, load: 80 percent }\n\
                allow_programs: [sh, /opt/../bin/sh, chaos]\nallow_uids: [app]\nallow_listen: [lo]\n\
                windows: [{ days: [monday], from: 9, to: 25:00 }, { days: [] }]\napproved_plans: [sha256:abc]\nmin_baseline:\n";
    let told = refused(text);
    for part in [
        "unknown key `allow_fault`",
        "did you mean `allow_faults`?",
        "no fault is called `process.kil`",
        "no fault is called `disc.*`",
        "no fault has a setting `lod`",
        "did you mean `load`?",
        "`80 percent` is no quantity",
        "a program is named by its full path, not `sh`",
        "not `/opt/../bin/sh`",
        "`lo` is no network",
        "cannot be `monday`",
        "`9` is no time of a day",
        "`25:00` is no time of a day",
        "no digest of a plan",
        "`min_baseline` is empty",
        "a window without days never opens",
        "policy.yaml:2:",
    ] {
        assert!(told.contains(part), "{part} is not in\n{told}");
    }
}

#[test]
fn the_example_and_the_manual_know_every_rule() {
    let example = include_str!("../../../docs/policy.example.yaml");
    let manual = include_str!("../../../docs/policy.md");
    assert_eq!(policy(example).windows.map(|windows| windows.value.len()), Some(1));
    let rules = crate::spec::decode::fields_of::<super::PolicyFile>();
    assert!(rules.len() > 20, "{rules:?}");
    for rule in rules {
        assert!(example.contains(&format!("\n{rule}:")), "{rule} is not in the example");
        assert!(manual.contains(&format!("`{rule}`")), "{rule} is not in the manual");
    }
}

#[test]
fn the_environment_has_no_say() {
    let told = refused("max_duration: ${LONGEST:-10m}");
    assert!(told.contains("`${LONGEST:-10m}` is not a time"), "{told}");
}

#[test]
fn an_empty_policy_is_a_mistake() {
    assert!(refused("# later\n").contains("this policy says nothing"));
    assert!(refused("- a\n").contains("must be a mapping"));
}
