//! Every rule there is, with what feeds it. `docs/ADVICE.md` shows this table, and a test keeps the two the same.

use super::{Finder, alert, errors, isolation, latency, leak, measurement, proxies, recovery, resources, target};

/// What a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// The system under test: it needs a fault that was really injected.
    System,
    /// The run itself.
    Measurement,
}

/// One rule.
pub struct Rule {
    /// Its id, such as `R04`.
    pub id: &'static str,
    /// What it is about.
    pub about: About,
    /// What it sees.
    pub pattern: &'static str,
    /// What must be in the experiment so that it can fire; for a rule that nothing feeds yet, what is missing.
    pub fed_by: &'static str,
    /// The functions that look for the pattern; none where nothing feeds the rule yet.
    pub(super) finders: &'static [Finder],
}

impl Rule {
    /// Whether anything feeds it.
    pub fn can_fire(&self) -> bool {
        !self.finders.is_empty()
    }
}

const fn system(id: &'static str, pattern: &'static str, fed_by: &'static str, finders: &'static [Finder]) -> Rule {
    Rule { id, about: About::System, pattern, fed_by, finders }
}

const fn measurement(
    id: &'static str,
    pattern: &'static str,
    fed_by: &'static str,
    finders: &'static [Finder],
) -> Rule {
    Rule { id, about: About::Measurement, pattern, fed_by, finders }
}

/// All rules, in the order in which their advice is given.
pub const RULES: [Rule; 26] = [
    system(
        "R00",
        "the whole injected delay reaches the caller of a probe whose limit on the latency broke: nothing cuts it off",
        "a latency fault on a proxy; `http` or `tcp` probe with a limit on the latency",
        &[latency::r00_the_delay_passes_through],
    ),
    system(
        "R01",
        "the delay reaches the caller 1.8 times or more (lower bound): calls in sequence, or a chain of retries",
        "a latency fault on a proxy; `http` or `tcp` probe",
        &[latency::r01_calls_in_sequence],
    ),
    system(
        "R02",
        "1.5 times as many requests pass the proxy for each one sent, or more (bounds compared): retry amplification",
        "an HTTP proxy (`protocol: http`, or any `http.*` fault on it); `http` or `tcp` probe",
        &[proxies::r02_retry_amplification],
    ),
    system(
        "R03",
        "5 % of the samples or more take the same time (2 %), twice the p99 of before or more: somebody's timeout",
        "any fault that makes somebody wait; `http` or `tcp` probe",
        &[latency::r03_piles_up_at_a_timeout],
    ),
    system(
        "R04",
        "more than 5 % of the samples have no answer within the probe's timeout: no timeout in the path",
        "any fault; any probe with a timeout below the system's own",
        &[latency::r04_no_timeout],
    ),
    system(
        "R05",
        "touched requests take twice as long as before, or longer, although the dependency fails at once",
        "`http.error`, `http.abort` or `process.kill`; `http` or `tcp` probe",
        &[errors::r05_fails_slowly],
    ),
    system(
        "R06",
        "significantly more errors than before, 10 s and more after the verified undo",
        "any fault; any probe; `recovery.within` above 10 s",
        &[recovery::r06_errors_long_after],
    ),
    system(
        "R07",
        "recovery takes longer than the fault lasted; or, at equal load, fewer than 90 % of the good answers of before \
         for 30 s",
        "any fault; any probe; for the second, `recovery.within` of 30 s or more",
        &[recovery::r07_backlog],
    ),
    system(
        "R08",
        "back after a part of the fault's own time where packets were dropped, at once where they were refused: TCP \
         backs off",
        "nothing yet: our proxy acknowledges what a client sends, so only a fault on packets can show it",
        &[],
    ),
    system(
        "R09",
        "errors last at least as long as the DNS entry of a replaced target",
        "nothing yet: no fault changes what a name resolves to",
        &[],
    ),
    system(
        "R10",
        "at least twice as many errors as traffic was touched (lower bound; at most half was touched): a shared pool is \
         poisoned",
        "a fault on a share of a proxy's traffic; any probe",
        &[errors::r10_shared_pool],
    ),
    system(
        "R11",
        "as many errors as traffic was touched, from the beginning to the end: no failover",
        "`http.error`, `http.abort`, `http.timeout`, `process.kill` or `process.pause`; any probe",
        &[errors::r11_no_failover],
    ),
    system(
        "R12",
        "what does not use the broken dependency gets worse by 10 % or more (confirmed): shared threads or a shared pool",
        "any fault on a proxy or a service; a probe that names it in `independent_of`",
        &[isolation::r12_not_isolated],
    ),
    system(
        "R13",
        "requests under way stay at one number N (5 %) while N / delay of them pass, fewer than before: a pool of N is \
         exhausted",
        "a latency fault on an HTTP proxy (`protocol: http`); load above N / delay",
        &[proxies::r13_pool_exhausted],
    ),
    system(
        "R14",
        "one or two restarts that the fault did not cause",
        "`process` probe with `measure: restarts`; out-of-memory kills are seen as restarts only",
        &[target::r14_crashes],
    ),
    system(
        "R15",
        "three restarts or more: a crash loop",
        "`process` probe with `measure: restarts`",
        &[target::r15_crash_loop],
    ),
    system(
        "R16",
        "the health check is fine while users are not for 10 s or more; or the other way round",
        "two `http` probes, one of them of a path like `/health` or `/ready`",
        &[target::r16_shallow_health_check, target::r16_deep_health_check],
    ),
    system(
        "R17",
        "the alert fires more than 60 s after the probes were sure, or never while the fault goes on for that long",
        "`prometheus` probe over `ALERTS`, such as `count(ALERTS{alertname=\"Down\",alertstate=\"firing\"}) or vector(0)`",
        &[alert::r17_late_alert],
    ),
    system(
        "R18",
        "a write that was acknowledged is lost or corrupt",
        "nothing yet: no probe writes, remembers what was acknowledged and reads it again",
        &[],
    ),
    system(
        "R19",
        "one request has its effect twice",
        "nothing yet: `http.duplicate` sends requests twice, but no probe counts effects",
        &[],
    ),
    system(
        "R20",
        "stale or reordered reads after recovery",
        "nothing yet: no probe knows the order of what it reads",
        &[],
    ),
    system(
        "R21",
        "1.2 times the memory, descriptors, threads or connections of before, or more, once it is back: a leak opened \
         by the failure path",
        "`recovery.watch` longer than the fault (above 60 s at most); `process` probe with `measure: memory`, \
         `open_files` or `threads`, or an HTTP proxy",
        &[leak::r21_leak],
    ),
    system(
        "R22",
        "1.5 times the CPU time of before, or more, for fewer answers: a hot retry loop or a storm of logs",
        "`process` probe with `measure: cpu`, beside any other",
        &[resources::r22_busy_for_nothing],
    ),
    measurement(
        "R23",
        "the dose is verified, everything held, nothing got worse, and 10 % worse would have shown: tolerance confirmed",
        "any fault with a dose; enough samples",
        &[measurement::r23_tolerance_confirmed],
    ),
    measurement(
        "R24",
        "the fault was not effective: the run is invalid",
        "any fault with a dose",
        &[measurement::r24_not_effective],
    ),
    measurement(
        "R25",
        "the measurement is limited: restless baseline, load that drifts, a saturated generator, an early stop",
        "any run",
        &[measurement::r25_limited],
    ),
];

#[cfg(test)]
mod tests {
    use super::{RULES, Rule};

    const DOCUMENT: &str = include_str!("../../../docs/ADVICE.md");

    fn row(rule: &Rule) -> String {
        let spaced = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
        let fed_by = spaced(rule.fed_by).replace("nothing yet:", "**nothing yet:**");
        format!("| {} | {} | {fed_by} |", rule.id, spaced(rule.pattern))
    }

    #[test]
    fn the_document_shows_this_table() {
        let table: Vec<String> = RULES.iter().map(row).collect();
        let shown: Vec<&str> = DOCUMENT.lines().filter(|line| line.starts_with("| R")).collect();
        assert!(shown == table, "put these rows into docs/ADVICE.md:\n{}", table.join("\n"));
    }

    #[test]
    fn rules_are_numbered_without_a_gap_and_those_that_cannot_fire_say_so() {
        for (number, rule) in RULES.iter().enumerate() {
            assert_eq!(rule.id, format!("R{number:02}"));
            assert_eq!(rule.can_fire(), !rule.fed_by.starts_with("nothing yet"), "{}", rule.id);
        }
    }
}
