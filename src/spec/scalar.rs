//! What a word without quotes means: the core schema of YAML 1.2 (section 10.3.2).

/// A plain word, resolved.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Plain<'t> {
    /// Nothing, `~`, `null`.
    Null,
    /// `true`, `false`.
    Bool(bool),
    /// A whole number.
    Unsigned(u64),
    /// A negative whole number.
    Signed(i64),
    /// Any other number.
    Float(f64),
    /// Anything else.
    Text(&'t str),
}

/// Resolves a plain word.
pub fn resolve(text: &str) -> Plain<'_> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Plain::Null,
        "true" | "True" | "TRUE" => Plain::Bool(true),
        "false" | "False" | "FALSE" => Plain::Bool(false),
        _ => number(text).unwrap_or(Plain::Text(text)),
    }
}

fn number(text: &str) -> Option<Plain<'_>> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if let Some(float) = special(digits) {
        return Some(Plain::Float(if negative { -float } else { float }));
    }
    let based = |base, digits: &str| {
        let fits = digits.bytes().all(|b| b.is_ascii_alphanumeric());
        u64::from_str_radix(digits, base).ok().filter(|_| fits).map(Plain::Unsigned)
    };
    if let Some(hexadecimal) = text.strip_prefix("0x") {
        return based(16, hexadecimal);
    }
    if let Some(octal) = text.strip_prefix("0o") {
        return based(8, octal);
    }
    let whole = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    match (whole, negative) {
        (true, false) if digits.parse::<u64>().is_ok() => digits.parse().ok().map(Plain::Unsigned),
        (true, true) if text.parse::<i64>().is_ok() => text.parse().ok().map(Plain::Signed),
        _ => decimal(digits).then(|| text.parse().ok().map(Plain::Float)).flatten(),
    }
}

fn special(digits: &str) -> Option<f64> {
    match digits {
        ".inf" | ".Inf" | ".INF" => Some(f64::INFINITY),
        ".nan" | ".NaN" | ".NAN" => Some(f64::NAN),
        _ => None,
    }
}

/// Whether it is digits with at most a point and an exponent: Rust alone would also read `inf` and `nan`.
fn decimal(digits: &str) -> bool {
    let begins = digits.trim_start_matches('.').starts_with(|c: char| c.is_ascii_digit());
    begins && digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'))
}

#[cfg(test)]
mod tests {
    use serde_yaml::Value;

    use super::{Plain, resolve};

    #[test]
    fn words_mean_what_the_yaml_library_says_they_mean() {
        let words = "~ null true TRUE yes on 0 5 -5 +5 007x 0x1f 0o17 1.5 -1.5 1e3 1.e3 .5 inf nan 5% 30s 1_000 e5 . -";
        for word in words.split(' ') {
            let same = match (resolve(word), serde_yaml::from_str::<Value>(word).unwrap_or(Value::String(word.into())))
            {
                (Plain::Null, Value::Null) => true,
                (Plain::Bool(ours), Value::Bool(theirs)) => ours == theirs,
                (Plain::Unsigned(ours), Value::Number(theirs)) => theirs.as_u64() == Some(ours),
                (Plain::Signed(ours), Value::Number(theirs)) => theirs.as_i64() == Some(ours),
                (Plain::Float(ours), Value::Number(theirs)) => theirs.as_f64() == Some(ours),
                (Plain::Text(ours), theirs) => theirs.as_str() == Some(ours) || word == "-",
                _ => false,
            };
            assert!(same, "{word}: {:?}", resolve(word));
        }
    }

    #[test]
    fn numbers_too_large_for_whole_ones_are_not_lost() {
        assert_eq!(resolve("99999999999999999999"), Plain::Float(1e20));
        assert!(matches!(resolve(".nan"), Plain::Float(n) if n.is_nan()));
        assert_eq!(resolve("-.inf"), Plain::Float(f64::NEG_INFINITY));
    }
}
