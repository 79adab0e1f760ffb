//! Samples in; findings, impact, recovery and advice out. Floor 3, and pure: no clock, no files, no printing.
//!
//! The way through it, top-down:
//!
//! 1. [`Run::fold`] turns the events of a run into one record.
//! 2. [`analyse`] cuts the samples into before, during and after ([`window`]), estimates every expectation in each
//!    ([`estimate`]), finds when it was noticed ([`detection`]) and when it was over ([`recovery`]), and says what
//!    follows: a verdict, an impact level and advice ([`advice`]).
//!
//! The runner uses [`baseline_problems`] and [`RecoveryWatch`] while it runs, the report uses the same code
//! afterwards, so that the two can not disagree.

pub mod advice;
mod analyse;
mod bad;
mod baseline;
#[cfg(test)]
mod calibration;
pub mod comparison;
mod cusum;
pub mod detection;
pub mod estimate;
pub mod findings;
mod impact;
mod injected;
pub mod recovery;
mod run;
#[cfg(test)]
pub(crate) mod testing;
pub mod timeline;
mod verdict;
pub mod window;

pub use analyse::analyse;
pub use baseline::baseline_problems;
pub use findings::Analysis;
pub use recovery::RecoveryWatch;
pub use run::{FaultRecord, PhaseSpan, RecoveryEnd, ResidueRecord, Run, StepRecord, StopRecord};
