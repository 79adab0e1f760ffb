//! The door to control groups, of version 1 and 2: which group a process is in, what is in a group, values that are read,
//! set and compared, and groups of our own. Plain files; where they are comes in, so that a folder will do for a test.

mod counters;
mod group;
mod hierarchy;
mod limit;
mod place;
#[cfg(test)]
mod testing;
mod value;

pub use counters::{Counters, Source};
pub use group::{
    Ours, dies_together, is_there, join, make, members, missing, name, our_listing, ours, parents, remove,
};
pub use hierarchy::{Hierarchy, hierarchies};
pub use limit::{Planned, Set, set, settings};
use place::place;
pub use place::{Place, place_of};
pub use value::{now, restore};
