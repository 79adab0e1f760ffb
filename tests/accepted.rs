//! Files that must be accepted: those of `tests/accepted` and of `experiments`, and what they mean.

use std::path::{Path, PathBuf};

use chaos::model::expectation::{Metric, Subject};
use chaos::model::experiment::{Experiment, Protocol, Scope};
use chaos::model::fault::{Amount, FaultKind, Target};
use chaos::model::probe::ProbeKind;
use chaos::model::secret::Secret;
use chaos::model::units::{Share, Timespan};
use chaos::spec::{Read, Variables, read_bytes};

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files() -> Vec<PathBuf> {
    let folders = ["tests/accepted", "experiments"].map(|folder| here().join(folder));
    let entries = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten();
    let paths = entries.map(|entry| entry.expect("entry").path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).collect()
}

fn accept(path: &Path) -> Read {
    let bytes = std::fs::read(path).expect("file");
    let name = path.strip_prefix(here()).unwrap_or(path).display().to_string();
    read_bytes(&name, &bytes, &Variables::default()).unwrap_or_else(|told| panic!("{told}"))
}

fn experiment(name: &str) -> Experiment {
    accept(&here().join("tests/accepted").join(name)).experiment
}

#[test]
fn every_valid_file_is_accepted_without_a_warning_of_ours() {
    let files = files();
    assert!(files.len() >= 4, "files were lost: {files:?}");
    for path in files {
        let warnings = accept(&path).warnings;
        assert_eq!(warnings.errors(), 0, "{warnings}");
        assert!(warnings.is_empty() || path.ends_with("smallest.yaml"), "{warnings}");
    }
}

#[test]
fn the_example_of_the_design_means_what_it_says() {
    let it = experiment("design.yaml");
    assert_eq!(it.name, "answers keep flowing when the generator is slow");
    assert_eq!(it.tags, ["demo", "latency"]);
    assert_eq!(it.services[0].command, ["chaos", "demo", "--generator", "127.0.0.1:9102"]);
    assert_eq!(it.services[0].ready.as_deref(), Some("http://127.0.0.1:8080/health"));
    assert_eq!((it.proxies[0].listen.port(), it.proxies[0].upstream.as_str()), (9102, "127.0.0.1:9002"));
    assert_eq!(it.proxies[0].protocol, Protocol::Tcp);
    let ProbeKind::Http(ask) = &it.steady_state[0].kind else { panic!("{:?}", it.steady_state[0]) };
    assert_eq!(ask.url, "http://127.0.0.1:8080/ask?q=chaos");
    assert_eq!((it.steady_state[0].interval, it.steady_state[0].timeout), (Timespan::millis(20), Timespan::seconds(1)));
    assert_eq!(it.steady_state[0].expect[1].metric, Metric::Quantile(0.95));
    assert_eq!(it.steady_state[1].expect[0].text, "value within 5 of 10");
    let FaultKind::NetworkLatency(slow) = &it.faults[0].kind else { panic!("{:?}", it.faults[0]) };
    assert_eq!((slow.delay, slow.jitter, slow.share), (Timespan::millis(400), Timespan::millis(50), None));
    assert_eq!(it.faults[0].target, Target::Proxy("generator".into()));
    assert_eq!((it.faults[0].start, it.faults[0].duration), (Timespan::ZERO, Timespan::seconds(20)));
    assert_eq!((it.blast_radius.scope, it.blast_radius.traffic), (Scope::SingleInstance, Share(0.5)));
    assert_eq!(it.blast_radius.max_affected_users, Some(100));
    assert_eq!(it.stop_conditions[1].hold, Some(Timespan::seconds(3)));
    assert_eq!(it.stop_conditions[1].subject, Subject::Probe { probe: 0, metric: Metric::Quantile(0.99) });
    assert_eq!(it.stop_conditions[2].subject, Subject::AffectedUsers);
    assert_eq!((it.baseline, it.recovery.within), (Timespan::seconds(10), Timespan::seconds(30)));
    assert!(!it.allow_irreversible);
}

#[test]
fn what_is_not_said_has_its_default() {
    let it = experiment("smallest.yaml");
    assert_eq!((it.baseline, it.recovery.within), (Timespan::seconds(10), Timespan::seconds(30)));
    assert_eq!((it.blast_radius.duration, it.blast_radius.traffic), (Timespan::seconds(60), Share::ALL));
    assert_eq!(
        (it.steady_state[0].interval, it.steady_state[0].timeout),
        (Timespan::millis(100), Timespan::seconds(2))
    );
    assert!(it.faults.is_empty() && it.services.is_empty() && it.proxies.is_empty());
}

#[test]
fn every_key_reaches_the_experiment() {
    let it = experiment("everything.yaml");
    assert_eq!(it.tags, ["all", "2", "three"]);
    assert_eq!(it.services[0].env.get("EMPTY").map(Secret::reveal), Some(""));
    let protocols: Vec<Protocol> = it.proxies.iter().map(|proxy| proxy.protocol).collect();
    assert_eq!(protocols, [Protocol::Tcp, Protocol::Http, Protocol::Http]);
    let ProbeKind::Http(ask) = &it.steady_state[0].kind else { panic!("{:?}", it.steady_state[0]) };
    assert_eq!(ask.body.as_ref().map(Secret::reveal), Some(r#"{"q": "$5"}"#));
    assert_eq!(ask.headers["authorization"].reveal(), "Bearer none");
    let ProbeKind::Http(again) = &it.steady_state[1].kind else { panic!("{:?}", it.steady_state[1]) };
    assert_eq!((again.status.as_slice(), again.method.as_str()), ([204].as_slice(), "POST"));
    assert_eq!(it.faults[1].name, "http.error");
    assert_eq!(it.faults[1].end(), Timespan::seconds(40), "the window begins with the first fault");
    let FaultKind::HttpError(error) = &it.faults[1].kind else { panic!("{:?}", it.faults[1]) };
    assert_eq!(error.headers["retry-after"], "5");
    let only: Vec<String> = it.faults[1..8].iter().map(|fault| fault.kind.only().expect("HTTP").to_string()).collect();
    let to = [" to /api/*", " by GET or HEAD", " with x-tenant", "", " by POST", " with x-tenant: beta*", " to *.iso"];
    assert_eq!(only, to);
    let FaultKind::MemoryStress(half) = &it.faults[9].kind else { panic!("{:?}", it.faults[9]) };
    assert_eq!(half.size, Amount::Available(Share(0.5)));
    assert_eq!(it.blast_radius.scope, Scope::Count(2));
    assert!(it.allow_irreversible && it.services[0].restart);
}

#[test]
fn what_was_read_survives_being_written_as_json() {
    for path in files() {
        let it = accept(&path).experiment;
        let json = serde_json::to_string(&it).expect("writes");
        let mut back: Experiment = serde_json::from_str(&json).expect("reads");
        // Headers and the environments of services are secrets, which are never written.
        for (back, it) in back.services.iter_mut().zip(&it.services) {
            back.env.clone_from(&it.env);
        }
        for (back, it) in back.steady_state.iter_mut().zip(&it.steady_state) {
            if let (ProbeKind::Http(back), ProbeKind::Http(it)) = (&mut back.kind, &it.kind) {
                back.headers.clone_from(&it.headers);
                back.body.clone_from(&it.body);
            }
        }
        assert_eq!(back, it, "{}", path.display());
    }
}
