//! What `chaos validate` found -> JSON.

use serde::Serialize;

use crate::diagnostic::Located;

/// Version of the JSON format.
const FORMAT: u32 = 1;

/// What came of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileReport {
    /// As it was named.
    pub file: String,
    /// Whether it can be run.
    pub state: FileState,
    /// What is wrong or risky, in the order of the file.
    pub problems: Vec<Located>,
}

/// Whether a file can be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FileState {
    /// It can.
    Ok,
    /// It can, but something in it is risky.
    Warned,
    /// It cannot.
    Refused,
}

/// All files as one document, which ends with a line break.
///
/// # Errors
/// When it cannot be written as JSON, which would be our bug.
pub fn json(files: &[FileReport]) -> serde_json::Result<String> {
    #[derive(Serialize)]
    struct Document<'f> {
        format: u32,
        state: FileState,
        files: &'f [FileReport],
    }
    let state = files.iter().map(|file| file.state).max().unwrap_or(FileState::Ok);
    Ok(serde_json::to_string_pretty(&Document { format: FORMAT, state, files })? + "\n")
}
