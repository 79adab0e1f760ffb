//! Secrets planted in every place that takes them, runs that end in every way there is, and then nobody finds one: not in
//! the state folder, not on the streams, not in reports, plans or logs, nor encoded.

use std::path::Path;

use crate::experiments::Ports;
use crate::slots::Company;
use crate::support::{Done, Sandbox};

const SECRET: &str = "kHx7/Zq+w&2=Vt%9-Lm";

/// As it is, in base64 at each of the three places in a group, and as a part of a URL.
const FORMS: [&str; 6] = [
    SECRET,
    "a0h4Ny9acSt3JjI9VnQlOS1M",
    "tIeDcvWnErdyYyPVZ0JTktTG",
    "rSHg3L1pxK3cmMj1WdCU5LUxt",
    "kHx7%2FZq%2Bw%262%3DVt%259-Lm",
    "kHx7/Zq+w\\u0026",
];

/// Secrets from the environment and from a file, whole and as parts, in headers, bodies and the environment of services.
const PLANTED: &str = r#"
vars:
  TOKEN: { from_env: MY_TOKEN }
  FILED: { from_file: token.txt }
  BOTH: "${TOKEN}:${FILED}"
services:
  - name: demo
    command: [chaos, demo, --gateway-listen, "${GATEWAY}", --retriever-listen, "${RETRIEVER}",
              --generator-listen, "${GENERATOR}"]
    ready: http://${GATEWAY}/health
    env: { A: { from_env: MY_TOKEN }, B: { from_file: token.txt }, C: "x${BOTH}x" }
  - name: counter
    command: [sh, -c, 'printf %s "$A" | wc -c > reached; cp chaos/*.jsonl volatile.jsonl; exec sleep 600']
    env: { A: "${FILED}" }
steady_state:
  - name: ask
    probe: http
    url: http://${ASKED}/ask?q=chaos
    method: POST
    headers: { authorization: "Bearer ${TOKEN}", x-direct: { from_env: MY_TOKEN }, x-filed: { from_file: token.txt } }
    body: '{"password": "${FILED}"}'
    rate: 20/s
    timeout: 500ms
    expect: [success_rate >= 1%]
"#;

const FAULT: &str = "
faults:
  - { name: hang, fault: process.pause, target: { process: { service: demo } }, duration: 2s }
blast_radius: { duration: 3s }
";

const TIMES: &str = "
baseline: 1s
recovery: { within: 3s }
";

struct Planted {
    sandbox: Sandbox,
    ports: Ports,
}

impl Planted {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        sandbox.write("token.txt", format!("{SECRET}\n"));
        sandbox.write("deny.yaml", "deny_faults: [process.*]\n");
        Self { sandbox, ports: Ports::new() }
    }

    /// `chaos` with this file, whose `${ASKED}` is the gateway; nothing it says or writes has a secret.
    fn does(&self, verb: &[&str], text: &str) -> Done {
        let text = format!("name: secrets\n{}", text.replace("${ASKED}", "${GATEWAY}"));
        self.sandbox.write("a.yaml", &text);
        let given = self.sandbox.chaos(verb).args(["a.yaml"]).args(self.ports.variables(&text)).env("MY_TOKEN", SECRET);
        let done = given.in_company(Company::SideBySide).done();
        let found = self.found(&done);
        assert!(found.is_empty(), "a secret is in {found:?}: {done}");
        self.sandbox.assert_nothing_is_left(&self.ports.all());
        done
    }

    /// What a service said in the last run.
    fn log(&self, service: &str) -> String {
        std::fs::read_to_string(self.sandbox.run_folder().join(format!("{service}.log"))).expect("a log")
    }

    /// Where one of the forms of the secret is.
    fn found(&self, done: &Done) -> Vec<String> {
        let mut found = Vec::new();
        for (place, text) in [("stdout", &done.stdout), ("stderr", &done.stderr)] {
            if FORMS.iter().any(|form| text.contains(form)) {
                found.push(place.to_owned());
            }
        }
        search(&self.sandbox.path(""), &mut found);
        found
    }
}

/// Every file below but the one that holds the secret for us.
fn search(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            search(&path, found);
        } else if !path.ends_with("token.txt") {
            let text = String::from_utf8_lossy(&std::fs::read(&path).expect("reads")).into_owned();
            if FORMS.iter().any(|form| text.contains(form)) {
                found.push(path.display().to_string());
            }
        }
    }
}

const RUN: [&str; 5] = ["run", "--report", "out.json", "--report", "out.txt"];

#[test]
fn what_is_searched_for_would_be_found() {
    let planted = Planted::new();
    let text = format!(
        "name: x\ndescription: \"{SECRET}\"\nsteady_state:\n  - {{ name: l, probe: host, measure: load, expect: [value >= 0] }}\n"
    );
    planted.sandbox.write("a.yaml", text);
    let done = planted.sandbox.chaos(["plan", "a.yaml", "--output", "json"]).done().exits(0);
    let found = planted.found(&done);
    assert!(found.contains(&"stdout".to_owned()) && found.iter().any(|place| place.ends_with("a.yaml")), "{found:?}");
}

#[test]
fn a_run_to_its_end_uses_secrets_and_keeps_none() {
    let planted = Planted::new();
    // The demo answers GET only: what counts here is that the service came up and got what it needs.
    let text = format!("{PLANTED}stop_conditions: [ask.p99 > 400ms for 30s]\n{FAULT}{TIMES}");
    let done = planted.does(&RUN, &text.replace("method: POST", "method: GET"));
    assert!(matches!(done.code, Some(0 | 1 | 4 | 5 | 6)), "{done}");
    let reached = std::fs::read_to_string(planted.sandbox.path("reached")).expect("the service ran");
    let recorded = std::fs::read_to_string(planted.sandbox.path("volatile.jsonl")).expect("the service copied it");
    assert!(recorded.matches("start_service").count() > 1, "what was searched is the journal: {recorded}");
    assert_eq!(reached.trim(), SECRET.len().to_string(), "the service got the secret without the line break");
    assert!(planted.sandbox.files().iter().any(|file| file.ends_with("out.json")), "{done}");
}

#[test]
fn what_services_and_commands_say_of_a_secret_is_in_no_log_report_or_last_word() {
    let says = format!(
        "{PLANTED}{TIMES}
  - name: teller
    command: [sh, -c, 'echo \"A=$A\" >&2; printf %s \"$A\" | head -c 9; sleep 0.2; printf %s \"$A\" | tail -c +10; echo; exit 9']
    env: {{ A: \"${{FILED}}\" }}
    ready: http://${{GATEWAY}}/never
"
    );
    let (head, teller) = says.split_once("  - name: teller").expect("it is there");
    let dead = head.replacen("services:\n", &format!("services:\n  - name: teller{teller}"), 1);
    let planted = Planted::new();
    planted.does(&RUN, &dead).exits(2).says("its last words:").says("A=***").says("exit code 9");
    assert_eq!(planted.log("teller"), "A=***\n***\n");
    // Somebody who has no mark of the run any more, and left its group, is known by the pipe to the log.
    let stray = "setsid env -i sh -c \"echo \\$$\\$$ > stray; echo \\$1; exec sleep 600\" x \"$A\" &";
    let lives = head.replace("exec sleep 600", &format!("echo \"$A\"; {stray} exec sleep 600"));
    let probe = "  - { name: asked, probe: command, command: [sh, -c, 'echo \"no $MY_TOKEN\" >&2; exit 1'], expect: [success_rate >= 1%] }";
    let lives = lives.replace("\nbaseline:", &format!("\n{probe}\nbaseline:"));
    let planted = Planted::new();
    planted.does(&RUN, &lives).exits(3);
    assert_eq!(planted.log("counter"), "***\n***\n");
    let stray = std::fs::read_to_string(planted.sandbox.path("stray")).expect("it ran");
    let status = std::fs::read_to_string(format!("/proc/{}/status", stray.trim())).unwrap_or_default();
    assert!(status.is_empty() || status.contains("State:\tZ"), "it lives, and is not only to be buried: {status}");
    assert!(planted.sandbox.events().iter().any(|event| event.to_string().contains("wanted 0: no ***")));
}

#[test]
fn a_run_that_is_stopped_or_whose_probe_or_service_fails_keeps_none() {
    let stopped = format!("{PLANTED}stop_conditions: [ask.error_rate > 20%]\n{FAULT}{TIMES}");
    let stopped = stopped.replace("method: POST", "method: GET");
    let done = Planted::new().does(&RUN, &stopped).complains("STOP: ask.error_rate > 20%");
    // On a busy machine it may not recover within its objective, which outweighs the stop.
    assert!(matches!(done.code, Some(4 | 5)), "{done}");
    let failing = format!("{PLANTED}{TIMES}").replace("/ask?q=chaos", "/nothing-there");
    Planted::new().does(&RUN, &failing).exits(3);
    let dead = format!("{PLANTED}{TIMES}").replace("[sh, -c, 'printf", "[sh, -c, 'echo gone >&2; exit 9; printf");
    let dead = dead.replace("exec sleep 600']\n", "exec sleep 600']\n    ready: http://${GATEWAY}/never\n");
    Planted::new().does(&RUN, &dead).exits(2).says("exit code 9");
    let missing = format!("{PLANTED}{TIMES}").replace("[sh, -c,", "[no-such-program, -c,");
    Planted::new().does(&RUN, &missing).exits(2).says("no-such-program");
}

#[test]
fn a_refused_run_keeps_none() {
    let planted = Planted::new();
    let text = format!("{PLANTED}stop_conditions: [ask.error_rate > 20%]\n{FAULT}{TIMES}");
    planted.does(&["run", "--policy", "deny.yaml"], &text).exits(2).complains("`process.pause` is denied");
    let unapproved = format!("sha256:{}", "0".repeat(64));
    planted.does(&["run", "--approve", &unapproved], &text).exits(2).complains("not the plan that was approved");
    planted.does(&["run", "--report", "no/such/folder.json"], &text).exits(2);
    planted.sandbox.write("token.txt", format!("{SECRET}\n{SECRET}\n"));
    planted.does(&["run"], &text).exits(2).complains("the value of `x-filed` cannot be sent");
    planted.sandbox.write("token.txt", [SECRET.as_bytes(), &[0xff]].concat());
    planted.does(&["run"], &text).exits(2).complains("it is no UTF-8 text");
    planted.sandbox.write("token.txt", "\n");
    planted.does(&["run"], &text).exits(2).complains("it is empty");
    std::fs::rename(planted.sandbox.path("token.txt"), planted.sandbox.path("other")).expect("moves");
    planted.does(&["run"], &text).exits(2).complains("the secret in token.txt cannot be read: No such file");
}

#[test]
fn a_plan_needs_no_secret_shows_none_and_has_the_same_digest_with_another() {
    let planted = Planted::new();
    let text = format!("{PLANTED}stop_conditions: [ask.error_rate > 20%]\n{FAULT}{TIMES}");
    for output in ["text", "json", "yaml"] {
        planted.does(&["plan", "--output", output], &text).exits(0);
    }
    planted.does(&["validate"], &text).exits(0);
    let digest = || planted.does(&["plan", "--output", "json"], &text).json()["digest"].clone();
    let with = digest();
    planted.sandbox.write("token.txt", "another");
    assert_eq!(digest(), with, "a new secret needs no new approval");
    std::fs::rename(planted.sandbox.path("token.txt"), planted.sandbox.path("other.txt")).expect("moves");
    assert_eq!(digest(), with, "nobody looked");
}

#[test]
fn a_secret_in_a_place_that_is_shown_is_refused_without_being_shown() {
    let whole = format!("{PLANTED}stop_conditions: [ask.error_rate > 20%]\n{FAULT}{TIMES}");
    let places = [
        ("url: http://${ASKED}/ask?q=chaos", "url: \"http://${ASKED}/ask?q=${TOKEN}\""),
        ("url: http://${ASKED}/ask?q=chaos", "url: { from_env: MY_TOKEN }"),
        ("[sh, -c,", "[sh, \"${TOKEN}\", -c,"),
        ("name: counter", "name: \"${TOKEN}\""),
        ("ready: http://${GATEWAY}/health", "ready: \"${TOKEN}\""),
        ("rate: 20/s", "rate: \"${TOKEN}\""),
        ("method: POST", "method: \"${TOKEN}\""),
        ("expect: [success_rate >= 1%]", "expect: [\"${TOKEN}\"]"),
        ("[ask.error_rate > 20%]", "[\"${TOKEN}\"]"),
        ("fault: process.pause", "fault: \"${TOKEN}\""),
        ("probe: http", "probe: \"${TOKEN}\""),
        ("duration: 2s }\nblast", "duration: { from_file: token.txt } }\nblast"),
        ("service: demo", "service: \"${FILED}\""),
        ("baseline: 1s", "baseline: { from_env: MY_TOKEN }"),
        ("baseline: 1s", "baseline: 1s\nallow_irreversible: \"${TOKEN}\""),
        ("baseline: 1s", "baseline: 1s\ntags: { from_env: MY_TOKEN }"),
    ];
    let planted = Planted::new();
    for (right, wrong) in places {
        assert!(whole.contains(right), "{right}");
        let text = whole.replace(right, wrong);
        for verb in ["run", "validate"] {
            let done = planted.does(&[verb], &text).exits(2);
            let said = done.stderr.contains("cannot be a secret") || done.stderr.contains("not a secret");
            assert!(said, "{wrong}: {done}");
        }
    }
    assert!(!planted.sandbox.path("state").exists(), "nothing was run");
}

#[test]
fn a_secret_variable_may_be_given_on_the_command_line_and_stays_one() {
    let planted = Planted::new();
    let text = format!("{PLANTED}{TIMES}").replace("/ask?q=chaos", "/nothing-there");
    let token = format!("TOKEN={SECRET}");
    planted.does(&["run", "--var", &token], &text).exits(3);
    planted.does(&["plan", "--output", "json", "--var", &token], &text).exits(0);
}

#[test]
fn a_password_in_a_url_is_refused() {
    let planted = Planted::new();
    let text = format!("{PLANTED}{TIMES}").replace("url: http://", "url: http://user:open@");
    let done = planted.does(&["validate"], &text).exits(2).complains("a user or password in a URL is shown");
    assert!(!done.stdout.contains("open@"), "{done}");
}
