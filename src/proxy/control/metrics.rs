//! `/metrics`: the text that Prometheus reads (exposition format 0.0.4), with Toxiproxy's names. Counted while bytes
//! pass, not when connections end.

use std::fmt::Write;

use crate::proxy::ProxyState;

/// The content type of the text.
pub(super) const MIME: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The counters of all proxies.
pub(super) fn text(proxies: &[ProxyState]) -> String {
    let mut text = String::new();
    let flows = |state: &ProxyState| [("upstream", state.traffic.upstream), ("downstream", state.traffic.downstream)];
    family(&mut text, "received_bytes_total", "counter", "Bytes read from where they come from.");
    for state in proxies {
        for (direction, flow) in flows(state) {
            sample(&mut text, "received_bytes_total", state, Some(direction), flow.received);
        }
    }
    family(&mut text, "sent_bytes_total", "counter", "Bytes written to where they go.");
    for state in proxies {
        for (direction, flow) in flows(state) {
            sample(&mut text, "sent_bytes_total", state, Some(direction), flow.sent);
        }
    }
    family(&mut text, "connections_total", "counter", "Connections accepted.");
    proxies.iter().for_each(|state| sample(&mut text, "connections_total", state, None, state.traffic.accepted));
    family(&mut text, "connections_refused_total", "counter", "Connections reset because there were too many.");
    proxies.iter().for_each(|state| sample(&mut text, "connections_refused_total", state, None, state.traffic.refused));
    family(&mut text, "connections", "gauge", "Connections open now.");
    proxies.iter().for_each(|state| sample(&mut text, "connections", state, None, state.traffic.active));
    text
}

fn family(text: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "# HELP toxiproxy_proxy_{name} {help}\n# TYPE toxiproxy_proxy_{name} {kind}");
}

fn sample(text: &mut String, name: &str, state: &ProxyState, direction: Option<&str>, value: u64) {
    let direction = direction.map(|direction| format!("direction=\"{direction}\",")).unwrap_or_default();
    let (proxy, upstream) = (escaped(&state.proxy.name), escaped(&state.proxy.upstream));
    let listener = state.address;
    let _ = writeln!(
        text,
        "toxiproxy_proxy_{name}{{{direction}listener=\"{listener}\",proxy=\"{proxy}\",upstream=\"{upstream}\"}} {value}"
    );
}

fn escaped(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn a_hostile_name_stays_inside_its_label() {
        assert_eq!(escaped("a\"} 1\nb\\"), "a\\\"} 1\\nb\\\\");
    }
}
