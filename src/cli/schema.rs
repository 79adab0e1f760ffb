//! `chaos schema`: the JSON Schema of experiments, for editors.

use super::arguments::SchemaArguments;
use crate::host::output;
use crate::spec::schema;
use crate::{fault, probe};

pub(super) fn schema(arguments: &SchemaArguments) -> anyhow::Result<u8> {
    let schema =
        if arguments.policy { schema::policy() } else { schema::experiment(&fault::CATALOGUE, &probe::CATALOGUE) };
    output::stdout(&(serde_json::to_string_pretty(&schema)? + "\n"));
    Ok(0)
}
