//! What the tests of this room share.

use super::{FORMAT, Header};
use crate::model::step::{Act, Check, ProcessIdentity, Step, Undo};
use crate::model::testing::whom;

/// The header of a run whose tool is long gone.
pub fn header() -> Header {
    let owner = ProcessIdentity { pid: i32::MAX, pidfs_inode: 1, start_ticks: 1 };
    Header { journal: FORMAT, run: "a-run".into(), tool: "0".into(), boot: "a-boot".into(), owner, volatile: None }
}

/// A pause of a service.
pub fn step() -> Step {
    Step {
        apply: Act::Pause { whom: whom("demo") },
        undo: Undo::Resume { whom: whom("demo") },
        verify: Check::Running { whom: whom("demo") },
    }
}
