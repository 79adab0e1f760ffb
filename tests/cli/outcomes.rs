//! Endings of `chaos run` that no committed experiment has: each with its exit code, and nothing left behind.

use serde_json::Value;

use crate::experiments::Ports;
use crate::files;
use crate::ports::occupy;
use crate::schema;
use crate::slots::Company;
use crate::support::{Done, Sandbox};

struct Ended {
    sandbox: Sandbox,
    done: Done,
}

impl Ended {
    fn events(&self, kind: &str) -> Vec<Value> {
        self.sandbox.events().into_iter().filter(|event| event["event"] == kind).collect()
    }
}

fn run(text: &str, ports: &Ports) -> Ended {
    let sandbox = Sandbox::new();
    sandbox.write("a.yaml", text);
    let run = sandbox.chaos(["run", "a.yaml"]).args(ports.variables(text)).in_company(Company::SideBySide);
    let done = run.done();
    schema::latest_is_valid(&sandbox);
    Ended { done, sandbox }
}

/// The same, and afterwards nothing is left.
fn run_alone(text: &str) -> Ended {
    let ports = Ports::new();
    let ended = run(text, &ports);
    ended.sandbox.assert_nothing_is_left(&ports.all());
    ended
}

#[test]
fn an_unsteady_baseline_injects_nothing() {
    let ended = run_alone(&files::unsteady());
    assert_eq!(ended.events("baseline_judged").len(), 1);
    assert!(ended.events("sample").len() >= 10);
    for kind in ["fault_applied", "fault_failed", "step_applied", "dose_read"] {
        assert!(ended.events(kind).is_empty(), "{kind}: {}", ended.done);
    }
    let done = ended.done.exits(3).says("BASELINE NOT STEADY: a port where nobody listens");
    done.says("nothing was injected").says("port: success_rate >= 50%, measured 0% over");
}

#[test]
fn a_service_whose_program_is_not_there_ends_the_set_up() {
    let ended = run_alone(&files::with_service("[no-such-program-of-anybody]"));
    assert!(ended.events("sample").is_empty() && ended.events("fault_applied").is_empty(), "{}", ended.done);
    let done = ended.done.exits(2).says("NOT RUN: ").says("nothing was injected");
    done.says("start `no-such-program-of-anybody`: No such file").says("is it installed, and its folder in PATH?");
}

#[test]
fn a_service_that_dies_at_once_shows_its_last_words_and_where_the_rest_is() {
    let ended = run_alone(&files::with_service("[sh, -c, 'echo reading settings; echo no licence >&2; exit 3']"));
    let log = ended.sandbox.run_folder().join("mine.log");
    assert_eq!(std::fs::read_to_string(&log).expect("a log"), "reading settings\nno licence\n");
    let done = ended.done.exits(2).says("NOT RUN: ").says("exit code 3").says("reading settings").says("no licence");
    assert!(done.stdout.replace(['\n', ' '], "").contains(&log.display().to_string()), "{done}");
}

#[test]
fn a_secret_of_a_service_reaches_it_and_nobody_else() {
    // When it starts, its step is recorded. The part of the journal that says so is gone when the run is over.
    let command = "[sh, -c, 'printenv TOKEN | wc -c; cp chaos/*.jsonl volatile.jsonl'], env: { TOKEN: swordfish }";
    let ended = run_alone(&files::with_service(command));
    let folder = ended.sandbox.run_folder();
    assert_eq!(std::fs::read_to_string(folder.join("mine.log")).expect("a log").trim(), "10", "it was not given");
    let volatile = ended.sandbox.path("volatile.jsonl");
    let recorded = std::fs::read_to_string(&volatile).expect("it was copied");
    assert!(recorded.contains("start_service") && recorded.contains("TOKEN"), "{recorded}");
    for file in [folder.join("events.jsonl"), folder.join("journal.jsonl"), volatile] {
        let text = std::fs::read_to_string(&file).expect("is kept");
        assert!(!text.contains("swordfish"), "{} tells the secret", file.display());
    }
    assert!(!format!("{}{}", ended.done.stdout, ended.done.stderr).contains("swordfish"), "{}", ended.done);
}

#[test]
fn a_service_that_never_gets_ready_is_ended_in_time() {
    let command = "[sleep, \"600\"], ready_within: 1s";
    run_alone(&files::with_service(command)).done.exits(2).says("not ready within 1s").says("nothing was injected");
}

#[test]
fn a_proxy_on_a_taken_port_says_which_and_what_to_try() {
    let ports = Ports::new();
    let proxy = ports.all()[3];
    let _holder = occupy(proxy);
    let ended = run(&files::bypassed(), &ports);
    ended.sandbox.assert_nothing_is_left(&ports.all()[..3]);
    assert!(ended.events("sample").is_empty(), "{}", ended.done);
    let done = ended.done.exits(2).says(&format!("open proxy bypassed on 127.0.0.1:{proxy}"));
    done.says(&format!("port {proxy} is taken: choose another `listen`, or end the program that holds it"));
}

#[test]
fn a_service_on_a_taken_port_says_which_and_takes_the_rest_down() {
    let ports = Ports::new();
    let gateway = ports.all()[0];
    let _holder = occupy(gateway);
    let ended = run(&files::bypassed(), &ports);
    ended.sandbox.assert_nothing_is_left(&ports.all()[1..]);
    let done = ended.done.exits(2).says("nothing was injected").says("1 done, 1 undone and read back");
    done.says(&format!("gateway on 127.0.0.1:{gateway}: Address already in use"));
}

#[test]
fn a_fault_that_nothing_passes_makes_the_run_invalid_however_well_it_went() {
    let ended = run_alone(&files::bypassed());
    assert_eq!(ended.events("fault_applied").len(), 1);
    let done = ended.done.exits(6).says("INVALID: a fault that nothing passes");
    done.says("slow nobody was not effective").never_says("HELD");
}

#[test]
fn a_system_that_stays_broken_after_the_rollback_is_not_recovered() {
    let ended = run_alone(&files::stale_lock(crate::binary::chaos()));
    assert_eq!(ended.events("fault_undone").len(), 1, "{}", ended.done);
    assert!(ended.events("residue").is_empty(), "{}", ended.done);
    let done = ended.done.exits(5).says("NOT RECOVERED: a crash that leaves a stale lock");
    done.says("the steady state was not back within 3s of the verified undo").says("> 3s (the objective)");
}
