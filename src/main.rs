//! The door.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    match (words.next().as_deref(), words.next()) {
        (Some(chaos::host::workers::COMMAND), Some(job)) => chaos::worker::main(&job),
        _ => ExitCode::from(2),
    }
}
