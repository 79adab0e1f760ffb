//! The TCP and HTTP data plane: proxies that pass everything through until a toxic is put on one of them. Floor 2.
//!
//! One process hosts all proxies, owned by a [`ProxySet`]; its methods are all that others need:
//!
//! | to | call | notes |
//! |---|---|---|
//! | open, close | `open`, `open_disabled`, `close` | `listen` with port 0 is chosen and returned; `upstream` is `HOST:PORT`, resolved for each connection |
//! | enable, disable | `set_enabled` | disabling frees the port and resets connections; toxics stay |
//! | set listen or upstream | `relocate` | connections are reset; a busy address changes nothing |
//! | look | `list`, `find` | settings, bound address, enabled, toxics in the order of their addition, live counters |
//! | toxics | `add_toxic`, `update_toxic`, `remove_toxic` | at once, whatever the traffic does; an update keeps each connection's draw, and what is held keeps its deadline; another kind or direction is [`Reason::AnotherToxic`] |
//! | doses | `reading`, `affected_users` | also after the removal |
//!
//! Errors carry a [`Reason`] for programs and turn into a `Trouble` for people. All methods may be called concurrently.
//!
//! What a toxic means for a connection or a request is drawn from the run's seed: a number for each proxy, toxic and
//! connection, below the toxicity or not. On TCP, `gate` keeps these decisions, `toxic/` says what each toxic does, and
//! `lane` does it: delays are counted from the arrival of every chunk (`queue`), never slept chunk by chunk, so that
//! order is kept and throughput stays high.

mod alarm;
pub mod control;
mod counters;
mod dice;
mod error;
mod gate;
mod histogram;
mod http;
mod lane;
mod listener;
mod pipe;
mod queue;
mod room;
mod set;
mod tcp;
mod toxic;
mod toxics;
mod traffic;
mod upstream;
mod users;
mod waiting;

#[cfg(test)]
mod tests;

pub use error::{ProxyError, Reason};
pub use set::{ProxySet, ProxyState};
pub use traffic::{FlowReading, TrafficReading};
