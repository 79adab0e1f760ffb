//! "Did you mean": the word that was probably meant.

/// Further candidates are not looked at: hostile files have thousands.
const MOST_CANDIDATES: usize = 200;

/// The candidate that is nearest to the word, if one is near enough to be meant.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let word = normal(word);
    let candidates = candidates.into_iter().take(MOST_CANDIDATES);
    let measured = candidates.map(|candidate| (distance(&word, &normal(candidate)), candidate));
    let (distance, candidate) = measured.min_by_key(|(distance, _)| *distance)?;
    let allowed = (word.chars().count().max(candidate.chars().count()) / 3).clamp(1, 4);
    (distance <= allowed).then_some(candidate)
}

/// `did you mean X?`, or the list of what there is.
pub fn hint(word: &str, candidates: &[&str]) -> String {
    match nearest(word, candidates.iter().copied()) {
        Some(candidate) => format!("did you mean `{candidate}`?"),
        None => one_of(candidates),
    }
}

/// `write one of A, B, C`.
pub fn one_of(candidates: &[&str]) -> String {
    let quoted: Vec<String> = candidates.iter().take(24).map(|candidate| format!("`{candidate}`")).collect();
    match quoted.as_slice() {
        [] => "there is none to choose from".to_owned(),
        [one] => format!("write {one}"),
        [first, second] => format!("write {first} or {second}"),
        many => format!("write one of {}", many.join(", ")),
    }
}

/// Case, dashes and a lost prefix such as `SIG` do not count.
fn normal(word: &str) -> String {
    let word: String = word.chars().take(80).map(|c| if c == '-' || c == ' ' { '_' } else { c }).collect();
    let word = word.to_lowercase();
    word.strip_prefix("sig").map(str::to_owned).unwrap_or(word)
}

fn distance(word: &str, candidate: &str) -> usize {
    let shares_beginning = word.len() >= 4 && (candidate.starts_with(word) || word.starts_with(candidate));
    let distance = strsim::damerau_levenshtein(word, candidate);
    if shares_beginning && candidate.len() >= 4 { distance.min(2) } else { distance }
}

#[cfg(test)]
mod tests {
    use super::{hint, nearest};

    #[test]
    fn a_slip_of_the_finger_is_recognised() {
        let words = ["duration", "delay", "jitter", "steady_state"];
        assert_eq!(nearest("durations", words), Some("duration"));
        assert_eq!(nearest("dealy", words), Some("delay"));
        assert_eq!(nearest("steady-state", words), Some("steady_state"));
        assert_eq!(nearest("steady", words), Some("steady_state"));
        assert_eq!(nearest("SIGKILL", ["KILL", "TERM"]), Some("KILL"));
    }

    #[test]
    fn a_different_word_is_not() {
        assert_eq!(nearest("colour", ["duration", "delay"]), None);
        assert_eq!(nearest("x", ["abc"]), None);
        assert_eq!(hint("x", &["tcp", "http"]), "write `tcp` or `http`");
    }
}
