//! The only door to the machine: processes, files, clock, dice, signals. `linux/` is the real one, `fake.rs` a machine
//! made of memory; [`Machine`] is what the runner asks of either. Floor 1.

pub mod beat;
mod clean_log;
pub mod clock;
pub mod command;
pub mod detached;
pub mod dice;
pub mod durable_log;
pub mod fake;
pub mod files;
pub mod kernel;
mod linux;
pub mod locks;
mod machine;
pub mod memory;
pub mod output;
pub mod process;
pub mod pulse;
pub mod room;
pub mod runtime_folder;
pub mod scene;
pub mod service;
pub mod signals;
pub mod storage;
pub mod successor;
pub mod system;
pub mod this_process;
pub mod thread;
pub mod workers;

pub use linux::cgroup;
pub use linux::powers;
pub use linux::trial;
pub use machine::{Checked, Chosen, Facts, Machine, Prepared, Prober, Trouble};
pub use process::OpenFiles;
