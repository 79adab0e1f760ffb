//! The embedded system under test: a gateway that asks a retriever for documents and a generator for an answer, three
//! HTTP services in one process, with retry, time limit, circuit breaker, fallback and pool to switch on and off, and
//! with known mistakes to switch on. Floor 3.
//!
//! It does the same work for the same question every time, in well under a millisecond, so that what an experiment
//! shows was done by its faults.

mod breaker;
mod call;
mod client;
mod gateway;
mod generator;
mod metrics;
mod pool;
mod redo;
mod retriever;
mod retry;
mod server;
mod settings;
mod work;

#[cfg(test)]
mod tests;

pub use server::{Running, start};
pub use settings::{Breaker, GATEWAY, GENERATOR, Health, Pool, RETRIEVER, Retry, Serve, Settings};
