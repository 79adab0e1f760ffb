//! What is to be said of a step that could not be put back, case by case: beside the command of [`Undo::by_hand`], where
//! there is one.

use super::step::{Receipt, Undo};

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
            (Self::ResumeService { service }, Some(pid)) => format!(
                "service {service} may be stopped; see: ps -o stat= -p {pid} begins with T while it is; it is killed with the \
                 tool's process at the latest"
            ),
            (Self::ResumeService { service }, None) => format!(
                "service {service} may be stopped, if the signal was sent at all; it is killed with the tool's process at the \
                 latest"
            ),
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
    use crate::model::step::{ProcessIdentity, Receipt, Undo};

    fn every_undo() -> Vec<Undo> {
        let (service, proxy) = ("demo".to_owned(), "generator".to_owned());
        let all = [
            Undo::StopService { service: service.clone() },
            Undo::CloseProxy { proxy: proxy.clone() },
            Undo::RemoveToxic { proxy, toxic: "slow".into() },
            Undo::StopWorker { worker: "slow".into() },
            Undo::ResumeService { service: service.clone() },
            Undo::ReviveService { service },
            Undo::None { because: "slow".into() },
        ];
        // One that is not in the list above does not compile here before it is.
        all.into_iter()
            .inspect(|undo| match undo {
                Undo::StopService { .. }
                | Undo::CloseProxy { .. }
                | Undo::RemoveToxic { .. }
                | Undo::StopWorker { .. }
                | Undo::ResumeService { .. }
                | Undo::ReviveService { .. }
                | Undo::None { .. } => {}
            })
            .collect()
    }

    #[test]
    fn what_is_left_is_named_in_every_case_and_no_two_are_told_alike() {
        let process = Some(ProcessIdentity { pid: 77, pidfs_inode: 1, start_ticks: 1 });
        let address = Some(([127, 0, 0, 1], 9102).into());
        for receipt in [Receipt::default(), Receipt { process, address }] {
            let told: Vec<String> = every_undo().iter().map(|undo| undo.when_left(&receipt)).collect();
            let named = |text: &String| ["demo", "generator", "slow"].iter().any(|name| text.contains(name));
            assert!(told.iter().all(named), "{told:?}");
            let different: std::collections::BTreeSet<&String> = told.iter().collect();
            assert_eq!(different.len(), told.len());
        }
    }

    #[test]
    fn the_command_is_told_where_there_is_one_and_with_it_how_to_look() {
        let process = Some(ProcessIdentity { pid: 77, pidfs_inode: 1, start_ticks: 1 });
        let receipt = Receipt { process, ..Receipt::default() };
        let resume = Undo::ResumeService { service: "demo".into() };
        assert_eq!(resume.by_hand(&receipt).as_deref(), Some("kill -CONT 77"));
        assert!(resume.when_left(&receipt).contains("ps -o stat= -p 77"));
        assert_eq!(resume.by_hand(&Receipt::default()), None, "it is not known whom");
        let address = Some(([127, 0, 0, 1], 9102).into());
        let close = Undo::CloseProxy { proxy: "p".into() };
        assert!(close.when_left(&Receipt { address, ..Receipt::default() }).contains("ss -Hltn 'sport = :9102'"));
    }
}
