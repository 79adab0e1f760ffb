//! The first record of a journal: whose it is.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::host::{Trouble, process, system};
use crate::model::step::ProcessIdentity;

/// Grows when a record changes its meaning.
pub const FORMAT: u32 = 3;

/// Whose journal this is, and in which boot of the machine it was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Version of the file's format: 3; 2 named the service that a step hit, not its process; 1 knew no parts.
    pub journal: u32,
    /// The run's id.
    pub run: String,
    /// The version of the tool.
    pub tool: String,
    /// The boot of the machine; identities of processes mean nothing in another one.
    pub boot: String,
    /// The process that makes the run.
    pub owner: ProcessIdentity,
    /// Where the records are that need not outlive this boot; with the others when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volatile: Option<PathBuf>,
}

impl Header {
    /// The header of a run that this process makes, here and now.
    pub fn ours(run: &str) -> Result<Self, Trouble> {
        Ok(Self {
            journal: FORMAT,
            run: run.to_owned(),
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            boot: system::boot().map_err(|error| Trouble::new("read the id of this boot", error))?,
            owner: process::this().ok_or_else(|| Trouble::new("read our own identity", "is /proc mounted?"))?,
            volatile: None,
        })
    }
}
