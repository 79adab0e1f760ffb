//! What every fault that is one toxic on one proxy shares.

use crate::fault::{FaultPlan, words};
use crate::model::dose::{DosePart, Meter, ToxicReading};
use crate::model::experiment::Experiment;
use crate::model::fault::{FaultSpec, Stream, Target};
use crate::model::step::{Act, Check, Step, Toxic, ToxicKind, Undo};
use crate::model::units::Share;

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
