//! What every fault that is one toxic on one proxy shares.

use crate::fault::{FaultPlan, words};
use crate::model::dose::{Dose, DosePart, Meter, ToxicReading};
use crate::model::experiment::Experiment;
use crate::model::fault::{FaultSpec, Stream, Target};
use crate::model::step::{Act, Check, Step, Toxic, ToxicKind, Undo};
use crate::model::units::{Bytes, Share, Timespan};

/// The plan of any fault that is one toxic on one proxy.
pub(super) fn toxic_plan(
    fault: &FaultSpec,
    experiment: &Experiment,
    stream: Stream,
    share: Option<Share>,
    kind: ToxicKind,
) -> FaultPlan {
    let Target::Proxy(proxy) = &fault.target else { return nowhere() };
    let limits = &experiment.blast_radius;
    let toxic = Toxic {
        name: fault.name.clone(),
        stream,
        toxicity: share.unwrap_or(limits.traffic),
        max_users: limits.max_affected_users,
        kind,
    };
    let (proxy, name) = (proxy.clone(), toxic.name.clone());
    FaultPlan {
        meter: Meter::Toxic { proxy: proxy.clone(), toxic: name.clone() },
        needs: "nothing: the proxy is ours",
        steps: vec![Step {
            apply: Act::AddToxic { proxy: proxy.clone(), toxic },
            undo: Undo::RemoveToxic { proxy: proxy.clone(), toxic: name.clone() },
            verify: Check::ToxicGone { proxy, toxic: name },
        }],
    }
}

/// A target of another kind means nothing, never everything. The reader of the file refuses it long before.
fn nowhere() -> FaultPlan {
    let meter = Meter::Toxic { proxy: String::new(), toxic: String::new() };
    FaultPlan { steps: Vec::new(), meter, needs: "nothing" }
}

/// The share of connections or requests that was touched, against the one asked for.
pub(super) fn share_part(of: &str, asked: Share, toxic: &ToxicReading) -> DosePart {
    let touched = Share(toxic.touched as f64 / toxic.seen.max(1) as f64);
    let measured = format!("{touched} ({} of {})", toxic.touched, toxic.seen);
    words::part(&format!("share of {of}"), asked, measured, touched.0)
}

/// The bytes that a toxic touched.
pub(super) fn bytes_part(what: &str, asked: String, toxic: &ToxicReading) -> DosePart {
    words::part(what, asked, Bytes(toxic.bytes), toxic.bytes as f64)
}

/// How long what a toxic held waited for it on average.
pub(super) fn wait_part(what: &str, toxic: &ToxicReading) -> DosePart {
    words::part(what, "as long as it takes", Timespan(toxic.mean_delay), toxic.mean_delay.as_secs_f64())
}

/// Why a toxic that acts on bytes was not effective: there were none.
pub(super) fn nothing_passed(toxic: &ToxicReading, verb: &str) -> Option<String> {
    let nothing = toxic.touched == 0 || toxic.bytes == 0;
    nothing.then(|| format!("nothing passed through the proxy that the fault could {verb}"))
}

/// The dose of a toxic that acts on whole connections.
pub(super) fn cut_dose(what: &str, done: &str, share: Share, toxic: &ToxicReading) -> Dose {
    let parts = vec![
        words::part(what, "all it touches", toxic.touched, toxic.touched as f64),
        share_part("connections", share, toxic),
    ];
    let ineffective = (toxic.touched == 0).then(|| match toxic.seen {
        0 => format!("the proxy saw no connection that could be {done}"),
        seen => format!("none of the {seen} connections that the proxy saw was {done}"),
    });
    Dose { parts, ineffective }
}
