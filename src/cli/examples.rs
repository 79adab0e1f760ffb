//! What one types: examples for the help of each verb.

/// Examples of each verb, a command line each.
const EXAMPLES: [(&str, &[&str]); 16] = [
    (
        "run",
        &[
            "chaos run experiments/slow-dependency-with-fallback.yaml",
            "chaos run experiments/slow-line.yaml --dry-run",
            "chaos run experiments --tag demo --fail-fast --report suite.xml --report suite.html",
            "chaos run experiments/slow-line.yaml --repeat 5",
        ],
    ),
    (
        "plan",
        &[
            "chaos plan experiments/slow-dependency-with-fallback.yaml",
            "chaos plan experiments/slow-line.yaml --output json",
        ],
    ),
    ("validate", &["chaos validate experiments", "chaos validate experiments --policy docs/policy.example.yaml"]),
    ("rollback", &["chaos rollback --all", "chaos rollback --scan"]),
    ("stop", &["chaos stop", "chaos stop --all"]),
    ("doctor", &["chaos doctor", "chaos doctor --output json", "chaos doctor --print-unit > chaos-rollback.service"]),
    ("report", &["chaos report latest", "chaos report latest --format html > report.html"]),
    ("history", &["chaos history", "chaos history --output json"]),
    ("compare", &["chaos compare 01a1fc08 latest", "chaos compare 01a1fc08 latest --fail-on regression"]),
    ("demo", &["chaos demo", "chaos demo --timeout 150ms --fallback", "chaos demo --attempts 3 --backoff 10ms"]),
    ("proxy", &["chaos proxy", "chaos proxy --config proxies.json"]),
    (
        "completions",
        &[
            "chaos completions bash > ~/.local/share/bash-completion/completions/chaos",
            "chaos completions fish > ~/.config/fish/completions/chaos.fish",
        ],
    ),
    ("probes", &["chaos probes", "chaos probes http", "chaos probes --output json"]),
    ("man", &["chaos man", "chaos man --dir /usr/local/share/man/man1"]),
    ("help", &["chaos help run", "chaos help exit-codes", "chaos help safety"]),
    ("", &["chaos doctor", "chaos run experiments/slow-dependency-with-fallback.yaml", "chaos help safety"]),
];

/// What stands below the help of a verb (of the tool itself where it has no name): its examples, and what else there is to
/// say.
pub(super) fn below(verb: &str, rest: &str) -> String {
    let lines = EXAMPLES.iter().filter(|(known, _)| *known == verb).flat_map(|(_, lines)| *lines);
    let lines: String = lines.map(|line| format!("  {line}\n")).collect();
    let text = format!("Examples:\n{lines}\n{rest}");
    text.trim_end().to_owned()
}
