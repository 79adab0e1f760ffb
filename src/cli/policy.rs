//! What every experiment passes before it is run, planned or called good: the policies of this machine and those that
//! were given. No flag, variable or key of an experiment takes a policy away; all they can do is to add one.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::arguments::PolicyArguments;
use super::ci;
use super::experiment_file::Loaded;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::fault;
use crate::guard::digest;
use crate::guard::policy::{self, ProcessPlace, Purpose, Refusal, Request, Surroundings};
use crate::host::clock::Clock;
use crate::host::{Facts, files, process};
use crate::model::experiment::Experiment;
use crate::model::policy::Policy;
use crate::model::probe::ProbeKind;
use crate::model::step::Step;
use crate::spec::{self, Source};

/// Where the policies of the machine are. Nothing moves it: whoever could, could loosen them.
const FOLDER: &str = "/etc/chaos";
/// Who must own them.
const ROOT: u32 = 0;
/// More of a file is not read; well above what the reader accepts.
const MOST_BYTES: u64 = 1 << 20;

/// The policies in force.
pub(super) struct Gate {
    policies: Vec<Policy>,
}

/// An experiment that was let through, with the paths in it that were judged.
pub(super) struct Admitted {
    pub experiment: Experiment,
    /// The digest of its plan.
    pub digest: String,
}

impl Gate {
    /// Reads all policies; None when the problems of a policy were told on stderr. A policy that is there and cannot be
    /// relied on is an error, never ignored.
    pub fn open(arguments: &PolicyArguments) -> anyhow::Result<Option<Self>> {
        let mut policies = Vec::new();
        let mut right = true;
        let of_system = of_system(Path::new(FOLDER), ROOT)?;
        let given = arguments.policies.iter().map(|path| {
            let read = files::read_start(path, MOST_BYTES);
            Ok((path.clone(), read.with_context(|| format!("cannot read the policy {}", path.display()))?))
        });
        let given: Vec<(PathBuf, Vec<u8>)> = given.collect::<anyhow::Result<_>>()?;
        let all = of_system.into_iter().map(|file| (file, true)).chain(given.into_iter().map(|file| (file, false)));
        for ((path, bytes), of_system) in all {
            let name = path.display().to_string();
            let text = std::str::from_utf8(&bytes).with_context(|| format!("the policy {name} is not UTF-8 text"))?;
            match spec::read_policy(Source { name: &name, text }, of_system) {
                Ok(policy) => policies.push(policy),
                Err(problems) => {
                    ci::tell(&problems);
                    right = false;
                }
            }
        }
        Ok(right.then_some(Self { policies }))
    }

    /// The policies, for whoever looks again at what an experiment hits.
    pub fn into_policies(self) -> Vec<Policy> {
        self.policies
    }

    /// What forbids to run an experiment some day; nothing when it may be run. Slow only where a digest matters.
    pub fn forbids(&self, loaded: &Loaded) -> anyhow::Result<Diagnostics> {
        let matters = self.policies.iter().any(|policy| policy.approved_plans.is_some());
        let digest = if matters { digest_of(&loaded.experiment)? } else { String::new() };
        Ok(self.judged(loaded, &digest, Purpose::Look)?.err().unwrap_or_default())
    }

    /// Judges an experiment; None when what is forbidden was told on stderr.
    pub fn admit(&self, loaded: Loaded, purpose: Purpose<'_>) -> anyhow::Result<Option<Admitted>> {
        let digest = digest_of(&loaded.experiment)?;
        let surroundings = match self.judged(&loaded, &digest, purpose)? {
            Ok(surroundings) => surroundings,
            Err(forbidden) => {
                ci::tell(&forbidden);
                return Ok(None);
            }
        };
        let mut experiment = loaded.experiment;
        self.pin(&mut experiment, surroundings);
        Ok(Some(Admitted { experiment, digest }))
    }

    /// What was known when nothing was forbidden, or what is forbidden.
    fn judged(
        &self,
        loaded: &Loaded,
        digest: &str,
        purpose: Purpose<'_>,
    ) -> anyhow::Result<Result<Surroundings, Diagnostics>> {
        let experiment = &loaded.experiment;
        let surroundings = surroundings(experiment)?;
        let request = Request {
            experiment,
            steps: &steps(experiment, &Facts::here()),
            digest,
            purpose,
            surroundings: &surroundings,
        };
        let mut refusals = policy::judge(&request, &self.policies);
        refusals.extend(not_approved(digest, purpose));
        Ok(if refusals.is_empty() { Ok(surroundings) } else { Err(forbidden(loaded, refusals)) })
    }

    /// Puts what was judged in the place of what leads to it, so that a link or `PATH` that changes meanwhile leads
    /// nowhere else.
    fn pin(&self, experiment: &mut Experiment, mut surroundings: Surroundings) {
        for (place, fault) in experiment.faults.iter_mut().enumerate() {
            let Some(path) = fault.kind.folder_mut() else { continue };
            if let Some(folder) = surroundings.folders.remove(&format!("faults[{place}].path")).flatten() {
                *path = folder;
            }
        }
        if self.policies.iter().all(|policy| policy.allow_programs.is_none()) {
            return;
        }
        for (place, command) in commands(experiment) {
            let Some(word) = command.first_mut().filter(|word| *word != "chaos") else { continue };
            if let Some(file) = surroundings.programs.remove(&place).flatten() {
                *word = file.display().to_string();
            }
        }
    }
}

/// The policies of a folder, which must be its owner's alone, as must they.
fn of_system(folder: &Path, owner: u32) -> anyhow::Result<Vec<(PathBuf, Vec<u8>)>> {
    const HELP: &str = "nothing is run while a policy of this machine cannot be relied on";
    let below = folder.join("policy.d");
    let mut paths = vec![folder.join("policy.yaml")];
    if files::is_folder_of(folder, owner).context(HELP)? && files::is_folder_of(&below, owner).context(HELP)? {
        let listed = files::list(&below).with_context(|| format!("cannot list {}: {HELP}", below.display()))?;
        paths.extend(listed);
        paths.sort();
    }
    let mut policies = Vec::new();
    for path in paths {
        match path.extension().and_then(OsStr::to_str) {
            Some("yaml") => {}
            Some("yml") => anyhow::bail!("{} is not read: {HELP}; rename it to .yaml", path.display()),
            _ => continue,
        }
        let read = files::read_of(&path, owner, MOST_BYTES).context(HELP)?;
        policies.extend(read.map(|bytes| (path, bytes)));
    }
    Ok(policies)
}

/// The steps of every fault; none of one that cannot be done here, which the run says itself.
fn steps(experiment: &Experiment, facts: &Facts) -> Vec<Vec<Step>> {
    let plans = experiment.faults.iter().map(|spec| fault::plan(spec, experiment, facts));
    plans.map(|plan| plan.map_or_else(|_| Vec::new(), |plan| plan.steps)).collect()
}

/// Of the experiment as it was read, before anything in it is resolved.
fn digest_of(experiment: &Experiment) -> anyhow::Result<String> {
    digest::digest(experiment, &steps(experiment, &anywhere())).context("cannot digest the plan")
}

/// A machine that is the same everywhere, so that a digest is too.
fn anywhere() -> Facts {
    Facts { cores: (0..1024).collect(), memory_available: 1 << 40, ..Facts::default() }
}

fn surroundings(experiment: &Experiment) -> anyhow::Result<Surroundings> {
    let us = process::profile_of_us()?;
    let mut surroundings = Surroundings {
        now: Clock::Real.wall(),
        us: ProcessPlace { uid: us.uid, cgroups: us.cgroups },
        ..Surroundings::default()
    };
    let ours = std::env::var_os("PATH");
    for (place, service) in experiment.services.iter().enumerate() {
        let word = service.command.first().map_or("", String::as_str);
        let path = service.env.get("PATH").map(|path| path.reveal().into()).or_else(|| ours.clone());
        let file = process::find_program(word, service.directory.as_deref(), path.as_deref());
        surroundings.programs.insert(format!("services[{place}].command"), file);
    }
    for (place, probe) in experiment.steady_state.iter().enumerate() {
        let ProbeKind::Command(command) = &probe.kind else { continue };
        let word = command.command.first().map_or("", String::as_str);
        let file = process::find_program(word, None, ours.as_deref());
        surroundings.programs.insert(format!("steady_state[{place}].command"), file);
    }
    for (place, fault) in experiment.faults.iter().enumerate() {
        for (key, words) in fault.kind.commands() {
            let file = process::find_program(words.first().map_or("", String::as_str), None, ours.as_deref());
            surroundings.programs.insert(format!("faults[{place}].{key}"), file);
        }
        let Some(path) = fault.kind.folder() else { continue };
        surroundings.folders.insert(format!("faults[{place}].path"), files::resolve(path).ok());
    }
    Ok(surroundings)
}

/// The commands of services, probes and faults, by their places.
fn commands(experiment: &mut Experiment) -> impl Iterator<Item = (String, &mut Vec<String>)> {
    let services = experiment.services.iter_mut().enumerate();
    let services = services.map(|(place, service)| (format!("services[{place}].command"), &mut service.command));
    let probes = experiment.steady_state.iter_mut().enumerate().filter_map(|(place, probe)| match &mut probe.kind {
        ProbeKind::Command(probe) => Some((format!("steady_state[{place}].command"), &mut probe.command)),
        _ => None,
    });
    let faults = experiment.faults.iter_mut().enumerate().flat_map(|(place, fault)| {
        let commands = fault.kind.commands_mut().into_iter();
        commands.map(move |(key, words)| (format!("faults[{place}].{key}"), words))
    });
    services.chain(probes).chain(faults)
}

fn not_approved(digest: &str, purpose: Purpose<'_>) -> Option<Refusal> {
    let Purpose::Run { approved: Some(approved) } = purpose else { return None };
    (approved != digest).then(|| Refusal {
        message: format!("this is not the plan that was approved: its digest is {digest}"),
        place: String::new(),
        rule: format!("--approve {approved}"),
        help: Some("something changed since; look at `chaos plan`, and approve what it prints".to_owned()),
    })
}

fn forbidden(loaded: &Loaded, refusals: Vec<Refusal>) -> Diagnostics {
    let mut problems = loaded.problems();
    for Refusal { message, place, rule, help } in refusals {
        let mut problem = Diagnostic::error(message);
        problem.span = Some(place).filter(|place| !place.is_empty()).and_then(|place| loaded.places.at(&place));
        problem = problem.note(if rule.starts_with("built in") { rule } else { format!("forbidden by {rule}") });
        problem.help = help;
        problems.push(problem);
    }
    problems
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;

    use super::of_system;
    use crate::host::files;

    fn owner() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    fn mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("changes");
    }

    fn policy(path: &Path) {
        files::create_dir_all(path.parent().expect("a folder")).expect("makes it");
        files::write_atomic(path, b"max_duration: 1m\n").expect("writes");
        mode(path, 0o644);
    }

    fn refused(folder: &Path, owner: u32) -> String {
        format!("{:#}", of_system(folder, owner).expect_err("refused"))
    }

    #[test]
    fn all_files_of_the_folder_are_read_in_order() {
        let home = tempfile::tempdir().expect("a folder");
        assert!(of_system(&home.path().join("none"), owner()).expect("is content").is_empty());
        for name in ["policy.d/b.yaml", "policy.d/a.yaml", "policy.yaml", "policy.d/README", "policy.d/c.yaml~"] {
            policy(&home.path().join(name));
        }
        let read = of_system(home.path(), owner()).expect("reads");
        let names: Vec<_> = read.iter().map(|(path, _)| path.strip_prefix(home.path()).expect("in it")).collect();
        assert_eq!(names, ["policy.d/a.yaml", "policy.d/b.yaml", "policy.yaml"].map(Path::new));
    }

    #[test]
    fn what_others_could_have_written_is_refused_and_never_ignored() {
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join("policy.yaml");
        policy(&path);
        for (wrong, part) in [(0o664, "its group may write"), (0o646, "everyone may write")] {
            mode(&path, wrong);
            assert!(refused(home.path(), owner()).contains(part), "{}", refused(home.path(), owner()));
        }
        mode(&path, 0o644);
        assert!(refused(home.path(), owner() + 1).contains("is not owned by user"), "another owner");
        mode(home.path(), 0o777);
        assert!(refused(home.path(), owner()).contains("everyone may write"), "the folder");
        mode(home.path(), 0o755);
        let below = home.path().join("policy.d/x.yaml");
        policy(&below);
        mode(below.parent().expect("a folder"), 0o775);
        assert!(refused(home.path(), owner()).contains("policy.d"), "the folder below");
    }

    #[test]
    fn a_link_a_folder_and_another_ending_are_refused() {
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join("policy.yaml");
        let elsewhere = home.path().join("elsewhere");
        policy(&elsewhere);
        symlink(&elsewhere, &path).expect("links");
        assert!(refused(home.path(), owner()).contains("is a link"), "{}", refused(home.path(), owner()));
        files::remove_file(&path).expect("removes");
        files::create_dir_all(&path).expect("makes it");
        assert!(refused(home.path(), owner()).contains("is no plain file"), "{}", refused(home.path(), owner()));
        policy(&home.path().join("policy.d/a.yml"));
        std::fs::remove_dir(&path).expect("removes");
        assert!(refused(home.path(), owner()).contains("rename it to .yaml"), "{}", refused(home.path(), owner()));
    }
}
