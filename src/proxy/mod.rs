//! The TCP and HTTP data plane: proxies that pass everything through until a toxic is put on one of them. Floor 2.
//!
//! One process hosts all proxies of a run, owned by a [`ProxySet`]. What a toxic means for a connection or a request
//! is decided once, from the run's seed (`toxics`); delays are counted from the arrival of every chunk (`queue`), never
//! slept chunk by chunk, so that order is kept and throughput stays high.

mod alarm;
mod counters;
mod dice;
mod http;
mod lane;
mod listener;
mod queue;
mod set;
mod tcp;
mod toxics;
mod users;

#[cfg(test)]
mod tests;

pub use set::ProxySet;
