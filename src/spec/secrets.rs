//! `{ from_env: NAME }` and `{ from_file: PATH }`: a value that stands outside of the file, so that the file can be shown
//! to everyone. As a variable (`vars`) it can be a part of a text: `Bearer ${TOKEN}`.

use std::io;
use std::path::Path;

use super::Variables;
use super::tree::{Content, NodeId, Tree};

/// More of a file is not a secret but a mistake.
pub const MOST_BYTES: u64 = 64 << 10;

/// What secrets are while an experiment is read.
#[derive(Debug, Clone, Copy, Default)]
pub enum Secrets {
    /// Not looked at: `***` stands for each, whether it is there or not.
    #[default]
    Hidden,
    /// The real ones; how the first bytes of a file are read.
    Read(fn(&Path, u64) -> io::Result<Vec<u8>>),
}

/// Where a secret stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    Environment(String),
    File(String),
}

impl Source {
    /// What a node refers to, if it is a mapping of just `from_env` or `from_file`; its place comes with it.
    pub fn of(tree: &Tree, node: NodeId) -> Option<(Self, NodeId)> {
        let Content::Mapping(entries) = &tree.node(node).content else { return None };
        let [entry] = entries.as_slice() else { return None };
        let text = tree.scalar(entry.value)?.text.clone();
        match entry.key.as_str() {
            "from_env" => Some((Self::Environment(text), entry.value)),
            "from_file" => Some((Self::File(text), entry.value)),
            _ => None,
        }
    }

    /// What is said in place of the text.
    pub fn shown(&self) -> String {
        match self {
            Self::Environment(name) => format!("{{from_env: {name}}}"),
            Self::File(path) => format!("{{from_file: {path}}}"),
        }
    }

    /// The text. An error says what is wrong and what to try, and nothing of the text.
    pub fn read(&self, variables: &Variables) -> Result<String, (String, String)> {
        let Secrets::Read(read) = variables.secrets else { return Ok("***".to_owned()) };
        match self {
            Self::Environment(name) => match variables.environment.get(name) {
                Some(text) if !text.is_empty() => Ok(text.clone()),
                _ => Err((format!("the environment has no `{name}`"), format!("set it: `{name}=... chaos run ...`"))),
            },
            Self::File(path) => {
                let trouble = |why: String| (format!("the secret in {path} cannot be read: {why}"), HELP.to_owned());
                let bytes = read(path.as_ref(), MOST_BYTES + 1).map_err(|error| trouble(error.to_string()))?;
                if bytes.len() as u64 > MOST_BYTES {
                    return Err(trouble("it is longer than 64 KiB".to_owned()));
                }
                let text = String::from_utf8(bytes).map_err(|_| trouble("it is no UTF-8 text".to_owned()))?;
                match text.trim_end_matches(['\n', '\r']) {
                    "" => Err(trouble("it is empty".to_owned())),
                    text => Ok(text.to_owned()),
                }
            }
        }
    }
}

const HELP: &str =
    "`from_file` names a file that holds the secret and nothing else; a line break at its end does not count";

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;

    use super::{Secrets, Source};
    use crate::spec::Variables;

    fn files(path: &Path, most: u64) -> io::Result<Vec<u8>> {
        match path.to_str() {
            Some("token") => Ok(b"s3cret\n".to_vec()),
            Some("large") => Ok(vec![b's'; usize::try_from(most).expect("fits")]),
            Some("binary") => Ok(vec![0xff]),
            Some("empty") => Ok(b"\n".to_vec()),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    #[test]
    fn a_secret_is_read_from_the_environment_or_from_a_file_without_its_last_line_break() {
        let environment = [("TOKEN".to_owned(), "from outside".to_owned())].into();
        let variables = Variables { environment, secrets: Secrets::Read(files), ..Variables::default() };
        assert_eq!(Source::Environment("TOKEN".into()).read(&variables), Ok("from outside".into()));
        assert_eq!(Source::File("token".into()).read(&variables), Ok("s3cret".into()));
        assert_eq!(Source::File("token".into()).read(&Variables::default()), Ok("***".into()), "nobody looked");
    }

    #[test]
    fn what_cannot_be_a_secret_is_told_without_showing_any_of_it() {
        let variables = Variables { secrets: Secrets::Read(files), ..Variables::default() };
        let cases =
            [("large", "longer than 64 KiB"), ("binary", "no UTF-8"), ("empty", "is empty"), ("gone", "not found")];
        for (path, part) in cases {
            let (told, _) = Source::File(path.into()).read(&variables).expect_err(path);
            assert!(told.contains(part) && !told.contains("sss"), "{told}");
        }
        let (told, _) = Source::Environment("NONE".into()).read(&variables).expect_err("none");
        assert_eq!(told, "the environment has no `NONE`");
    }
}
