//! The known-bad matrix: variants of the demo that each have one known mistake, against the rules of advice. Each must fire
//! exactly its rule, and their healthy twins none. Real runs of the binary against the real demo, side by side.
//!
//! A machine that is busy with something else can spoil a measurement, so a variant may be run again; what it shows three
//! times is the truth.

use std::collections::BTreeSet;
use std::fmt::Write;

use chaos::analysis::advice::catalogue::{About, RULES};
use chaos::host::output;
use serde_json::Value;

use crate::experiments::Ports;
use crate::slots::Company;
use crate::support::Sandbox;

/// So often a variant may be run.
const TRIES: usize = 3;

/// What is asked of the gateway, and what must hold of it. Wide limits: it is the advice that is tested here.
const ASK: &str = r#"{ name: ask, probe: http, url: "http://${GATEWAY}/ask?q=chaos", rate: 50/s, timeout: 1s,
      expect: [success_rate >= 80%] }"#;
const ASK_IN_TIME: &str = r#"{ name: ask, probe: http, url: "http://${GATEWAY}/ask?q=chaos", rate: 50/s, timeout: 5s,
      expect: [success_rate >= 80%, p95 <= 700ms] }"#;
const DOCUMENTS: &str = r#"{ name: documents, probe: http, url: "http://${GATEWAY}/documents?q=chaos", rate: 50/s,
      timeout: 1s, independent_of: [generator], expect: [success_rate >= 80%] }"#;
const HEALTH: &str = r#"{ name: health, probe: http, url: "http://${GATEWAY}/health", rate: 10/s, timeout: 2s,
      expect: [success_rate >= 80%, p50 <= 1s] }"#;
const FILES: &str = r#"{ name: files, probe: process, target: { service: demo }, measure: open_files, interval: 250ms,
      expect: [value < 5000] }"#;

/// A variant of the demo, and what is done to it.
struct Variant {
    name: &'static str,
    /// The one rule that fires; none for a healthy twin.
    fires: Option<&'static str>,
    demo: &'static str,
    protocol: &'static str,
    fault: &'static str,
    seconds: u32,
    recovery: &'static str,
    probes: &'static [&'static str],
}

/// What most of them have in common.
const USUAL: Variant = Variant {
    name: "",
    fires: None,
    demo: "",
    protocol: "http",
    fault: "http.error, status: 503",
    seconds: 4,
    recovery: "within: 20s",
    probes: &[ASK],
};

const VARIANTS: [Variant; 14] = [
    Variant {
        name: "no fallback before a slow dependency",
        fires: Some("R00"),
        demo: "--timeout 4s",
        protocol: "tcp",
        fault: "network.latency, delay: 1500ms",
        seconds: 5,
        probes: &[ASK_IN_TIME],
        ..USUAL
    },
    Variant {
        name: "retry storm",
        fires: Some("R02"),
        // Three failures at once cost less time than one answer, however busy the machine is: that is not R05.
        demo: "--attempts 3 --backoff 0s --fallback --pause 100ms",
        seconds: 5,
        ..USUAL
    },
    Variant {
        name: "a timeout in every answer",
        fires: Some("R03"),
        demo: "--timeout 400ms --fallback",
        protocol: "tcp",
        fault: "network.latency, delay: 1500ms",
        ..USUAL
    },
    Variant {
        name: "no timeout",
        fires: Some("R04"),
        demo: "--no-timeout",
        protocol: "tcp",
        fault: "network.latency, delay: 2s",
        ..USUAL
    },
    Variant {
        name: "stuck breaker",
        fires: Some("R06"),
        demo: "--breaker-failures 3 --stuck-breaker",
        fault: "network.down",
        seconds: 3,
        recovery: "within: 12s",
        ..USUAL
    },
    Variant {
        name: "slow recovery",
        fires: Some("R07"),
        demo: "--slow-recovery --fallback --pool 8 --queue 5000 --pause 110ms",
        recovery: "within: 30s",
        probes: &[ASK_IN_TIME],
        ..USUAL
    },
    Variant { name: "no failover", fires: Some("R11"), ..USUAL },
    Variant {
        name: "shared pool",
        fires: Some("R12"),
        demo: "--pool 8 --timeout 3s",
        protocol: "tcp",
        fault: "network.latency, delay: 800ms",
        probes: &[ASK, DOCUMENTS],
        ..USUAL
    },
    Variant {
        name: "pool exhausted",
        fires: Some("R13"),
        demo: "--pool 8 --timeout 3s",
        fault: "http.latency, delay: 800ms",
        ..USUAL
    },
    Variant {
        name: "shallow health check",
        fires: Some("R16"),
        fault: "network.down",
        seconds: 12,
        probes: &[ASK, HEALTH],
        ..USUAL
    },
    Variant {
        name: "leaking pool",
        fires: Some("R21"),
        demo: "--leaking-pool --fallback",
        recovery: "within: 20s, watch: 6s",
        probes: &[ASK, FILES],
        ..USUAL
    },
    Variant {
        name: "healthy, when it fails",
        demo: "--attempts 2 --backoff 10ms --breaker-failures 5 --breaker-cooldown 500ms --fallback --pool 64 --queue 64 \
               --health deep",
        recovery: "within: 20s, watch: 6s",
        probes: &[ASK, DOCUMENTS, HEALTH, FILES],
        ..USUAL
    },
    Variant {
        name: "healthy, when it is slow",
        demo: "--timeout 150ms --breaker-failures 3 --breaker-cooldown 1s --fallback --pool 64 --queue 64",
        fault: "http.latency, delay: 800ms",
        probes: &[ASK_IN_TIME, DOCUMENTS],
        ..USUAL
    },
    Variant {
        name: "healthy, when it is gone",
        demo: "--breaker-failures 3 --breaker-cooldown 500ms --health deep",
        fault: "network.down",
        seconds: 12,
        probes: &[ASK, HEALTH],
        ..USUAL
    },
];

impl Variant {
    fn experiment(&self) -> String {
        let Self { name, demo, protocol, fault, seconds, recovery, probes, .. } = self;
        let flags: String = demo.split_whitespace().map(|flag| format!(", \"{flag}\"")).collect();
        let probes: String = probes.iter().map(|probe| format!("  - {probe}\n")).collect();
        format!(
            r#"name: "{name}"
services:
  - name: demo
    command: [chaos, demo, --gateway-listen, "${{GATEWAY}}", --retriever-listen, "${{RETRIEVER}}",
              --generator-listen, "${{GENERATOR}}", --generator, "${{PROXY}}"{flags}]
    ready: http://${{GATEWAY}}/health
proxies:
  - {{ name: generator, listen: "${{PROXY}}", upstream: "${{GENERATOR}}", protocol: {protocol} }}
steady_state:
{probes}faults:
  - {{ name: broken generator, fault: {fault}, target: {{ proxy: generator }}, duration: {seconds}s }}
blast_radius: {{ duration: {seconds}s }}
baseline: 6s
recovery: {{ {recovery} }}
"#
        )
    }

    /// The rules that fire, and why: those about the system, as others tell what the measurement was worth.
    fn run(&self) -> (BTreeSet<String>, Value) {
        let (sandbox, ports, text) = (Sandbox::new(), Ports::new(), self.experiment());
        let file = sandbox.write("variant.yaml", &text).display().to_string();
        let run = sandbox.chaos(["run", &file, "--report", "out.json"]).args(ports.variables(&text));
        let done = run.in_company(Company::SideBySide).done();
        let report =
            std::fs::read_to_string(sandbox.path("out.json")).unwrap_or_else(|error| panic!("{error}: {done}"));
        let report: Value = serde_json::from_str(&report).expect("JSON");
        sandbox.assert_nothing_is_left(&ports.all());
        if report["doses"][0]["status"] != "effective" {
            // The machine was too busy for a steady baseline, or for the fault to bite: nothing was shown.
            return ([format!("nothing: {}", report["verdict"])].into(), report["reasons"].clone());
        }
        let rules = report["advice"].as_array().expect("advice").iter().map(|advice| text_of(&advice["rule"]));
        (rules.filter(|rule| about_the_system().any(|known| known == rule)).collect(), report["advice"].clone())
    }

    fn expected(&self) -> BTreeSet<String> {
        self.fires.into_iter().map(str::to_owned).collect()
    }

    /// The rules that fired, in the first run that was as expected, else in the last; and what went wrong before.
    fn settled(&self) -> (BTreeSet<String>, String) {
        let mut trouble = String::new();
        let mut found = BTreeSet::new();
        for _ in 0..TRIES {
            let (rules, advice) = self.run();
            found = rules;
            if found == self.expected() {
                break;
            }
            let _ = writeln!(trouble, "{}: {found:?} in place of {:?}: {advice:#}", self.name, self.fires);
        }
        (found, trouble)
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

/// The ids of the rules about the system that anything feeds.
fn about_the_system() -> impl Iterator<Item = &'static str> {
    RULES.iter().filter(|rule| rule.about == About::System && rule.can_fire()).map(|rule| rule.id)
}

/// One row for each variant, one column for each rule.
fn table(found: &[BTreeSet<String>]) -> String {
    let mut table = format!("{:38}", "");
    about_the_system().for_each(|rule| table += &format!("{rule:>4}"));
    for (variant, rules) in VARIANTS.iter().zip(found) {
        let _ = write!(table, "\n{:38}", variant.name);
        about_the_system().for_each(|rule| table += if rules.contains(rule) { "   X" } else { "   ." });
    }
    table + "\n"
}

#[test]
fn each_known_bad_variant_fires_exactly_its_rule_and_the_healthy_twins_none() {
    let settled: Vec<(BTreeSet<String>, String)> = std::thread::scope(|scope| {
        let threads: Vec<_> = VARIANTS.iter().map(|variant| scope.spawn(|| variant.settled())).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    let (found, trouble): (Vec<BTreeSet<String>>, Vec<String>) = settled.into_iter().unzip();
    let (table, trouble) = (table(&found), trouble.concat());
    output::stderr(&format!("{table}{trouble}"));
    for (variant, rules) in VARIANTS.iter().zip(&found) {
        assert_eq!(*rules, variant.expected(), "{}\n{table}{trouble}", variant.name);
    }
}
