//! Whether what a command of the experiment's did is undone: one rule for all who run such undos, be it the tool, its
//! guardian or a rollback.

use super::dose::InPlace;

/// How it stands with what a command did, once its undo was run; each with what tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AfterUndo {
    /// It is undone.
    Undone(String),
    /// It is in place still.
    InPlace(String),
    /// Nobody knows, which is never undone.
    Unknown(String),
}

/// Judges by how the undo ended (well is exit code 0) and by what the check says, where there is one. Both must say that it is
/// undone: an exit code is a promise and no evidence, and a check sees one thing where an undo may have more to do.
pub fn judge(ended: Result<(), String>, check: Option<InPlace>) -> AfterUndo {
    match (ended, check) {
        (Ok(()), None) => AfterUndo::Undone("its undo ended with exit code 0".to_owned()),
        (Ok(()), Some(InPlace::No)) => {
            AfterUndo::Undone("its undo ended with exit code 0, and its check says that it is undone".to_owned())
        }
        (Ok(()), Some(InPlace::Yes | InPlace::Ended)) => AfterUndo::InPlace(
            "its undo ended with exit code 0, but its check says that it is in place still".to_owned(),
        ),
        (Ok(()), Some(InPlace::Unknown(why))) => {
            AfterUndo::Unknown(format!("its undo ended with exit code 0, but whether it is undone is not known: {why}"))
        }
        (Err(why), None) => AfterUndo::Unknown(format!("{why}; nothing else tells whether it is undone")),
        (Err(why), Some(InPlace::No)) => {
            AfterUndo::Unknown(format!("{why}, although its check says that it is undone"))
        }
        (Err(why), Some(InPlace::Yes | InPlace::Ended)) => {
            AfterUndo::InPlace(format!("{why}, and its check says that it is in place still"))
        }
        (Err(why), Some(InPlace::Unknown(unknown))) => {
            AfterUndo::Unknown(format!("{why}, and whether it is undone is not known: {unknown}"))
        }
    }
}

impl AfterUndo {
    /// How it was undone, or why it must be taken for not undone.
    pub fn result(self) -> Result<String, String> {
        match self {
            Self::Undone(how) => Ok(how),
            Self::InPlace(why) | Self::Unknown(why) => Err(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{AfterUndo, judge};
    use crate::model::dose::InPlace;

    #[test]
    fn it_is_undone_only_where_nothing_says_otherwise() {
        let unknown = || InPlace::Unknown("exit code 2".to_owned());
        let table = [
            // The undo ended well, what the check says, and what follows.
            (true, None, "undone"),
            (true, Some(InPlace::No), "undone"),
            (true, Some(InPlace::Yes), "in place"),
            (true, Some(InPlace::Ended), "in place"),
            (true, Some(unknown()), "unknown"),
            (false, None, "unknown"),
            (false, Some(InPlace::No), "unknown"),
            (false, Some(InPlace::Yes), "in place"),
            (false, Some(InPlace::Ended), "in place"),
            (false, Some(unknown()), "unknown"),
        ];
        for (well, check, expected) in table {
            let ended = if well { Ok(()) } else { Err("exit code 1".to_owned()) };
            let judged = judge(ended, check.clone());
            let word = match &judged {
                AfterUndo::Undone(_) => "undone",
                AfterUndo::InPlace(_) => "in place",
                AfterUndo::Unknown(_) => "unknown",
            };
            assert_eq!(word, expected, "{well} {check:?}");
            assert_eq!(judged.result().is_ok(), expected == "undone", "{well} {check:?}");
        }
    }

    #[test]
    fn what_failed_is_in_the_words() {
        let said =
            |ended: Result<(), &str>, check| judge(ended.map_err(Into::into), check).result().expect_err("not undone");
        assert!(said(Err("exit code 1"), Some(InPlace::No)).starts_with("exit code 1"));
        assert!(said(Ok(()), Some(InPlace::Unknown("it was killed".into()))).ends_with("it was killed"));
    }
}
