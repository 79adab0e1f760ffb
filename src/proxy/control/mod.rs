//! The control API of `chaos proxy`: Toxiproxy's HTTP API (version 2), so that its clients drive our data plane
//! unchanged. Source: the API section of Toxiproxy's README, and what its clients assert.
//!
//! One file a thought: [`server`] takes connections, `route` reads methods and paths, `answer` does what was asked,
//! `wire` is the JSON, `toxic` turns attributes into toxics and back, `request` does so
//! for those on HTTP requests, `error` has the texts, `metrics` the counters.

mod answer;
mod error;
mod metrics;
mod request;
mod route;
mod server;
#[cfg(test)]
mod tests;
mod toxic;
mod wire;

pub use answer::Control;
pub use server::{ControlServer, serve};
