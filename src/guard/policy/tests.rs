use std::path::PathBuf;

use super::{ProcessPlace, Purpose, Refusal, Request, Surroundings, hits, judge};
use crate::model::experiment::Experiment;
use crate::model::fault::{Amount, DiskStress, FaultKind, FaultSpec, MemoryStress, Target};
use crate::model::policy::{DoseLimit, Policy, Quantity, Rule};
use crate::model::profile::Profile;
use crate::model::step::{Act, Check, Job, Step, Undo};
use crate::model::testing;
use crate::model::units::{Bytes, Rate, Share, Timespan};

fn fault(kind: FaultKind) -> FaultSpec {
    FaultSpec { name: "f".into(), kind, target: Target::Host, start: Timespan::ZERO, duration: Timespan::seconds(1) }
}

fn with(kind: FaultKind) -> Experiment {
    Experiment { faults: vec![fault(kind)], ..testing::experiment() }
}

fn quarter() -> Experiment {
    with(FaultKind::MemoryStress(MemoryStress {
        size: Amount::Available(Share(0.25)),
        leave_free: Bytes(64 << 20),
        profile: Profile::Constant,
    }))
}

fn step(apply: Act, undo: Undo) -> Vec<Vec<Step>> {
    vec![vec![Step { apply, undo, verify: Check::Nothing }]]
}

fn worker(job: Job) -> Vec<Vec<Step>> {
    step(Act::StartWorker { worker: "f".into(), job, beside: None }, Undo::StopWorker { worker: "f".into() })
}

fn judged(experiment: &Experiment, steps: &[Vec<Step>], around: &Surroundings, policy: Policy) -> Vec<Refusal> {
    let purpose = Purpose::Run { approved: None };
    judge(&Request { experiment, steps, digest: "sha256:00", purpose, surroundings: around }, &[policy])
}

fn policy() -> Policy {
    Policy { file: "policy.yaml".into(), ..Policy::default() }
}

fn at_most(setting: &str, limit: &str) -> Policy {
    let limit: Quantity = limit.parse().expect("a quantity");
    Policy { at_most: vec![DoseLimit { setting: setting.into(), limit, line: 4 }], ..policy() }
}

#[test]
fn a_share_is_judged_by_the_amount_that_it_becomes() {
    let steps = worker(Job::Memory { size: Bytes(2 << 30), leave_free: Bytes(64 << 20), profile: Profile::Constant });
    let judged = |limit: &str| judged(&quarter(), &steps, &Surroundings::default(), at_most("size", limit));
    assert!(judged("2GiB").is_empty());
    let refused = judged("1GiB");
    assert_eq!(
        (refused[0].message.as_str(), refused[0].place.as_str()),
        ("`size` of 2GiB is more than 1GiB", "faults[0].size")
    );
    assert_eq!(refused[0].rule, "policy.yaml:4: `at_most.size`");
    assert!(judged("20%")[0].message.contains("25% is more than 20%"));
}

#[test]
fn a_dose_that_cannot_be_compared_is_refused() {
    let refused = judged(&quarter(), &[Vec::new()], &Surroundings::default(), at_most("size", "1GiB"));
    assert!(refused[0].message.contains("cannot be told"), "{refused:?}");
    let other = judged(&quarter(), &[Vec::new()], &Surroundings::default(), at_most("load", "1%"));
    assert!(other.is_empty(), "a fault without that setting is not meant");
}

#[test]
fn cores_that_the_file_does_not_name_are_counted_in_the_step() {
    let cpu = crate::model::fault::CpuStress { load: Share(0.5), cores: None, profile: Profile::Constant };
    let steps = worker(Job::Cpu { load: Share(0.5), cores: vec![0, 1, 2], profile: Profile::Constant });
    let refused = judged(&with(FaultKind::CpuStress(cpu)), &steps, &Surroundings::default(), at_most("cores", "2"));
    assert_eq!(refused[0].message, "`cores` of 3 is more than 2");
}

#[test]
fn what_cannot_be_undone_needs_consent_and_a_policy_overrules_it() {
    let act = Act::Kill { whom: crate::model::testing::whom("demo"), signal: Default::default() };
    let steps = step(act, Undo::None { because: "it is not ours".into() });
    let experiment = quarter();
    let refused = judged(&experiment, &steps, &Surroundings::default(), policy());
    assert!(refused[0].message.ends_with("it is not ours") && refused[0].rule.starts_with("built in"), "{refused:?}");
    let consenting = Experiment { allow_irreversible: true, ..experiment };
    assert!(judged(&consenting, &steps, &Surroundings::default(), policy()).is_empty());
    let strict = Policy { forbid_irreversible: Some(Rule { value: true, line: 2 }), ..policy() };
    let refused = judged(&consenting, &steps, &Surroundings::default(), strict);
    assert_eq!(refused[0].rule, "policy.yaml:2: `forbid_irreversible`");
}

fn disk(path: &str) -> Experiment {
    with(FaultKind::DiskStress(DiskStress {
        path: path.into(),
        iops: Some(Rate(1.0)),
        bandwidth: None,
        block_size: Bytes(4096),
        read: Share(0.0),
        file_size: Bytes(1 << 20),
        profile: Profile::Constant,
    }))
}

/// Where `faults[0].path` leads.
fn leads_to(path: &str) -> Surroundings {
    Surroundings {
        folders: [("faults[0].path".to_owned(), Some(PathBuf::from(path)))].into(),
        ..Surroundings::default()
    }
}

#[test]
fn a_path_is_judged_by_where_it_leads() {
    let below = |path: &str| Policy { allow_paths: Some(Rule { value: vec![path.into()], line: 1 }), ..policy() };
    assert!(judged(&disk("/tmp/link"), &[], &leads_to("/data/x"), below("/data")).is_empty());
    let refused = judged(&disk("/data/link"), &[], &leads_to("/var/lib/db"), below("/data"));
    assert!(refused[0].message.contains("/data/link (/var/lib/db)"), "{refused:?}");
    assert_eq!(judged(&disk("/data2"), &[], &leads_to("/data2"), below("/data")).len(), 1, "not by its letters");
    for protected in ["/proc/1", "/sys", "/boot/efi", "/dev"] {
        assert_eq!(judged(&disk("/tmp/link"), &[], &leads_to(protected), policy()).len(), 1, "{protected}");
    }
    assert!(judged(&disk("/dev/shm/x"), &[], &leads_to("/dev/shm/x"), policy()).is_empty());
    assert_eq!(judged(&disk("/x"), &[], &Surroundings::default(), below("/")).len(), 1, "where it leads is not known");
}

#[test]
fn a_process_is_judged_by_what_it_is_by_now() {
    let uids = Policy { allow_uids: Some(Rule { value: vec![1000], line: 7 }), ..policy() };
    let groups = Policy { allow_cgroups: Some(Rule { value: vec!["/app/*".into()], line: 8 }), ..policy() };
    let place =
        |uid, groups: &[&str]| ProcessPlace { uid, cgroups: groups.iter().map(|it| (*it).to_owned()).collect() };
    let policies = [uids, groups];
    assert_eq!(hits(&place(1000, &["/app/web", "/"]), &policies), Ok(()));
    for (wrong, rule) in [
        (place(0, &["/app/web"]), "policy.yaml:7: `allow_uids`"),
        (place(1000, &["/system/db"]), "policy.yaml:8: `allow_cgroups`"),
        (place(1000, &["/app/web", "/system/db"]), "policy.yaml:8"),
        (place(1000, &[]), "(unknown)"),
        (place(1000, &["/"]), "group /"),
    ] {
        let why = hits(&wrong, &policies).expect_err("refused");
        assert!(why.contains(rule), "{why}");
    }
}
