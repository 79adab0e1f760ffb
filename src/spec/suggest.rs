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
    if let Some(candidate) = nearest(word, candidates.iter().copied()) {
        return format!("did you mean `{candidate}`?");
    }
    match related(word, candidates).as_slice() {
        [] => one_of(candidates),
        [one] => format!("did you mean `{one}`?"),
        some => one_of(some),
    }
}

/// Of words with points, such as `network.latency`, those that share a part with the word.
fn related<'c>(word: &str, candidates: &[&'c str]) -> Vec<&'c str> {
    let parts: Vec<String> = normal(word).split(['.', '_']).filter(|part| part.len() > 2).map(str::to_owned).collect();
    let meant = |candidate: &&&str| {
        let mut theirs = candidate.split('.');
        candidate.contains('.') && theirs.any(|theirs| parts.iter().any(|ours| ours == theirs))
    };
    candidates.iter().take(MOST_CANDIDATES).filter(meant).copied().collect()
}

/// `write one of A, B, C`.
pub fn one_of(candidates: &[&str]) -> String {
    const SHOWN: usize = 40;
    let mut quoted: Vec<String> = candidates.iter().take(SHOWN).map(|candidate| format!("`{candidate}`")).collect();
    if candidates.len() > SHOWN {
        quoted.push("...".to_owned());
    }
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

    #[test]
    fn a_part_of_a_word_with_points_is_enough() {
        let words = ["network.latency", "http.latency", "cpu.stress", "disk.stress", "process.kill"];
        assert_eq!(hint("kill", &words), "did you mean `process.kill`?");
        assert_eq!(hint("latency", &words), "write `network.latency` or `http.latency`");
        assert_eq!(hint("cpu", &words), "did you mean `cpu.stress`?");
        assert_eq!(hint("network.delay", &words), "did you mean `network.latency`?");
    }
}
