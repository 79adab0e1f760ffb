//! What a fault acts on: how a target is written, and the processes that were found for it.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::glob::Glob;
use super::step::ProcessIdentity;

/// What a fault acts on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// A proxy of the experiment.
    Proxy(String),
    /// Processes of this machine.
    Process(ProcessTarget),
    /// This machine.
    Host,
}

/// The kinds of targets, to say which a fault takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetKind {
    /// `{ proxy: NAME }`
    Proxy,
    /// `{ process: { service: NAME } }` and the other ways to name a process
    Process,
    /// `{ host: local }`
    Host,
}

impl TargetKind {
    /// How such a target is written.
    pub const fn example(self) -> &'static str {
        match self {
            Self::Proxy => "{ proxy: NAME }",
            Self::Process => "{ process: { service: NAME } }",
            Self::Host => "{ host: local }",
        }
    }
}

impl Target {
    /// The process of one of the experiment's own services.
    pub fn service(name: impl Into<String>) -> Self {
        Self::Process(ProcessTarget { by: Selector::Service(name.into()), children: false })
    }

    /// Of which kind it is.
    pub const fn kind(&self) -> TargetKind {
        match self {
            Self::Proxy(_) => TargetKind::Proxy,
            Self::Process(_) => TargetKind::Process,
            Self::Host => TargetKind::Host,
        }
    }

    /// The processes that are meant, where it is processes.
    pub const fn process(&self) -> Option<&ProcessTarget> {
        match self {
            Self::Process(target) => Some(target),
            Self::Proxy(_) | Self::Host => None,
        }
    }

    /// For people: `proxy generator`, `service demo`, `this machine`.
    pub fn describe(&self) -> String {
        match self {
            Self::Proxy(name) => format!("proxy {name}"),
            Self::Process(target) => target.to_string(),
            Self::Host => "this machine".to_owned(),
        }
    }
}

/// Processes, and how they are found. What it matches is looked up just before a fault hits it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProcessTarget {
    /// How they are found.
    pub by: Selector,
    /// Whether all that they started, and what those started, is meant, too.
    #[serde(default)]
    pub children: bool,
}

/// How processes are found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Selector {
    /// One of the experiment's own services.
    Service(String),
    /// The name of the program as the kernel has it; of names longer than 15 bytes the program's file name counts.
    Name(String),
    /// A process id.
    Pid(i32),
    /// A file that holds a process id.
    PidFile(PathBuf),
    /// A pattern for the whole command line, its words joined by spaces.
    Command(Glob),
    /// A TCP port that they listen on, in our own network namespace.
    Port(u16),
}

impl Selector {
    /// The service that is meant, where it is one.
    pub fn service(&self) -> Option<&str> {
        match self {
            Self::Service(name) => Some(name),
            _ => None,
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(name) => write!(f, "service {name}"),
            Self::Name(name) => write!(f, "processes named {name}"),
            Self::Pid(pid) => write!(f, "pid {pid}"),
            Self::PidFile(path) => write!(f, "the process in {}", path.display()),
            Self::Command(pattern) => write!(f, "processes started as `{pattern}`"),
            Self::Port(port) => write!(f, "processes that listen on port {port}"),
        }
    }
}

impl fmt::Display for ProcessTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.by, if self.children { " with all that they started" } else { "" })
    }
}

/// A process that was chosen to be hit: who it is, and as what it was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Victim {
    /// Who it is.
    pub process: ProcessIdentity,
    /// What the kernel calls it.
    pub name: String,
    /// The service of the experiment whose first process it is, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
}

impl fmt::Display for Victim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.service {
            Some(service) => write!(f, "service {service} ({})", self.process),
            None => write!(f, "{} ({})", self.name, self.process),
        }
    }
}

/// Whom a step hits. It is in the journal before the step is done, so that whoever undoes it knows them by identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Victims {
    /// How they are found.
    pub target: ProcessTarget,
    /// Those that were chosen just before; empty in a plan, which looks at nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chosen: Vec<Victim>,
}

impl Victims {
    /// Their identities.
    pub fn identities(&self) -> impl Iterator<Item = &ProcessIdentity> {
        self.chosen.iter().map(|victim| &victim.process)
    }

    /// Their pids as a command takes them: `7 8`; none when nobody was chosen.
    pub fn pids(&self) -> Option<String> {
        let pids: Vec<String> = self.identities().map(|process| process.pid.to_string()).collect();
        (!pids.is_empty()).then(|| pids.join(" "))
    }
}

impl fmt::Display for Victims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.chosen.as_slice() {
            [] => self.target.fmt(f),
            chosen => {
                let named: Vec<String> = chosen.iter().map(ToString::to_string).collect();
                f.write_str(&named.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ProcessTarget, Selector, Target, Victim, Victims};
    use crate::model::step::ProcessIdentity;

    #[test]
    fn before_anybody_is_chosen_the_selector_is_told_and_afterwards_the_processes() {
        let target = ProcessTarget { by: Selector::Name("nginx".into()), children: true };
        let mut victims = Victims { target, chosen: Vec::new() };
        assert_eq!(victims.to_string(), "processes named nginx with all that they started");
        assert_eq!(victims.pids(), None);
        for pid in [7, 8] {
            let process = ProcessIdentity { pid, pidfs_inode: 1, start_ticks: 1 };
            victims.chosen.push(Victim { process, name: "nginx".into(), service: None });
        }
        assert_eq!(victims.to_string(), "nginx (pid 7), nginx (pid 8)");
        assert_eq!(victims.pids().as_deref(), Some("7 8"));
    }

    #[test]
    fn a_service_is_told_by_its_name_as_its_owner_knows_it() {
        assert_eq!(Target::service("demo").describe(), "service demo");
    }
}
