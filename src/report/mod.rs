//! A finished run -> text, JSON, JUnit, Markdown, HTML; one format a file; returns a `String`. Floor 4. Nothing here measures or judges: that is
//! the `analysis` room's. Nothing here prints: that is the door's.

pub mod catalogue;
pub mod comparison;
pub mod doctor;
mod format;
pub mod history;
mod html;
mod json;
mod junit;
mod layout;
mod markdown;
pub mod plan;
mod sections;
pub mod suite;
mod text;
pub mod topic;
pub mod validation;

pub use format::Format;
pub use json::json;
pub use layout::Style;
pub use markdown::markdown;
pub use text::text;
