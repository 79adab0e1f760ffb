//! What is to be said of a step that could not be put back, case by case: beside the command of [`Undo::by_hand`], where
//! there is one.

use std::path::{Path, PathBuf};

use super::cgroup::GroupSetting;
use super::step::{Receipt, SoftLimit, Undo};
use super::target::Victims;

/// Paths as words of a command.
fn words<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> String {
    let words: Vec<String> = paths.into_iter().map(|path| format!("'{}'", path.display())).collect();
    words.join(" ")
}

/// What is left of a limit on a control group.
fn limit_left(name: &str, receipt: &Receipt) -> String {
    let each = receipt.settings.iter().map(|setting| {
        let GroupSetting { before, .. } = setting;
        format!("{setting} was `{before}` and was set to `{}`", setting.last())
    });
    format!(
        "the limit {name} may be in place: {}; a value that somebody else set meanwhile is left to them; look with: cat {}",
        each.collect::<Vec<_>>().join(", "),
        words(receipt.settings.iter().map(|setting| &setting.file))
    )
}

fn fill_left(worker: &str, folder: &Path, pid: Option<i32>) -> String {
    let (folder, see) = (folder.display(), pid.map_or_else(String::new, |pid| format!("ps -p {pid}; ")));
    format!(
        "worker {worker} may live and take room of {folder} until the tool's process ends; see: {see}ls {folder}/.chaos-*"
    )
}

fn open_files_left(whom: &Victims, limits: &[SoftLimit]) -> String {
    let all = whom.identities().zip(limits);
    let all = all.map(|(one, limit)| {
        format!("prlimit --pid {} --nofile shows {} where it was {}", one.pid, limit.set, limit.before)
    });
    format!(
        "the limit of open files of {whom} may be lower than it was; see whether {}; where it shows another number, somebody \
         else changed it, and it is left alone",
        all.collect::<Vec<_>>().join(", ")
    )
}

impl Undo {
    /// What is left when the tool could not do it, what ends it, and how to see by hand whether it is there.
    pub fn when_left(&self, receipt: &Receipt) -> String {
        let pid = receipt.process.as_ref().map(|process| process.pid);
        match (self, pid) {
            (Self::StopService { service }, Some(pid)) => format!(
                "service {service} or a child of it may live; see: ps -o pid,stat,args -p {pid} --ppid {pid}; it is killed \
                 with the tool's process, its children by the guardian or a rollback"
            ),
            (Self::StopService { service }, None) => format!(
                "service {service} was being started: whatever lives of it has CHAOS_RUN in its environment, by which a \
                 rollback finds it; see: ps axeww | grep CHAOS_RUN="
            ),
            (Self::StopWorker { worker }, pid) => {
                let see = pid.map_or_else(|| "ps axeww | grep CHAOS_RUN=".to_owned(), |pid| format!("ps -p {pid}"));
                format!("worker {worker} may live; it is killed with the tool's process at the latest; see: {see}")
            }
            (Self::EndFill { worker, folder }, pid) => fill_left(worker, folder, pid),
            (Self::RestoreGroup { name }, _) => limit_left(name, receipt),
            (Self::RemoveGroup { service }, _) => format!(
                "the control group of service {service} may be there; it limits nobody, and goes once nobody is in it: ls -d {}",
                words(&receipt.groups)
            ),
            (Self::Resume { whom }, _) => match whom.pids() {
                Some(pids) => format!(
                    "{whom} may be stopped; see: ps -o pid,stat -p '{pids}', whose second word begins with T while it is; a \
                     service of the run is killed with the tool's process at the latest, anybody else stays stopped"
                ),
                None => format!("{whom}: nobody was chosen, so nobody was stopped"),
            },
            (Self::StopKilling { whom }, _) => format!(
                "{} may be killed again; that is part of the tool's process and ends with it at the latest",
                whom.target
            ),
            (Self::RestoreOpenFiles { whom, limits }, _) => open_files_left(whom, limits),
            (Self::CloseProxy { proxy }, _) => {
                let see = receipt.address.map_or_else(
                    || "ss -ltnp shows no port of chaos".to_owned(),
                    |address| format!("ss -Hltn 'sport = :{}' prints nothing", address.port()),
                );
                format!(
                    "proxy {proxy} is part of the tool's process and ends with it, and so do its connections; it is gone when {see}"
                )
            }
            (Self::RemoveToxic { proxy, toxic }, _) => format!(
                "toxic {toxic} is part of proxy {proxy} in the tool's process and ends with it at the latest: nothing of it stays \
                 on the machine"
            ),
            (Self::Run { name, command }, _) => format!(
                "what the command of {name} did may be in place: `{command}` undoes it and did not end with exit code 0, or its \
                 check says otherwise; only whoever wrote the experiment knows how to see it"
            ),
            (Self::ReviveService { service }, _) => format!(
                "service {service} was to run again and is not ready; it belongs to the run and is stopped with it, so nothing of \
                 it stays on the machine; its log in the run's folder says more"
            ),
            (Self::None { because }, _) => format!("there is no way back: {because}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::model::step::{CommandLine, ProcessIdentity, Receipt, SoftLimit, Undo};
    use crate::model::target::Victims;
    use crate::model::testing::whom;
    use crate::model::units::Timespan;

    fn every_undo() -> Vec<Undo> {
        let (service, proxy) = ("demo".to_owned(), "generator".to_owned());
        let all = [
            Undo::StopService { service: service.clone() },
            Undo::CloseProxy { proxy: proxy.clone() },
            Undo::RemoveToxic { proxy, toxic: "slow".into() },
            Undo::StopWorker { worker: "slow".into() },
            Undo::EndFill { worker: "slow".into(), folder: "/data".into() },
            Undo::Resume { whom: whom("demo") },
            Undo::ReviveService { service: service.clone() },
            Undo::RemoveGroup { service },
            Undo::RestoreGroup { name: "slow".into() },
            Undo::StopKilling { whom: whom("demo") },
            Undo::RestoreOpenFiles { whom: whom("demo"), limits: vec![SoftLimit { before: 1024, set: 7 }] },
            Undo::Run {
                name: "slow".into(),
                command: CommandLine { words: vec!["true".into()], timeout: Timespan::seconds(1) },
            },
            Undo::None { because: "slow".into() },
        ];
        // One that is not in the list above does not compile here before it is.
        all.into_iter()
            .inspect(|undo| match undo {
                Undo::StopService { .. }
                | Undo::CloseProxy { .. }
                | Undo::RemoveToxic { .. }
                | Undo::StopWorker { .. }
                | Undo::EndFill { .. }
                | Undo::Resume { .. }
                | Undo::ReviveService { .. }
                | Undo::RemoveGroup { .. }
                | Undo::RestoreGroup { .. }
                | Undo::StopKilling { .. }
                | Undo::RestoreOpenFiles { .. }
                | Undo::Run { .. }
                | Undo::None { .. } => {}
            })
            .collect()
    }

    #[test]
    fn what_is_left_is_named_in_every_case_and_no_two_are_told_alike() {
        let process = Some(ProcessIdentity { pid: 77, pidfs_inode: 1, start_ticks: 1 });
        let address = Some(([127, 0, 0, 1], 9102).into());
        for receipt in [Receipt::default(), Receipt { process, address, ..Receipt::default() }] {
            let told: Vec<String> = every_undo().iter().map(|undo| undo.when_left(&receipt)).collect();
            let named = |text: &String| ["demo", "generator", "slow"].iter().any(|name| text.contains(name));
            assert!(told.iter().all(named), "{told:?}");
            let different: std::collections::BTreeSet<&String> = told.iter().collect();
            assert_eq!(different.len(), told.len());
        }
    }

    #[test]
    fn the_command_is_told_where_there_is_one_and_with_it_how_to_look() {
        let resume = Undo::Resume { whom: whom("demo") };
        assert_eq!(resume.by_hand(&Receipt::default()).as_deref(), Some("kill -CONT 77"));
        assert!(resume.when_left(&Receipt::default()).contains("ps -o pid,stat -p '77'"));
        let nobody = Undo::Resume { whom: Victims { chosen: Vec::new(), ..whom("demo") } };
        assert_eq!(nobody.by_hand(&Receipt::default()), None, "it is not known whom");
        let limits = vec![SoftLimit { before: 1024, set: 7 }];
        let restore = Undo::RestoreOpenFiles { whom: whom("demo"), limits };
        assert_eq!(restore.by_hand(&Receipt::default()).as_deref(), Some("prlimit --pid 77 --nofile=1024:"));
        let address = Some(([127, 0, 0, 1], 9102).into());
        let close = Undo::CloseProxy { proxy: "p".into() };
        assert!(close.when_left(&Receipt { address, ..Receipt::default() }).contains("ss -Hltn 'sport = :9102'"));
    }
}
