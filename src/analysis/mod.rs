//! Samples in; findings, impact, recovery and advice out. Floor 3, and pure: no clock, no files, no printing.
//!
//! The way through it, top-down:
//!
//! 1. [`Run::fold`] turns the events of a run into one record.
//! 2. [`analyse`] cuts the samples into before, during and after ([`window`]), judges every expectation in each
//!    (`judge`), compares during with before (`degradation`, `impact`), finds when it was noticed ([`detection`]) and when it
//!    was over ([`recovery`]), and says what follows: a verdict, an impact level and advice ([`advice`]).
//!
//! The runner uses [`baseline_problems`] and [`RecoveryWatch`] while it runs, the report uses the same code
//! afterwards, so that the two can not disagree.

pub mod advice;
mod analyse;
mod availability;
mod bad;
mod baseline;
mod batches;
#[cfg(test)]
mod calibration;
mod critical;
mod cusum;
mod degradation;
pub mod detection;
pub mod findings;
pub mod foresight;
mod formulas;
mod impact;
mod impact_point;
mod injected;
mod judge;
pub mod pool;
pub mod recovery;
pub mod risks;
mod run;
mod tally;
#[cfg(test)]
pub(crate) mod testing;
pub mod timeline;
pub mod two_runs;
mod verdict;
pub mod window;

pub use analyse::analyse;
pub use baseline::baseline_problems;
pub use findings::Analysis;
pub use impact::{amount, subject};
pub use recovery::RecoveryWatch;
pub use run::{FaultRecord, PhaseSpan, RecoveryEnd, ResidueRecord, Run, StepRecord, StopRecord};
