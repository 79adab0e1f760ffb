//! The built binary as its users meet it: one file a verb, every file in `experiments/`, completions and the README.
//!
//! Tests use ports of their own below the kernel's ephemeral range, a state folder of their own, and leave no process
//! behind. `UPDATE=1 cargo test --test cli completions` writes `completions/` anew.

mod completions;
mod demo;
mod doctor;
mod experiments;
mod files;
mod outcomes;
mod plan;
mod policy;
mod ports;
mod proxy;
mod readme;
mod report;
mod run;
mod secrets;
mod slots;
mod support;
mod usage;
mod validate;
