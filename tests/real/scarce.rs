//! Runs where something that is taken for granted is scarce.

use chaos::host::clock::Clock;
use rustix::process::Signal;

use crate::outside::{Seen, look};
use crate::run::{Home, free_ports};

/// A paused service keeps our requests waiting until we have no descriptor left; it must be let go on all the same.
#[tokio::test]
async fn a_paused_service_goes_on_also_when_no_descriptors_are_left() {
    let ports @ [gateway, ..] = free_ports::<3>();
    let experiment = paused(ports) + "baseline: 1s\nrecovery: { within: 1s }\n";
    let home = Home::new();
    let mut command = home.command_in_a_shell("ulimit -n 48;", &experiment);
    let ended = home.start_as(&mut command).ended().await;
    assert_eq!(ended.report["residue"], serde_json::json!([]), "{}", ended.home.told());
    assert_eq!(ended.report["doses"][0]["status"], "effective", "{}", ended.home.told());
    let blind = &ended.report["probes"][0]["fault"]["blind"];
    assert_eq!(blind[0]["outcome"], "saturated", "descriptors were scarce: {blind}");
    assert_eq!(look(&ended.home, &[gateway]), Seen::default());
}

fn paused([gateway, retriever, generator]: [u16; 3]) -> String {
    format!(
        "name: a paused service and few descriptors
services:
  - name: demo
    command: [chaos, demo, --gateway-listen, '127.0.0.1:{gateway}', --retriever-listen, '127.0.0.1:{retriever}',
              --generator-listen, '127.0.0.1:{generator}']
    ready: http://127.0.0.1:{gateway}/health
steady_state:
  - name: ask
    probe: http
    url: http://127.0.0.1:{gateway}/ask?q=chaos
    rate: 100/s
    timeout: 2s
    expect: [success_rate >= 10%]
faults:
  - {{ name: hold, fault: process.pause, target: {{ process: {{ service: demo }} }}, duration: 3s }}
"
    )
}

/// Stopped for less than its guardian waits: the fault lasted longer than it should have, but the way back is walked.
#[tokio::test]
async fn a_tool_that_was_stopped_for_a_while_goes_on_where_it_was() {
    let ports @ [gateway, ..] = free_ports::<3>();
    let experiment = paused(ports) + "baseline: 2s\nrecovery: { within: 2s }\n";
    let mut run = Home::new().start(&experiment);
    run.until_phase("observe").await;
    let pause = std::time::Duration::from_secs_f64;
    Clock::Real.sleep(pause(1.8)).await;
    run.signal(Signal::STOP);
    Clock::Real.sleep(pause(1.7)).await;
    run.signal(Signal::CONT);
    let ended = run.ended().await;
    assert_eq!(ended.report["residue"], serde_json::json!([]), "{}", ended.home.told());
    assert_eq!(look(&ended.home, &[gateway]), Seen::default());
}
