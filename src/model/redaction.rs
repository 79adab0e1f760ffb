//! Takes secrets out of bytes that pass: also one that comes in two pieces, and those that overlap.

use std::fmt;
use std::sync::Arc;

/// What stands in the place of a secret.
const STARS: &[u8] = b"***";

/// A line of a secret is one by itself, such as each of a private key, if it has so many bytes: shorter ones are found
/// everywhere.
const LINE: usize = 8;

/// The secrets that must be shown nowhere. Finds them as they are, in no other encoding.
#[derive(Clone, Default)]
pub struct Redaction {
    secrets: Arc<[Box<[u8]>]>,
}

/// Bytes on their way.
pub struct Redacting {
    secrets: Redaction,
    /// What has not passed yet, as it may be the beginning of a secret.
    held: Vec<u8>,
    /// So many bytes of what is held are of a secret that has begun.
    hidden: usize,
}

impl Redaction {
    /// Hides these, and their lines where they have several.
    pub fn of<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let with_lines = |secret: &'a str| secret.lines().filter(|line| line.len() >= LINE).chain([secret]);
        let mut all: Vec<&str> = secrets.into_iter().flat_map(with_lines).filter(|text| !text.is_empty()).collect();
        all.sort_unstable();
        all.dedup();
        Self { secrets: all.into_iter().map(|text| text.as_bytes().into()).collect() }
    }

    /// Whether there is nothing to hide.
    pub fn is_empty(&self) -> bool {
        self.secrets.is_empty()
    }

    /// For bytes that come in pieces.
    pub fn stream(&self) -> Redacting {
        Redacting { secrets: self.clone(), held: Vec::new(), hidden: 0 }
    }

    /// A text without them.
    pub fn of_text(&self, text: &str) -> String {
        if self.is_empty() {
            return text.to_owned();
        }
        let mut stream = self.stream();
        let mut passed = stream.pass(text.as_bytes());
        passed.extend(stream.rest());
        String::from_utf8_lossy(&passed).into_owned()
    }

    /// How long a secret is that stands at the beginning.
    fn longest(&self, bytes: &[u8]) -> Option<usize> {
        self.secrets.iter().filter(|secret| bytes.starts_with(secret)).map(|secret| secret.len()).max()
    }

    /// Whether more may have to come until one knows whether a secret begins here.
    fn may_begin(&self, bytes: &[u8]) -> bool {
        self.secrets.iter().any(|secret| secret.len() > bytes.len() && secret.starts_with(bytes))
    }
}

impl fmt::Debug for Redaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} secrets", self.secrets.len())
    }
}

impl fmt::Debug for Redacting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.secrets.fmt(f)
    }
}

impl Redacting {
    /// More bytes; gives those that may be shown by now.
    pub fn pass(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(bytes);
        self.shown(false)
    }

    /// Nothing more comes; gives what was held.
    pub fn rest(&mut self) -> Vec<u8> {
        self.shown(true)
    }

    fn shown(&mut self, last: bool) -> Vec<u8> {
        let mut shown = Vec::with_capacity(self.held.len());
        let mut at = 0;
        while let Some(byte) = self.held.get(at) {
            let from_here = &self.held[at..];
            if !last && self.secrets.may_begin(from_here) {
                break;
            }
            if let Some(longest) = self.secrets.longest(from_here) {
                if self.hidden == 0 {
                    shown.extend_from_slice(STARS);
                }
                self.hidden = self.hidden.max(longest);
            }
            match self.hidden {
                0 => shown.push(*byte),
                _ => self.hidden -= 1,
            }
            at += 1;
        }
        self.held.drain(..at);
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::Redaction;

    /// What passes of these pieces.
    fn passed(secrets: &[&str], pieces: &[&str]) -> String {
        let mut stream = Redaction::of(secrets.iter().copied()).stream();
        let mut all: Vec<u8> = pieces.iter().flat_map(|piece| stream.pass(piece.as_bytes())).collect();
        all.extend(stream.rest());
        String::from_utf8(all).expect("text")
    }

    #[test]
    fn a_secret_is_stars_wherever_the_pieces_end() {
        let text = "token=s3cret, again s3cret; s3cre s3crets3cret";
        for cut in 0..=text.len() {
            let (one, other) = text.split_at(cut);
            assert_eq!(passed(&["s3cret"], &[one, other]), "token=***, again ***; s3cre ******", "{cut}");
        }
        let bytes: Vec<&str> = text.split("").collect();
        assert_eq!(passed(&["s3cret"], &bytes), "token=***, again ***; s3cre ******");
    }

    #[test]
    fn secrets_that_overlap_or_hold_each_other_are_hidden_whole() {
        assert_eq!(passed(&["abc", "bcd"], &["xab", "cdx"]), "x***x");
        assert_eq!(passed(&["ab", "abcd"], &["ab", "cd", " ab", "ce"]), "*** ***ce");
        assert_eq!(passed(&["aa"], &["a", "aa", "b"]), "***b");
    }

    #[test]
    fn what_cannot_be_the_beginning_of_a_secret_passes_at_once() {
        let mut stream = Redaction::of(["s3cret"]).stream();
        assert_eq!(stream.pass(b"ready\n"), b"ready\n");
        assert_eq!(stream.pass(b"as3c"), b"a", "this may be one");
        assert_eq!(stream.pass(b"X"), b"s3cX", "it was none");
        assert_eq!((stream.pass(b"s3c"), stream.rest()), (Vec::new(), b"s3c".to_vec()), "it never will be");
    }

    #[test]
    fn each_line_of_a_secret_is_one_unless_it_is_short() {
        let key = "-----BEGIN-----\nabcdefgh\nxy\n-----END-----";
        assert_eq!(passed(&[key], &["> abcdefgh\r\n> xy\n"]), "> ***\r\n> xy\n");
        assert_eq!(passed(&[key], &[key]), "***");
    }

    #[test]
    fn without_secrets_nothing_is_held() {
        let none = Redaction::of(["", ""]);
        assert!(none.is_empty());
        assert_eq!((none.stream().pass(b"all of it"), none.of_text("x")), (b"all of it".to_vec(), "x".to_owned()));
        assert_eq!(format!("{:?}", Redaction::of(["s3cret"])), "1 secrets", "and none is printed");
    }
}
