//! How much a fault may do. A dose is found by the name of its setting, in the settings and in the steps they became: what
//! is a share of something in the file is an amount in the step. So a new fault is limited without a word here.

use std::cmp::Ordering;

use serde_json::Value;

use super::{Bench, Refusal};
use crate::model::policy::{DoseLimit, Quantity};

pub(super) fn judge(bench: &mut Bench<'_, '_>) {
    let policy = bench.policy;
    for limit in &policy.at_most {
        limited(bench, "at_most", limit, Ordering::Greater, "more");
    }
    for limit in &policy.at_least {
        limited(bench, "at_least", limit, Ordering::Less, "less");
    }
}

fn limited(bench: &mut Bench<'_, '_>, key: &str, limit: &DoseLimit, beyond: Ordering, word: &str) {
    let request = bench.request;
    for (place, fault) in request.experiment.faults.iter().enumerate() {
        let mut found = Vec::new();
        let mut has_setting = false;
        let settings = serde_json::to_value(&fault.kind).unwrap_or_default();
        gather(&settings, &limit.setting, &mut has_setting, &mut found);
        for step in request.steps.get(place).into_iter().flatten() {
            gather(
                &serde_json::to_value(&step.apply).unwrap_or_default(),
                &limit.setting,
                &mut has_setting,
                &mut found,
            );
        }
        let compared: Vec<(Quantity, Ordering)> =
            found.iter().filter_map(|dose| Some((*dose, dose.compare(limit.limit)?))).collect();
        let too_far = compared.iter().find(|(_, ordering)| *ordering == beyond);
        let refusal = |message, help: Option<String>| Refusal {
            message,
            place: format!("faults[{place}].{}", limit.setting),
            rule: String::new(),
            help,
        };
        let (setting, most) = (&limit.setting, limit.limit);
        if let Some((dose, _)) = too_far {
            let refusal = refusal(format!("`{setting}` of {dose} is {word} than {most}"), None);
            bench.refuse_with(&format!("{key}.{setting}"), limit.line, refusal);
        } else if compared.is_empty() && has_setting {
            let message = format!("whether this `{setting}` is within {most} cannot be told");
            let refusal = refusal(message, Some(format!("write `{setting}` in the same unit as the rule")));
            bench.refuse_with(&format!("{key}.{setting}"), limit.line, refusal);
        }
    }
}

/// Every quantity under that name, however deep. Of a list its length counts.
fn gather(value: &Value, name: &str, there: &mut bool, found: &mut Vec<Quantity>) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                if key == name {
                    *there = true;
                    found.extend(quantity(value));
                }
                gather(value, name, there, found);
            }
        }
        Value::Array(elements) => elements.iter().for_each(|element| gather(element, name, there, found)),
        _ => {}
    }
}

fn quantity(value: &Value) -> Option<Quantity> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.as_f64().map(Quantity::Number),
        Value::Array(elements) => Some(Quantity::Number(elements.len() as f64)),
        _ => None,
    }
}
