//! What policies forbid, word for word: `tests/policy/NAME.yaml` holds a policy, `---` and an experiment, `NAME.txt` the
//! message. `UPDATE=1 cargo test --test cli policy` writes the messages anew; read them before committing them. With a
//! first line `# run` the experiment is run, else it is validated. And: nothing that a user says loosens a policy.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::support::{Done, Invocation, Sandbox, repository, skip};

/// Fewer files mean that some were lost.
const AT_LEAST: usize = 40;

fn folder() -> PathBuf {
    repository().join("tests/policy")
}

fn names(ending: &str) -> BTreeSet<String> {
    let files = std::fs::read_dir(folder()).expect("tests/policy").map(|file| file.expect("an entry").path());
    let ours = files.filter(|path| path.extension().is_some_and(|extension| extension == ending));
    ours.map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned()).collect()
}

/// What differs from machine to machine is made the same everywhere.
fn message(name: &str) -> String {
    let text = std::fs::read_to_string(folder().join(format!("{name}.yaml"))).expect("reads");
    let (policy, experiment) = text.split_once("---\n").expect("a policy and an experiment");
    let sandbox = Sandbox::new();
    sandbox.write("policy.yaml", policy);
    sandbox.write("experiment.yaml", experiment);
    let verb = if policy.starts_with("# run") { "run" } else { "validate" };
    let before = sandbox.files();
    let done = sandbox.chaos([verb, "experiment.yaml", "--policy", "policy.yaml"]).done().exits(2).says_nothing();
    assert_eq!(sandbox.files(), before, "{done}");
    let told = done.stderr.replace("1 of 1 files cannot be run\n", "");
    with_digest_hidden(&told).replace(&format!("as user {}", rustix::process::geteuid().as_raw()), "as user UID")
}

fn with_digest_hidden(text: &str) -> String {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_hexdigit).count();
    let mut parts = text.split("sha256:");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str("sha256:");
        out.push_str(if digits(part) == 64 { "DIGEST" } else { "" });
        out.push_str(if digits(part) == 64 { &part[64..] } else { part });
    }
    out
}

#[test]
fn every_forbidden_experiment_is_told_which_rule_forbids_it_word_for_word() {
    let files = names("yaml");
    assert!(files.len() >= AT_LEAST, "only {} files in tests/policy", files.len());
    if std::env::var_os("UPDATE").is_some() {
        for name in &files {
            #[expect(clippy::disallowed_methods, reason = "the bless of a test writes into the source tree")]
            std::fs::write(folder().join(format!("{name}.txt")), message(name)).expect("writes");
        }
    }
    assert_eq!(files, names("txt"), "each .yaml has its .txt, and each .txt its .yaml");
    let expected = |name: &str| std::fs::read_to_string(folder().join(format!("{name}.txt"))).expect("a message");
    let wrong: Vec<String> = files
        .iter()
        .map(|name| (name, expected(name), message(name)))
        .filter(|(_, expected, told)| expected != told)
        .map(|(name, expected, told)| format!("--- {name}.txt\n{expected}\n--- but it says\n{told}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_refusal_names_the_rule_and_its_line() {
    for name in names("txt").iter().filter(|name| !name.starts_with("policy_")) {
        let told = std::fs::read_to_string(folder().join(format!("{name}.txt"))).expect("a message");
        for one in told.split("error: ").skip(1) {
            let named = one.contains("forbidden by policy.yaml:") || one.contains("built in: ");
            assert!(named, "{name}: {one}");
        }
    }
}

const CALM: &str = "\
name: ${NAME:-within the policy}
steady_state:
  - { name: load, probe: host, measure: load, rate: 10/s, expect: [value <= 100000] }
faults:
  - { name: busy, fault: cpu.stress, target: { host: local }, load: \"${LOAD:-10%}\", cores: 1, duration: 1s }
blast_radius: { duration: 1s }
stop_conditions: [load.value > 200000]
baseline: 1s
recovery: { within: 5s }
";

/// As `validate`, with these policies.
fn judged(policies: &[&str], experiment: &str) -> Done {
    let sandbox = Sandbox::new();
    sandbox.write("experiment.yaml", experiment);
    let mut words = vec!["validate".to_owned(), "experiment.yaml".to_owned()];
    for (place, policy) in policies.iter().enumerate() {
        let name = format!("policy-{place}.yaml");
        sandbox.write(&name, policy);
        words.extend(["--policy".to_owned(), name]);
    }
    sandbox.chaos(words).done()
}

#[test]
fn what_is_within_all_policies_is_let_through() {
    judged(&["allow_faults: [cpu.*]\nat_most: { load: 10%, cores: 1 }\nmax_duration: 1s\n"], CALM).exits(0);
    let generous =
        "allow_faults: [\"*\"]\nallow_listen: [127.0.0.0/8]\nrequire_stop_conditions: true\nmin_baseline: 1s\n";
    judged(&[generous, "windows: [{ from: 00:00, to: 24:00 }]\nforbid_irreversible: true\n"], CALM).exits(0);
}

#[test]
fn policies_intersect_in_any_order() {
    let (wide, narrow) = ("allow_faults: [\"*\"]\nat_most: { load: 100% }\n", "at_most: { load: 5% }\n");
    for policies in [[wide, narrow], [narrow, wide]] {
        judged(&policies, CALM).exits(2).complains("`load` of 10% is more than 5%");
    }
    let disjoint = ["allow_faults: [network.*]\n", "allow_faults: [cpu.*]\n"];
    judged(&disjoint, CALM).exits(2).complains("forbidden by policy-0.yaml:1: `allow_faults`");
}

#[test]
fn the_digest_is_the_same_for_the_same_plan_and_another_for_another() {
    let sandbox = Sandbox::new();
    sandbox.write("a.yaml", CALM);
    sandbox.write("b/other-name.yaml", CALM);
    let digest = |words: &[&str]| {
        let json = sandbox.chaos(["plan", "--output", "json"].iter().chain(words)).done().exits(0).json();
        let digest = json["digest"].as_str().expect("a digest").to_owned();
        sandbox.chaos(["plan"].iter().chain(words)).done().exits(0).says(&format!("digest: {digest}"));
        digest
    };
    let first = digest(&["a.yaml"]);
    assert_eq!(first, digest(&["b/other-name.yaml"]));
    assert_ne!(first, digest(&["a.yaml", "--var", "LOAD=11%"]));
    assert_ne!(first, digest(&["a.yaml", "--var", "NAME=other"]));
}

#[test]
fn only_the_approved_plan_is_run() {
    let sandbox = Sandbox::new();
    sandbox.write("a.yaml", CALM);
    sandbox.write("policy.yaml", "require_approval: true\n");
    let digest = sandbox.chaos(["plan", "a.yaml", "--output", "json"]).done().json()["digest"].clone();
    let digest = digest.as_str().expect("a digest");
    let run = |words: &[&str]| {
        sandbox.chaos(["run", "a.yaml", "--approve", digest, "--policy", "policy.yaml"].iter().chain(words))
    };
    let before = sandbox.files();
    let changed = run(&["--var", "LOAD=90%"]).done().exits(2).says_nothing();
    changed.complains("this is not the plan that was approved").complains(&format!("--approve {digest}"));
    sandbox.chaos(["run", "a.yaml", "--approve", "sha256:12"]).done().exits(2).complains("as `chaos plan` prints it");
    assert_eq!(sandbox.files(), before);
    // The load of this machine decides how it ends; that it was run is what counts.
    let done = run(&["--quiet"]).in_company(crate::slots::Company::SideBySide).done();
    assert!(done.stdout.contains("within the policy") && done.code != Some(2), "{done}");
}

#[test]
fn closed_windows_and_strange_control_groups_are_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("a.yaml", CALM);
    sandbox.write("closed.yaml", "description: never\nwindows: []\n");
    let done = sandbox.chaos(["run", "a.yaml", "--policy", "closed.yaml"]).done().exits(2).says_nothing();
    done.complains("faults are not allowed now (").complains("forbidden by closed.yaml:2: `windows`");
    sandbox.chaos(["plan", "a.yaml", "--policy", "closed.yaml"]).done().exits(0);
    sandbox.write("services.yaml", format!("services: [{{ name: demo, command: [sleep, \"600\"] }}]\n{CALM}"));
    sandbox.write("groups.yaml", "allow_cgroups: [/no/such/group/*]\n");
    let done = sandbox.chaos(["validate", "services.yaml", "--policy", "groups.yaml"]).done().exits(2);
    done.complains("the service `demo` would run in the control group /").complains("groups.yaml:1: `allow_cgroups`");
}

/// A private view of the machine in which these are the files of /etc/chaos.
struct Machine {
    sandbox: Sandbox,
}

impl Machine {
    /// None where that cannot be made: it needs root.
    fn with(test: &str, policies: &[(&str, &str)]) -> Option<Self> {
        let sandbox = Sandbox::new();
        for (name, text) in policies {
            sandbox.write(&format!("policies/{name}"), text);
        }
        let made = sandbox.program("unshare", ["-m", "mount", "-t", "tmpfs", "none", "/mnt"]).start().0.wait();
        if made.is_ok_and(|status| status.success()) {
            return Some(Self { sandbox });
        }
        skip(test, "a private view of /etc needs root");
        None
    }

    /// `chaos` there; `change` is a script that runs before it.
    fn chaos(&self, change: &str, words: &[&str]) -> Invocation {
        let script = format!(
            "mount -t tmpfs -o mode=755 none /etc && mkdir -m 755 /etc/chaos && cp -r policies/. /etc/chaos/ && \
             chmod -R go-w /etc/chaos && {{ {change}; }} && exec \"$0\" \"$@\""
        );
        let all = ["-m", "sh", "-c", &script, crate::binary::chaos()];
        self.sandbox.program("unshare", all.iter().chain(words))
    }
}

#[test]
fn a_policy_of_the_machine_holds_without_being_named_and_nothing_a_user_says_loosens_it() {
    let policy = "allow_faults: [cpu.*]\nat_most: { load: 5% }\nrequire_approval: true\n";
    let Some(machine) = Machine::with("nothing loosens a policy", &[("policy.yaml", policy)]) else { return };
    machine.sandbox.write("a.yaml", CALM);
    machine.sandbox.write("wide.yaml", "allow_faults: [\"*\"]\nat_most: { load: 100% }\nrequire_approval: false\n");
    let everything = "policy: none\npolicies: []\nno_policy: true\n";
    machine.sandbox.write("keys.yaml", format!("{everything}{CALM}"));
    machine.sandbox.write("consent.yaml", format!("allow_irreversible: true\n{CALM}"));
    machine.sandbox.write("home/.config/chaos/policy.yaml", "allow_faults: [\"*\"]\n");
    let by_rule = "/etc/chaos/policy.yaml:2: `at_most.load`";
    for words in [
        &["run", "a.yaml"][..],
        &["run", "a.yaml", "--dry-run"],
        &["run", "a.yaml", "--quiet"],
        &["run", "a.yaml", "--policy", "wide.yaml"],
        &["run", "a.yaml", "--state-dir", "elsewhere", "--seed", "1"],
        &["run", "a.yaml", "--var", "LOAD=90%"],
        &["run", "consent.yaml"],
        &["plan", "a.yaml", "--policy", "wide.yaml"],
        &["validate", "a.yaml"],
    ] {
        machine.chaos("true", words).done().exits(2).says_nothing().complains(by_rule);
    }
    let environment =
        ["CHAOS_POLICY", "CHAOS_POLICY_DIR", "CHAOS_ETC", "CHAOS_CONFIG", "XDG_CONFIG_HOME", "HOME", "LOAD"];
    let home = machine.sandbox.path("home").display().to_string();
    for name in environment {
        let value = if name == "LOAD" { "90%" } else { home.as_str() };
        machine.chaos("true", &["run", "a.yaml"]).env(name, value).done().exits(2).complains(by_rule);
    }
    machine.chaos("true", &["run", "keys.yaml"]).done().exits(2).complains("unknown key `policy`");
    for flag in ["--no-policy", "--force", "--ignore-policy"] {
        machine.chaos("true", &["run", "a.yaml", flag]).done().exits(2).complains("unexpected argument");
    }
    let within = ["plan", "a.yaml", "--var", "LOAD=5%"];
    machine.chaos("true", &within).done().exits(0).says("digest: sha256:");
    let run = ["run", "a.yaml", "--var", "LOAD=5%"];
    machine.chaos("true", &run).done().exits(2).complains("/etc/chaos/policy.yaml:3: `require_approval`");
}

#[test]
fn a_policy_of_the_machine_that_cannot_be_relied_on_stops_everything() {
    let policies = [("policy.yaml", "max_duration: 10m\n"), ("policy.d/10-team.yaml", "max_duration: 10m\n")];
    let Some(machine) = Machine::with("a policy that cannot be relied on", &policies) else { return };
    machine.sandbox.write("a.yaml", CALM);
    let cases = [
        ("chmod g+w /etc/chaos/policy.yaml", "its group may write to it"),
        ("chmod o+w /etc/chaos/policy.d/10-team.yaml", "everyone may write to it"),
        ("chown 65534 /etc/chaos/policy.yaml", "not owned by user 0 but by user 65534"),
        ("chown 65534 /etc/chaos", "not owned by user 0 but by user 65534"),
        ("chmod o+w /etc/chaos/policy.d", "everyone may write to it"),
        ("mv /etc/chaos/policy.yaml /etc/chaos/x; ln -s x /etc/chaos/policy.yaml", "it is a link"),
        ("mv /etc/chaos/policy.d/10-team.yaml /etc/chaos/policy.d/team.yml", "rename it to .yaml"),
        ("echo 'max_duraton: 1s' > /etc/chaos/policy.d/10-team.yaml", "did you mean `max_duration`?"),
        (
            "echo 'max_duration: 1ms' > /etc/chaos/policy.d/10-team.yaml",
            "/etc/chaos/policy.d/10-team.yaml:1: `max_duration`",
        ),
        ("rm -r /etc/chaos/policy.d; touch /etc/chaos/policy.d", "it is no folder"),
    ];
    machine.chaos("true", &["validate", "a.yaml"]).done().exits(0);
    for (change, part) in cases {
        for verb in ["validate", "plan", "run"] {
            machine.chaos(change, &[verb, "a.yaml"]).done().exits(2).complains(part);
        }
    }
}

#[test]
fn only_a_policy_of_the_machine_lets_a_socket_bind_to_the_outside() {
    let policies = [("policy.yaml", "allow_listen: [127.0.0.0/8, 0.0.0.0]\n")];
    let Some(machine) = Machine::with("sockets to the outside", &policies) else { return };
    let proxy = "proxies: [{ name: p, listen: 0.0.0.0:9102, upstream: 127.0.0.1:9002 }]\n";
    machine.sandbox.write("a.yaml", format!("{proxy}{CALM}"));
    machine.sandbox.write("loopback.yaml", "allow_listen: [127.0.0.0/8]\n");
    machine.chaos("true", &["validate", "a.yaml"]).done().exits(0);
    let narrowed = machine.chaos("true", &["validate", "a.yaml", "--policy", "loopback.yaml"]).done().exits(2);
    narrowed.complains("forbidden by loopback.yaml:1: `allow_listen`");
    machine.sandbox.write("b.yaml", format!("{}{CALM}", proxy.replace("0.0.0.0:", "10.0.0.1:")));
    machine.chaos("true", &["validate", "b.yaml"]).done().exits(2).complains("can be reached from outside");
}

#[test]
fn a_folder_that_is_swapped_for_a_link_after_it_was_judged_is_not_written_to() {
    let sandbox = Sandbox::new();
    sandbox.write("data/keep", "");
    sandbox.write("elsewhere/keep", "");
    let fault = "  - { name: disk, fault: disk.stress, target: { host: local }, path: data, iops: 50/s, file_size: 1MiB, start: 1s, duration: 1s }\n";
    let (before, _) = CALM.split_once("faults:\n").expect("faults");
    let text =
        format!("{before}faults:\n{fault}blast_radius: {{ duration: 3s }}\nbaseline: 1s\nrecovery: {{ within: 2s }}\n");
    sandbox.write("a.yaml", text);
    // Allowed where it was judged, and only there.
    let folder = sandbox.path("data").canonicalize().expect("is there");
    sandbox.write("policy.yaml", format!("allow_paths: [{}]\n", folder.display()));
    let mut run = sandbox
        .chaos(["run", "a.yaml", "--policy", "policy.yaml"])
        .in_company(crate::slots::Company::SideBySide)
        .start();
    while !sandbox.files().contains("state/chaos/runs/events.jsonl") {
        assert!(run.0.try_wait().expect("a process").is_none(), "it ended before it began");
        crate::slots::pause();
    }
    std::fs::rename(sandbox.path("data"), sandbox.path("moved")).expect("moves");
    std::os::unix::fs::symlink(sandbox.path("elsewhere"), sandbox.path("data")).expect("links");
    let status = run.0.wait().expect("ends");
    let failed: Vec<_> = sandbox.events().into_iter().filter(|event| event["event"] == "fault_failed").collect();
    assert_eq!((status.code(), failed.len()), (Some(6), 1), "{:?}", sandbox.events().last());
    let why = failed[0]["why"].as_str().expect("why");
    assert!(why.contains("data is a link now: it was swapped"), "{why}");
    sandbox.assert_nothing_is_left(&[]);
}
