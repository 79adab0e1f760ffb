//! The built binary as its users meet it: one file a verb, every file in `experiments/`, completions and the README.
//!
//! Tests use ports of their own below the kernel's ephemeral range, a state folder of their own, and leave no process
//! behind. `UPDATE=1 cargo test --test cli completions` writes `completions/` anew.

#[path = "../binary/mod.rs"]
mod binary;
mod catalogue;
mod ci;
mod ci_files;
mod completions;
mod cost;
mod demo;
mod doctor;
mod documents;
mod editor;
mod experiments;
mod files;
mod fragments;
mod init;
mod known_bad;
mod man;
mod outcomes;
mod output;
mod plan;
mod policy;
mod ports;
mod proxy;
mod report;
mod run;
mod schema;
mod secrets;
mod slots;
mod suite;
mod support;
mod terminal;
mod tutorial;
mod usage;
mod validate;
mod warned;
