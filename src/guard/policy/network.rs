//! Where proxies listen and forward to. Names are judged as they are written: what a name server says is no policy.

use std::net::IpAddr;

use super::{Bench, Refusal, Request};
use crate::model::policy::{Policy, Upstream, matches};

/// Sockets bind to loopback, unless the experiment names another address and a policy of the system allows it.
pub(super) fn without_policy(request: &Request<'_>, policies: &[Policy], refusals: &mut Vec<Refusal>) {
    for (place, proxy) in request.experiment.proxies.iter().enumerate() {
        let address = proxy.listen.ip();
        let mut of_system = policies.iter().filter(|policy| policy.of_system);
        let allowed = of_system.any(|policy| {
            let networks = policy.allow_listen.iter().flat_map(|rule| &rule.value);
            networks.into_iter().any(|network| network.contains(address))
        });
        if !address.is_loopback() && !allowed {
            refusals.push(Refusal {
                message: format!("`{address}` can be reached from outside of this machine"),
                place: format!("proxies[{place}].listen"),
                rule: "built in: sockets bind to loopback".to_owned(),
                help: Some(format!(
                    "write `127.0.0.1:{}`, or let /etc/chaos/policy.yaml say `allow_listen: [{address}]`",
                    proxy.listen.port()
                )),
            });
        }
    }
}

pub(super) fn judge(bench: &mut Bench<'_, '_>) {
    let policy = bench.policy;
    for (place, proxy) in bench.request.experiment.proxies.iter().enumerate() {
        let address = proxy.listen.ip();
        if let Some(rule) = &policy.allow_listen
            && !rule.value.iter().any(|network| network.contains(address))
        {
            let message = format!("a proxy may not listen on `{address}`");
            bench.refuse(("allow_listen", rule.line), format!("proxies[{place}].listen"), message);
        }
        let host = host_of(&proxy.upstream);
        if let Some(rule) = &policy.allow_upstreams
            && !rule.value.iter().any(|upstream| reaches(upstream, &host))
        {
            let message = format!("a proxy may not forward to `{host}`");
            bench.refuse(("allow_upstreams", rule.line), format!("proxies[{place}].upstream"), message);
        }
    }
}

/// The host of `HOST:PORT`, without brackets, in small letters, without the dot at the end that changes nothing.
fn host_of(upstream: &str) -> String {
    let host = upstream.rsplit_once(':').map_or(upstream, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_ascii_lowercase()
}

fn reaches(allowed: &Upstream, host: &str) -> bool {
    match (allowed, host.parse::<IpAddr>()) {
        (Upstream::Network(network), Ok(address)) => network.contains(address),
        (Upstream::Name(pattern), Err(_)) => matches(pattern, host),
        _ => false,
    }
}
