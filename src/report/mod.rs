//! A finished run -> text, JSON; one format a file; returns a `String`. Floor 4. Nothing here measures or judges: that is
//! the `analysis` room's. Nothing here prints: that is the door's.

pub mod doctor;
mod json;
mod layout;
pub mod plan;
mod sections;
mod text;

pub use json::json;
pub use layout::Style;
pub use text::text;
