//! What `docs/ci/` offers works: its YAML is read, and its shell steps are run with this very binary.

use std::os::unix::fs::symlink;

use serde_json::Value;

use crate::ports::free_ports;
use crate::support::{Invocation, Sandbox, committed};

/// A YAML file of the repository.
fn read(name: &str) -> Value {
    serde_yaml::from_str(&committed(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A sandbox with `chaos` in its path and an experiment that holds in observer mode.
struct Job {
    sandbox: Sandbox,
}

impl Job {
    fn new() -> Self {
        let (sandbox, [port]) = (Sandbox::new(), free_ports());
        sandbox.write("bin/.here", "");
        symlink(crate::binary::chaos(), sandbox.path("bin/chaos")).expect("a link");
        let experiment = crate::suite::on_port("a port that answers", port, "ci");
        sandbox.write("experiments/a.yaml", &experiment);
        sandbox.write("experiments/b.yaml", experiment.replace("tags: [ci]", "tags: [slow]"));
        crate::suite::answer(port);
        Self { sandbox }
    }

    fn bash(&self, script: &str) -> Invocation {
        let path = format!("{}:{}", self.sandbox.path("bin").display(), std::env::var("PATH").unwrap_or_default());
        self.sandbox.program("bash", ["--noprofile", "--norc", "-eo", "pipefail", "-c", script]).env("PATH", &path)
    }

    fn report(&self, name: &str) -> String {
        std::fs::read_to_string(self.sandbox.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }
}

/// The inputs of the action, with these given.
fn environment(action: &Value, step: &Value, given: &[(&str, &str)]) -> Vec<(String, String)> {
    let value = |input: &str| {
        let given = given.iter().find(|(name, _)| *name == input).map(|(_, value)| (*value).to_owned());
        given.or_else(|| action["inputs"][input]["default"].as_str().map(ToOwned::to_owned)).expect("a required input")
    };
    let variables = step["env"].as_object().expect("variables").iter().map(|(name, from)| {
        let from = from.as_str().expect("text");
        let input = from.strip_prefix("${{ inputs.").and_then(|rest| rest.strip_suffix(" }}")).expect("an input");
        (name.clone(), value(input))
    });
    variables.collect()
}

#[test]
fn the_action_runs_the_experiments_and_tells_their_code() {
    let (action, job) = (read("docs/ci/github/action.yml"), Job::new());
    let step = &action["runs"]["steps"][0];
    let output = job.sandbox.write("output", "").display().to_string();
    let summary = job.sandbox.write("summary", "").display().to_string();
    let run = |given: &[(&str, &str)]| {
        let variables = environment(&action, step, given);
        let bash = job.bash(step["run"].as_str().expect("a script")).env("GITHUB_ACTIONS", "true");
        let bash = bash.env("GITHUB_OUTPUT", &output).env("GITHUB_STEP_SUMMARY", &summary);
        variables.iter().fold(bash, |bash, (name, value)| bash.env(name, value)).done()
    };
    run(&[("experiments", "experiments"), ("tags", "ci"), ("arguments", "--dry-run")]).exits(0).says("HELD");
    assert_eq!(job.report("output"), "exit-code=0\n");
    assert_eq!(job.report("chaos-reports/chaos.xml").matches("<testsuite ").count(), 1, "the tag leaves one out");
    assert!(job.report("summary").contains("a port that answers"));
    // Nothing that is given is read as a script.
    run(&[("experiments", "experiments/$(touch pwned) *"), ("arguments", ";touch pwned")]).exits(2);
    assert!(!job.sandbox.path("pwned").exists());
    assert_eq!(job.report("output"), "exit-code=0\nexit-code=2\n");
}

#[test]
fn every_other_step_of_the_action_and_the_workflow_that_calls_us_works() {
    let job = Job::new();
    let (action, workflow) = (read("docs/ci/github/action.yml"), read("docs/ci/github/workflow.yml"));
    let steps = [&action["runs"]["steps"], &workflow["jobs"]["chaos"]["steps"]];
    let scripts = steps.into_iter().flat_map(|steps| steps.as_array().expect("steps"));
    let scripts: Vec<&str> = scripts.filter_map(|step| step["run"].as_str()).collect();
    let ours: Vec<&&str> = scripts.iter().filter(|script| script.starts_with("chaos ")).collect();
    assert_eq!(ours.len(), 2, "{scripts:?}");
    for script in ours {
        job.bash(script).done().exits(0);
    }
    for step in action["runs"]["steps"].as_array().expect("steps").iter().filter(|step| step["run"].is_string()) {
        assert_eq!(step["shell"], "bash", "a composite action must say its shell");
    }
    let used =
        &workflow["jobs"]["chaos"]["steps"].as_array().expect("steps").iter().find(|step| step["with"].is_object());
    let with = used.expect("the workflow uses the action")["with"].as_object().expect("inputs");
    assert!(with.keys().all(|input| action["inputs"][input].is_object()), "{with:?}");
}

#[test]
fn the_job_for_gitlab_runs_and_leaves_its_report() {
    let (file, job) = (read("docs/ci/gitlab/chaos.gitlab-ci.yml"), Job::new());
    let all = &file["chaos"];
    let lines = |name: &str| {
        let lines = all[name].as_array().expect("lines").iter().map(|line| line.as_str().expect("text"));
        // What is injected there is left out here.
        lines.collect::<Vec<_>>().join("\n").replace("chaos run ", "chaos run --dry-run ")
    };
    for script in [lines("script"), lines("after_script")] {
        let bash = job.bash(&script).env("GITLAB_CI", "true").env("CI", "true");
        let bash = bash.env("EXPERIMENTS", all["variables"]["EXPERIMENTS"].as_str().expect("text"));
        bash.done().exits(0);
    }
    let report = all["artifacts"]["reports"]["junit"].as_str().expect("a file");
    assert_eq!(job.report(report).matches("<testsuite ").count(), 2);
    for path in all["artifacts"]["paths"].as_array().expect("paths") {
        assert!(job.sandbox.path(path.as_str().expect("text")).exists(), "{path}");
    }
}
