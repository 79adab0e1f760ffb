//! One run at a time where two would harm each other: what a run takes of the machine it holds by locks, from before
//! anything is touched until it and its guardian are done.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::run_folder;
use crate::diagnostic::clean::clean;
use crate::fault;
use crate::guard::claims::{Claim, claims, of_strangers};
use crate::guard::digest;
use crate::host::locks::{Locks, NotTaken};
use crate::host::{Facts, cgroup, files, process, system, this_process, thread};
use crate::model::dose::ProcessState;
use crate::model::event::RunHeader;
use crate::model::step::{ProcessIdentity, Step};
use crate::model::target::Victim;
use crate::model::verdict::Mode;
use crate::runner;

/// Where locks are kept instead of the usual place, for tests and for containers.
const FOLDER: &str = "CHAOS_LOCK_DIR";
/// How long a holder may take to write its note, or to be gone.
const MOMENT: Duration = Duration::from_millis(300);
const PAUSE: Duration = Duration::from_millis(20);

/// Who holds a lock, as written into its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Holder {
    run: String,
    experiment: String,
    process: ProcessIdentity,
    boot: String,
    state: PathBuf,
}

/// Takes everything that the run of this header needs for itself. An error names who has it; then nothing is held.
pub(super) fn take(header: &RunHeader, state: &Path) -> anyhow::Result<Locks> {
    let all = claims(&steps(header)).into_iter().chain(of_others(header));
    let wanted: BTreeMap<String, Claim> = all.filter_map(|claim| Some((file_name(&claim)?, claim))).collect();
    if wanted.is_empty() {
        return Ok(Locks::default());
    }
    let note = serde_json::to_vec(&holder(header, state)?)?;
    let folder = folder();
    let names = wanted.keys().cloned().collect();
    let deadline = thread::now() + MOMENT;
    loop {
        match Locks::take(&folder, &names, &note) {
            Ok(locks) => return Ok(locks),
            Err(NotTaken::Trouble(trouble)) => {
                anyhow::bail!("{trouble}; nothing was touched; {FOLDER} names another folder for locks")
            }
            Err(NotTaken::Held { name, note }) => {
                let holder: Option<Holder> = serde_json::from_slice(&note).ok();
                // A note that says nothing, or is of somebody dead, may be about to be written anew.
                if holder.as_ref().is_some_and(lives) || thread::now() >= deadline {
                    anyhow::bail!("{}", refusal(&wanted[&name], holder.as_ref()));
                }
            }
        }
        thread::sleep_until(thread::now() + PAUSE);
    }
}

/// All that will be done. A fault that cannot be planned is refused when its time comes, and claims nothing.
fn steps(header: &RunHeader) -> Vec<Step> {
    let experiment = &header.experiment;
    let mut steps = runner::set_up_steps(experiment);
    if header.mode == Mode::Inject {
        let facts = Facts::here();
        let planned = experiment.faults.iter().filter_map(|fault| fault::plan(fault, experiment, &facts).ok());
        steps.extend(planned.flat_map(|plan| plan.steps));
    }
    steps
}

/// What faults take of processes that the run does not start.
fn of_others(header: &RunHeader) -> Vec<Claim> {
    if header.mode != Mode::Inject {
        return Vec::new();
    }
    let hierarchies = cgroup::hierarchies().unwrap_or_default();
    let group = |victim: &Victim, controller| {
        cgroup::place_of(victim.process.pid, &hierarchies, controller).ok().map(|place| place.folder)
    };
    let faults = header.experiment.faults.iter();
    faults.flat_map(|fault| of_strangers(&fault.kind, &runner::strangers_of(fault), group)).collect()
}

/// The name of its lock. A folder that is not there is on no disk: nothing will be done to it.
fn file_name(claim: &Claim) -> Option<String> {
    Some(match claim {
        Claim::Core(core) => format!("core-{core}"),
        Claim::Memory => "memory".to_owned(),
        Claim::DiskOf(path) => format!("disk-{}", files::device(path).ok()?),
        Claim::Address(address) => format!("address-{address}"),
        Claim::Group(folder, controller) => {
            format!("group-{}", digest::name_for(&format!("{controller} {}", folder.display())))
        }
        Claim::Process(pid, start, what) => format!("process-{pid}-{start}-{}", digest::name_for(what)),
        Claim::Command(command) => format!("command-{}", digest::name_for(command)),
    })
}

fn holder(header: &RunHeader, state: &Path) -> anyhow::Result<Holder> {
    let process = process::this().ok_or_else(|| anyhow::anyhow!("cannot read our own identity: is /proc mounted?"))?;
    Ok(Holder {
        run: header.run.clone(),
        experiment: header.experiment.name.clone(),
        process,
        boot: system::boot()?,
        state: std::path::absolute(state)?,
    })
}

fn lives(holder: &Holder) -> bool {
    system::boot().is_ok_and(|boot| boot == holder.boot) && process::state(&holder.process) != ProcessState::Gone
}

fn refusal(claim: &Claim, holder: Option<&Holder>) -> String {
    let nothing = "nothing was touched";
    let text = match holder {
        Some(holder) if lives(holder) => {
            let Holder { run, experiment, process, state, .. } = holder;
            let place = run_folder::state_words(state);
            format!(
                "{claim} is taken by run {run} ({experiment}, {process}): {nothing}; wait for its end, or end it: \
                 chaos stop {run}{place}"
            )
        }
        Some(Holder { run, .. }) => format!(
            "{claim} is taken by run {run}, which was killed and whose guardian is putting it back: {nothing}; try again \
             in a moment"
        ),
        None => format!("{claim} is taken by another run of chaos that does not say which: {nothing}"),
    };
    clean(&text)
}

/// Below a folder that is empty after a restart of the machine, where there is one. Runs of different users do not see
/// each other's locks: what they share is guarded by the kernel alone (an address), or not at all (cores).
fn folder() -> PathBuf {
    let set = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if let Some(folder) = set(FOLDER) {
        return folder;
    }
    let user = this_process::user();
    let runtime = if user == 0 { Some(PathBuf::from("/run")) } else { set("XDG_RUNTIME_DIR") };
    runtime.map_or_else(|| format!("/tmp/chaos-{user}/locks").into(), |runtime| runtime.join("chaos/locks"))
}
