//! Two runs at once do not come into each other's way.

use crate::outside::{Seen, look};
use crate::run::{Home, free_ports};

#[tokio::test]
async fn two_runs_at_once_share_a_state_folder_and_nothing_else() {
    let (home, ports, other_ports) = (Home::new(), free_ports(), free_ports());
    let other = Home::sharing_state_with(&home);
    let (run, other) = (home.start(&experiment(ports, BUSY)), other.start(&experiment(other_ports, FULL)));
    let (ended, other) = tokio::join!(run.ended(), other.ended());
    for (ended, ports) in [(&ended, ports), (&other, other_ports)] {
        assert_eq!(ended.code, Some(0), "{}", ended.home.told());
        assert_eq!(look(&ended.home, &ports), Seen::default());
        assert_eq!(ended.report["run"]["complete"], true);
    }
    assert_ne!(ended.report["run"]["id"], other.report["run"]["id"]);
    let (kept, mine) = (ended.home.run_folders(), [&ended, &other].map(|ended| ended.report["run"]["id"].as_str()));
    let kept: Vec<_> = kept.iter().map(|run| run.file_name().and_then(|name| name.to_str())).collect();
    assert!(kept.len() == 2 && mine.iter().all(|id| kept.contains(id)), "{kept:?}");
}

/// Two faults that do not come into each other's way.
const BUSY: &str = "fault: cpu.stress, target: { host: local }, load: 10%, cores: 1";
const FULL: &str = "fault: memory.stress, target: { host: local }, size: 8MiB";

fn experiment([gateway, retriever, generator, proxy]: [u16; 4], second: &str) -> String {
    format!(
        "name: side by side
services:
  - name: demo
    command: [chaos, demo, --gateway-listen, '127.0.0.1:{gateway}', --retriever-listen, '127.0.0.1:{retriever}',
              --generator-listen, '127.0.0.1:{generator}', --generator, '127.0.0.1:{proxy}']
    ready: http://127.0.0.1:{gateway}/health
proxies:
  - {{ name: generator, listen: '127.0.0.1:{proxy}', upstream: '127.0.0.1:{generator}' }}
steady_state:
  - name: ask
    probe: http
    url: http://127.0.0.1:{gateway}/ask?q=chaos
    rate: 100/s
    timeout: 2s
    expect: [success_rate >= 90%, p95 <= 1s]
faults:
  - {{ name: slow, fault: network.latency, target: {{ proxy: generator }}, delay: 20ms, duration: 2s }}
  - {{ name: second, {second}, duration: 2s }}
baseline: 2s
recovery: {{ within: 20s }}
"
    )
}
