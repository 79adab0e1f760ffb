//! The ranges of the settings of `network.*` faults.

use std::ops::Range;

use super::Context;
use super::limits::HOUR;
use super::proxy::Said;
use crate::model::experiment::{Protocol, Proxy};
use crate::model::fault::{FaultKind, FaultSpec, Target};
use crate::model::units::Timespan;

/// Refuses what is out of range; `refuse` takes whether it is, the setting, the problem and what to write.
pub(super) fn settings(kind: &FaultKind, refuse: impl Fn(bool, &str, &str, &str)) {
    match kind {
        FaultKind::NetworkLatency(fault) => {
            refuse(fault.delay == Timespan::ZERO, "delay", "a delay of nothing breaks nothing", "write more than 0s");
            refuse(
                fault.jitter > fault.delay,
                "jitter",
                "`jitter` is more than `delay`",
                "write at most as much: nothing arrives before it was sent",
            );
            refuse(fault.delay > HOUR, "delay", "`delay` is longer than an hour", "write a shorter time");
        }
        FaultKind::NetworkDisconnect(fault) => {
            refuse(fault.after > HOUR, "after", "`after` is longer than an hour", "write a shorter time");
        }
        FaultKind::NetworkBlackhole(fault) => {
            let long = fault.close_after > HOUR;
            refuse(long, "close_after", "`close_after` is longer than an hour", "write a shorter time");
        }
        FaultKind::NetworkSlowClose(fault) => {
            refuse(fault.delay == Timespan::ZERO, "delay", "a delay of nothing breaks nothing", "write more than 0s");
            refuse(fault.delay > HOUR, "delay", "`delay` is longer than an hour", "write a shorter time");
        }
        FaultKind::NetworkSlice(fault) => {
            refuse(fault.size.0 == 0, "size", "pieces of nothing do not exist", "write at least 1B");
            let help = "write less, so that every piece has a byte";
            refuse(
                fault.size.0 > 0 && fault.variation >= fault.size,
                "variation",
                "`variation` is not less than `size`",
                help,
            );
            refuse(fault.delay > HOUR, "delay", "`delay` is longer than an hour", "write a shorter time");
        }
        // The rest cannot be wrong, or is another kind's.
        _ => {}
    }
}

/// Faults that act on bytes need a proxy that passes bytes.
pub(super) fn need_tcp(context: &Context<'_, '_>, proxies: &[(Proxy, Said)], faults: &[(FaultSpec, Range<usize>)]) {
    for (fault, place) in faults {
        let bytes = fault.kind.word().starts_with("network.")
            && !matches!(fault.kind, FaultKind::NetworkLatency(_) | FaultKind::NetworkDown(_));
        let Target::Proxy(target) = &fault.target else { continue };
        let http = proxies.iter().any(|(proxy, _)| proxy.name == *target && proxy.protocol == Protocol::Http);
        if bytes && http {
            let message = format!("`{}` acts on bytes, but the proxy `{target}` passes requests", fault.kind.word());
            context.error(place, message, "put a second proxy that speaks TCP before it, and this fault on that one");
        }
    }
}
