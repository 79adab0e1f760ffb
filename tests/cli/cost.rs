//! What a long run costs once it is over: memory a sample, and the time a report takes. Each report is made in a process of
//! its own, which is looked at while it waits for somebody to read what it wrote.
//!
//! Ten probes at 200 samples a second for ten minutes are 1.2 million samples; they shall fit into 64 MiB with all that
//! the analysis makes of them. `cargo bench --bench cost` measures a whole run.

use std::io::Read;

use serde_json::Value;

use crate::experiments::Ports;
use crate::files;
use crate::slots::Company;
use crate::support::{Invocation, Sandbox};

const PROBES: u64 = 10;
/// A sample of each probe every 5 ms.
const INTERVAL_NS: u64 = 5_000_000;
/// 64 MiB for 1.2 million samples.
const BYTES_A_SAMPLE: u64 = (64 << 20) / 1_200_000;

/// What a process has used.
#[derive(Debug)]
struct Used {
    samples: u64,
    peak_bytes: u64,
    cpu_seconds: f64,
}

/// Makes the record of a real run longer by a factor up to the rollback (what comes after it lasts a moment in long runs,
/// too), with ten probes that sample 200 times a second; says how many samples that are.
fn stretch(sandbox: &Sandbox, events: &[Value], factor: u64) -> u64 {
    let at_ns = |event: &Value| event["at_ns"].as_u64().expect("a time");
    let rollback = events.iter().find(|event| event["phase"] == "rollback" && event["event"] == "phase_started");
    let rollback = at_ns(rollback.expect("it is rolled back"));
    let time = |event: &Value| match at_ns(event) {
        at if at <= rollback => at * factor,
        at => rollback * factor + (at - rollback),
    };
    let mut text = String::new();
    let (mut samples, mut phase) = (0, (0, Value::Null));
    for event in events.iter().filter(|event| event["event"] != "sample") {
        let (mut event, at) = (event.clone(), time(event));
        if ["baseline", "observe", "recovery"].map(Value::from).contains(&phase.1) {
            for due in (phase.0 / INTERVAL_NS..at / INTERVAL_NS).map(|n| n * INTERVAL_NS) {
                for probe in 0..PROBES {
                    let done = due + 1_000_000 + due.wrapping_mul(7919 + probe) % 1_000_000;
                    text += &format!(
                        "{{\"at_ns\":{done},\"event\":\"sample\",\"probe\":{probe},\"phase\":{},\"intended_ns\":{due},\
                         \"sent_ns\":{due},\"done_ns\":{done},\"outcome\":\"ok\"}}\n",
                        phase.1
                    );
                    samples += 1;
                }
            }
            phase.0 = at;
        }
        if event["event"] == "phase_started" {
            phase = (at, event["phase"].clone());
        }
        event["at_ns"] = at.into();
        if event["event"] == "run_started" {
            let probe = event["experiment"]["steady_state"][0].clone();
            let named = |n| {
                let mut probe = probe.clone();
                probe["name"] = format!("ask {n}").into();
                probe
            };
            event["experiment"]["steady_state"] = (0..PROBES).map(named).collect();
        }
        text += &format!("{event}\n");
    }
    #[allow(clippy::disallowed_methods, reason = "a test makes up a record")]
    std::fs::write(sandbox.run_folder().join("events.jsonl"), text).expect("writes");
    samples
}

/// Looks at a process when it has begun to write more than a pipe takes: all its work is done.
fn used(report: Invocation, samples: u64) -> Used {
    let mut running = report.start();
    let mut first = [0];
    running.0.stdout.as_mut().expect("piped").read_exact(&mut first).expect("it writes");
    let read =
        |name: &str| std::fs::read_to_string(format!("/proc/{}/{name}", running.0.id())).expect("it waits for us");
    let status = read("status");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")).expect("a peak");
    let stat = read("stat");
    let after_name: Vec<&str> = stat.rsplit(") ").next().expect("fields").split(' ').collect();
    let ticks: f64 = after_name[11..13].iter().map(|ticks| ticks.parse::<f64>().expect("ticks")).sum();
    Used {
        samples,
        peak_bytes: peak.parse::<u64>().expect("a number") * 1024,
        cpu_seconds: ticks / rustix::param::clock_ticks_per_second() as f64,
    }
}

#[test]
fn a_million_samples_take_little_memory_and_their_report_little_time() {
    let sandbox = Sandbox::new();
    let text = files::bypassed();
    sandbox.write("a.yaml", &text);
    let run = sandbox.chaos(["run", "a.yaml"]).args(Ports::new().variables(&text));
    run.in_company(Company::SideBySide).done().exits(6);
    let events = sandbox.events();
    let [few, many] = [1, 40].map(|factor| {
        let samples = stretch(&sandbox, &events, factor);
        used(sandbox.chaos(["report", "latest", "--format", "html"]), samples)
    });
    assert!(many.samples > 200_000 && few.samples < many.samples / 10, "{few:?} {many:?}");
    let a_sample = many.peak_bytes.saturating_sub(few.peak_bytes) / (many.samples - few.samples);
    assert!(a_sample <= BYTES_A_SAMPLE, "{a_sample} bytes a sample: {few:?} {many:?}");
    // Without optimisation it takes some ten times as long; a report that takes seconds then is one that is looked at twice.
    let limit = if crate::binary::is_optimised() { 5e-6 } else { 100e-6 };
    let time = (many.cpu_seconds - few.cpu_seconds) / (many.samples - few.samples) as f64;
    assert!(time <= limit, "{:.1} us a sample: {few:?} {many:?}", time * 1e6);
}
