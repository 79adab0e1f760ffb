//! The only door to the machine: processes, files, clock, dice, signals. `linux/` is the real one, `fake.rs` a machine
//! made of memory; [`Machine`] is what the runner asks of either. Floor 1.

pub mod clock;
pub mod fake;
mod machine;

pub use machine::{Checked, Facts, Machine, Prober, Trouble};
