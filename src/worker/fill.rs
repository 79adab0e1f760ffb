//! Takes the room of a file system with a file that has no name and never has anything to be read in it.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use rand::Rng;

use crate::host::system::{DiskInfo, Inodes};
use crate::host::{Trouble, process, room, system};
use crate::model::dose::RoomReading;
use crate::model::fault::Amount;
use crate::model::units::{Bytes, Share};

/// What is never taken of a file system, and of memory where the file system is in it.
const FLOOR: u64 = 64 << 20;
/// The share of a file system, and of its files, that is never taken.
const FLOOR_SHARE: f64 = 0.01;
/// What a run may want to write beside its journal, which has its room already: events, and the output of services.
const FOR_THE_RUN: u64 = 256 << 20;
/// Written at a time where room cannot be taken ahead.
const BLOCK: usize = 1 << 20;

/// How much to take. At least one of them; with both, whatever takes less.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub size: Option<Amount>,
    /// What must stay free.
    pub leave_free: Option<u64>,
}

/// Room that is taken until this is dropped, or the process ends.
#[derive(Debug)]
pub struct Taken {
    file: File,
    folder: OwnedFd,
    asked: u64,
    free_before: u64,
}

/// Takes room in a folder.
pub fn fill(folder: &Path, plan: Plan) -> Result<Taken, Trouble> {
    let what = || format!("take room of {}", folder.display());
    let told = |error: io::Error| Trouble::new(what(), error);
    let held = room::hold_folder(folder).map_err(told)?;
    let disk = system::disk_of(&held).map_err(told)?;
    let floor = floor(disk.total, journal_is_on(&held));
    let asked = to_take(plan, disk, floor).and_then(|asked| leave_memory(&held, asked));
    let asked = asked.and_then(|asked| leave_inodes(system::inodes_of(&held).ok(), asked));
    let asked = asked.map_err(|why| Trouble::new(what(), why).help("ask for less, or for another folder"))?;
    let file = room::nameless(&held, false).map_err(told)?;
    take(&file, &held, asked, floor).map_err(told)?;
    let taken = Taken { file, folder: held, asked, free_before: disk.available };
    // Somebody else may have taken room at the same time.
    let lack = floor.saturating_sub(taken.room().map_err(told)?.free_now);
    if lack > 0 {
        taken.file.set_len(asked.saturating_sub(lack)).map_err(told)?;
    }
    Ok(taken)
}

impl Taken {
    /// What it has on the disk, and what is free.
    pub fn room(&self) -> io::Result<RoomReading> {
        let free_now = system::disk_of(&self.folder)?.available;
        let taken = room::room_of(&self.file)?;
        Ok(RoomReading { asked: self.asked, taken, free_before: self.free_before, free_now })
    }
}

/// Whether our run keeps its journal on the file system of this folder; where we cannot know, it does.
fn journal_is_on(folder: &OwnedFd) -> bool {
    let in_a_run = process::run_of_us().is_some();
    in_a_run && process::state_folder().is_none_or(|state| room::is_on(folder, &state))
}

/// What always stays free. Where the run keeps its journal, more: nothing that it writes may fail for want of room.
fn floor(total: u64, journal_is_there: bool) -> u64 {
    let least = FLOOR.max((total as f64 * FLOOR_SHARE) as u64);
    if journal_is_there { least + FOR_THE_RUN } else { least }
}

/// How many bytes to take; why none.
fn to_take(plan: Plan, disk: DiskInfo, floor: u64) -> Result<u64, String> {
    let free = disk.available;
    let most = free.saturating_sub(floor);
    let size = plan.size.map(|size| match size {
        Amount::Bytes(size) => size.0,
        Amount::Available(Share(share)) => (free as f64 * share) as u64,
    });
    let rest = plan.leave_free.map(|rest| free.saturating_sub(rest.max(floor)));
    let told = format!("{} is free, and {} of it must stay", Bytes(free), Bytes(floor));
    match (size, rest) {
        (Some(size), None) if size > most => {
            Err(format!("{told}: at most {} can be taken, and {} is asked for", Bytes(most), Bytes(size)))
        }
        (None, None) => Err("how much is not said".to_owned()),
        (size, rest) => match size.unwrap_or(u64::MAX).min(rest.unwrap_or(u64::MAX)) {
            0 => Err(format!("{told}: there is nothing to take")),
            size => Ok(size),
        },
    }
}

/// What is in memory takes memory.
fn leave_memory(folder: &OwnedFd, size: u64) -> Result<u64, String> {
    if !system::is_in_memory(folder) {
        return Ok(size);
    }
    let available = system::memory().map_or(0, |memory| memory.available);
    if size.saturating_add(FLOOR) <= available {
        return Ok(size);
    }
    let (available, floor) = (Bytes(available), Bytes(FLOOR));
    Err(format!("it is in memory, of which {available} is available, and {floor} of it must stay"))
}

/// The file is one of those that a file system can have. Not all count them.
fn leave_inodes(inodes: Option<Inodes>, size: u64) -> Result<u64, String> {
    match inodes {
        Some(Inodes { total, available }) if total > 0 && (available as f64) <= total as f64 * FLOOR_SHARE => {
            Err(format!("only {available} of {total} files are left, and 1 % of them must stay"))
        }
        _ => Ok(size),
    }
}

/// Takes room ahead; where a file system cannot do that, by writing what can be neither compressed nor shared.
fn take(file: &File, folder: &OwnedFd, size: u64, floor: u64) -> io::Result<()> {
    match room::take_room(file, size) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => write(file, folder, size, floor),
        done => done,
    }
}

fn write(mut file: &File, folder: &OwnedFd, size: u64, floor: u64) -> io::Result<()> {
    let mut block = vec![0; BLOCK];
    let mut left = size;
    while left > 0 && system::disk_of(folder)?.available >= floor {
        rand::rng().fill_bytes(&mut block);
        let part = left.min(BLOCK as u64);
        file.write_all(&block[..part as usize])?;
        left -= part;
    }
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use super::{FOR_THE_RUN, Plan, fill, floor, leave_inodes, to_take, write};
    use crate::host::room;
    use crate::host::system::{DiskInfo, Inodes};
    use crate::model::fault::Amount;
    use crate::model::units::{Bytes, Share};

    const MIB: u64 = 1 << 20;

    fn taken(size: Option<Amount>, leave_free: Option<u64>) -> Result<u64, String> {
        let disk = DiskInfo { total: 10_000 * MIB, free: 1100 * MIB, available: 1000 * MIB };
        to_take(Plan { size, leave_free: leave_free.map(|rest| rest * MIB) }, disk, 100 * MIB).map(|size| size / MIB)
    }

    #[test]
    fn a_size_a_share_and_a_rest_say_how_much_is_taken() {
        let bytes = |size| Some(Amount::Bytes(Bytes(size * MIB)));
        assert_eq!(taken(bytes(300), None), Ok(300));
        assert_eq!(taken(Some(Amount::Available(Share(0.5))), None), Ok(500));
        assert_eq!(taken(None, Some(200)), Ok(800));
        assert_eq!((taken(bytes(300), Some(200)), taken(bytes(900), Some(200))), (Ok(300), Ok(800)));
    }

    #[test]
    fn the_floor_is_never_taken() {
        assert_eq!(taken(None, Some(0)), Ok(900), "less than the floor cannot be left");
        let refused = taken(Some(Amount::Available(Share::ALL)), None).expect_err("too much");
        let told = "1000MiB is free, and 100MiB of it must stay: at most 900MiB can be taken, and 1000MiB is asked for";
        assert_eq!(refused, told);
        assert!(taken(None, Some(2000)).is_err_and(|why| why.ends_with("nothing to take")));
    }

    #[test]
    fn the_floor_is_a_hundredth_and_more_where_the_journal_is() {
        assert_eq!((floor(MIB, false), floor(100_000 * MIB, false)), (64 * MIB, 1000 * MIB));
        assert_eq!(floor(MIB, true), 64 * MIB + FOR_THE_RUN);
    }

    #[test]
    fn the_last_files_are_left_to_others_where_files_are_counted() {
        assert!(leave_inodes(Some(Inodes { total: 1000, available: 10 }), 1).is_err());
        for fine in [Some(Inodes { total: 1000, available: 11 }), Some(Inodes { total: 0, available: 0 }), None] {
            assert_eq!(leave_inodes(fine, 1), Ok(1));
        }
    }

    #[test]
    fn the_file_has_no_name_and_has_its_room() {
        let folder = tempfile::tempdir().expect("a folder");
        let plan = Plan { size: Some(Amount::Bytes(Bytes(8 * MIB))), leave_free: None };
        let room = fill(folder.path(), plan).expect("takes it").room().expect("reads");
        assert_eq!((room.asked, room.taken), (8 * MIB, 8 * MIB));
        assert_eq!(std::fs::read_dir(folder.path()).expect("lists").count(), 0);
    }

    #[test]
    fn where_room_cannot_be_taken_ahead_it_is_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let held = room::hold_folder(folder.path()).expect("holds it");
        let file = room::nameless(&held, false).expect("makes it");
        write(&file, &held, 3 * MIB + 5, 0).expect("writes");
        assert!(room::room_of(&file).expect("reads") >= 3 * MIB);
    }
}
