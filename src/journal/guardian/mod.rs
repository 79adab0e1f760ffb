//! The guardian: a process beside the tool that puts everything back when the tool is killed, hangs or takes longer than
//! it can. `keep` is the tool's side, `watch` runs in the guardian itself, `vigil` decides when it acts.
//!
//! They give each other a sign of life every 200 ms. A pipe that ends says at once that the other is dead; silence for
//! longer than the lease says that it hangs.

mod keep;
mod vigil;
mod watch;

use std::time::Duration;

pub use keep::Guardian;
pub use vigil::{Alarm, Next, Vigil};
pub use watch::{main, respond};

/// The hidden command of the guardian; its arguments are the journal and the longest time of the run in milliseconds.
pub const COMMAND: &str = "__guardian";

/// How often a sign of life is given.
pub const BEAT: Duration = Duration::from_millis(200);
/// Whoever is silent for so long hangs, or is stopped.
pub const LEASE: Duration = Duration::from_secs(3);
/// After the lease: when the whole machine stood still, the other needs a moment to say so.
pub const SECOND_CHANCE: Duration = Duration::from_millis(500);

/// All is well.
pub const ALIVE: u8 = b'.';
/// The run has come to its end, and everything is as it should be or was told.
pub const GOODBYE: u8 = b'q';
