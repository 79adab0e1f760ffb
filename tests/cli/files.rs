//! Small experiments for what the committed ones do not show. They use the variables of [`Ports`].

/// The demo with its gateway on `${GATEWAY}`; nothing passes `${PROXY}`, where a proxy listens.
const DEMO: &str = "
services:
  - name: demo
    command: [chaos, demo, --gateway-listen, \"${GATEWAY}\", --retriever-listen, \"${RETRIEVER}\",
              --generator-listen, \"${GENERATOR}\"]
    ready: http://${GATEWAY}/health
proxies:
  - { name: bypassed, listen: \"${PROXY}\", upstream: \"${GENERATOR}\" }
";

const ASK: &str = "
steady_state:
  - name: ask
    probe: http
    url: http://${GATEWAY}/ask?q=chaos
    rate: 20/s
    timeout: 1s
    expect: [success_rate >= 99%]
stop_conditions: [ask.error_rate > 90%]
";

const TIMES: &str = "
blast_radius: { duration: 2s }
baseline: 1s
recovery: { within: 3s }
";

/// Nothing listens on `${GATEWAY}`, so that the baseline is never steady.
pub fn unsteady() -> String {
    format!(
        "name: a port where nobody listens
steady_state:
  - {{ name: port, probe: tcp, address: \"${{GATEWAY}}\", rate: 20/s, timeout: 500ms,
      expect: [success_rate >= 50%] }}
faults:
  - {{ name: busy, fault: cpu.stress, target: {{ host: local }}, load: 10%, duration: 1s }}
stop_conditions: [port.error_rate > 90%]
{TIMES}"
    )
}

/// The traffic goes past the proxy that the fault is on.
pub fn bypassed() -> String {
    let fault = "
faults:
  - { name: slow nobody, fault: network.latency, target: { proxy: bypassed }, delay: 100ms, duration: 2s }
";
    format!("name: a fault that nothing passes\n{DEMO}{ASK}{fault}{TIMES}")
}

/// A service with this command, whose readiness is awaited on `${GENERATOR}`.
pub fn with_service(command: &str) -> String {
    format!("{}\nservices:\n  - {{ name: mine, command: {command}, ready: \"${{GENERATOR}}\" }}\n", unsteady())
}

/// A generator that leaves its lock file behind when it is killed, and so never serves again: it runs, it was rolled
/// back as well as can be, and the system is not what it was.
pub fn stale_lock(binary: &str) -> String {
    format!(
        "name: a crash that leaves a stale lock
services:
  - name: generator
    command: [sh, -c, 'if ! mkdir lock; then exec sleep 600; fi; exec \"$0\" \"$@\"', \"{binary}\", demo,
              --serve, generator, --generator-listen, \"${{GENERATOR}}\"]
  - name: gateway
    command: [chaos, demo, --serve, \"gateway,retriever\", --gateway-listen, \"${{GATEWAY}}\",
              --retriever-listen, \"${{RETRIEVER}}\", --generator, \"${{GENERATOR}}\"]
    ready: http://${{GATEWAY}}/ask?q=chaos
faults:
  - {{ name: crash, fault: process.kill, target: {{ process: {{ service: generator }} }}, duration: 2s }}
{}{}",
        ASK.replace("stop_conditions: [ask.error_rate > 90%]", "stop_conditions: [ask.p99 > 900ms for 30s]"),
        TIMES.replace("duration: 2s", "duration: 3s")
    )
}
