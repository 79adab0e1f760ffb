//! The formulas of the analysis, each with its source and tested against published values. Wilson's interval and the
//! quantile live in [`crate::model::statistics`], where the stop conditions use them too.

mod holm;
mod newcombe;
mod normal;
mod ranks;
mod student;

pub use holm::holm;
pub use newcombe::newcombe;
pub use normal::normal_cdf;
pub use ranks::quantile_ranks;
pub use student::{student_cdf, student_quantile};

/// The normal quantile of a two-sided 95 % interval.
pub const Z95: f64 = 1.959_963_984_540_054;
