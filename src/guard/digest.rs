//! What stands for a plan when somebody approves of it: the same experiment with the same values has the same digest on
//! every machine, and any other has another.
//!
//! Secrets that come from elsewhere are in it by their sources only: a new password needs no new approval, and nobody can
//! guess it from the digest. Other texts in the places of secrets must be in it (a variable of the environment decides
//! what a service does), but through a function that is slow to try guesses on.

use std::fmt::Write;
use std::num::NonZeroU32;

use ring::{digest, pbkdf2};
use serde::Serialize;

use crate::model::experiment::Experiment;
use crate::model::step::Step;

/// The form of what is digested; another form makes other digests.
const FORM: u32 = 1;
/// Each guess at a text that stands in the place of a secret costs so many rounds: tens of milliseconds.
const ROUNDS: NonZeroU32 = NonZeroU32::new(100_000).expect("not zero");

#[derive(Serialize)]
struct Form<'a> {
    form: u32,
    experiment: &'a Experiment,
    steps: &'a [Vec<Step>],
    sources: Vec<(String, &'a str)>,
}

/// The digest of an experiment as it was read, and of the steps it becomes on a machine that is the same everywhere:
/// `sha256:` and 64 digits.
///
/// # Errors
/// None for experiments that were read from a file; a path that is no text cannot be written.
pub fn digest(experiment: &Experiment, steps: &[Vec<Step>]) -> serde_json::Result<String> {
    let secrets = experiment.secrets();
    let sources = secrets.iter().filter_map(|(place, secret)| Some((place.clone(), secret.source()?))).collect();
    let open = digest::digest(&digest::SHA256, &serde_json::to_vec(&Form { form: FORM, experiment, steps, sources })?);
    let written: Vec<(&str, &str)> = secrets
        .iter()
        .filter(|(_, it)| it.source().is_none())
        .map(|(place, it)| (place.as_str(), it.reveal()))
        .collect();
    let whole = if written.is_empty() {
        open
    } else {
        let mut slow = [0; digest::SHA256_OUTPUT_LEN];
        let texts = serde_json::to_vec(&written)?;
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ROUNDS, open.as_ref(), &texts, &mut slow);
        digest::digest(&digest::SHA256, &[open.as_ref(), &slow].concat())
    };
    Ok(format!("sha256:{}", hexadecimal(whole.as_ref())))
}

/// 64 digits that stand for a text, as the name of a file: the SHA-256.
pub fn name_for(text: &str) -> String {
    hexadecimal(digest::digest(&digest::SHA256, text.as_bytes()).as_ref())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::digest;
    use crate::model::experiment::{Experiment, Service};
    use crate::model::secret::Secret;
    use crate::model::step::{Act, Check, Step, Undo};
    use crate::model::testing::{experiment, whom};
    use crate::model::units::Timespan;

    fn with_env(value: Secret) -> Experiment {
        let service = Service {
            name: "demo".into(),
            command: vec!["demo".into()],
            ready: None,
            ready_within: Timespan::seconds(1),
            env: [("TOKEN".to_owned(), value)].into(),
            directory: None,
            restart: false,
        };
        Experiment { services: vec![service], ..experiment() }
    }

    fn of(experiment: &Experiment) -> String {
        digest(experiment, &[]).expect("digests")
    }

    /// As the reader of files makes it from `{ from_env: NAME }`.
    fn from_env(text: &str, name: &str) -> Secret {
        let source = format!("{{from_env: {name}}}");
        let parts =
            serde::de::value::SeqDeserializer::<_, serde::de::value::Error>::new([text.to_owned(), source].into_iter());
        serde::Deserialize::deserialize(Parts(parts)).expect("a secret")
    }

    struct Parts<D>(D);

    impl<'de, D: serde::Deserializer<'de>> serde::Deserializer<'de> for Parts<D> {
        type Error = D::Error;
        fn deserialize_any<V: serde::de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.0.deserialize_seq(visitor)
        }
        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
            newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
        }
    }

    #[test]
    fn it_is_the_same_for_the_same_and_another_for_another_experiment_or_step() {
        let digested = of(&experiment());
        assert_eq!((digested.len(), digested.as_str()), (71, of(&experiment()).as_str()));
        let longer = Experiment { baseline: Timespan::seconds(6), ..experiment() };
        assert_ne!(of(&longer), digested);
        let step = Step {
            apply: Act::Pause { whom: whom("demo") },
            undo: Undo::Resume { whom: whom("demo") },
            verify: Check::Running { whom: whom("demo") },
        };
        assert_ne!(digest(&experiment(), &[vec![step]]).expect("digests"), digested);
    }

    #[test]
    fn a_new_secret_needs_no_new_approval_but_another_source_does() {
        let one = of(&with_env(from_env("old", "TOKEN")));
        assert_eq!(of(&with_env(from_env("new", "TOKEN"))), one);
        assert_ne!(of(&with_env(from_env("old", "OTHER"))), one);
    }

    #[test]
    fn a_text_that_stands_in_the_file_counts_although_it_is_never_shown() {
        let preload = |path: &str| of(&with_env(Secret::new(path)));
        assert_ne!(preload("/usr/lib/mine.so"), preload("/tmp/theirs.so"));
        assert_eq!(preload("/usr/lib/mine.so"), preload("/usr/lib/mine.so"));
    }
}
