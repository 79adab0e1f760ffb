//! Files that take room of a disk, and have no name, so that it is free again when whoever made them is dead.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Advice, AtFlags, FallocateFlags, Mode, OFlags};
use rustix::io::Errno;

use super::Trouble;
use super::files::{device, list, remove_file};

/// How the name of a file begins that is to have none.
const DRAFT: &str = ".chaos-";
/// Younger ones may be just in the making.
const DRAFT_AGE: Duration = Duration::from_secs(60);

/// Opens a folder to make files in, step by step, and through no link: whoever swaps a part of the path for a link leads
/// us nowhere, and what is opened stays the same whatever happens to its name.
pub fn hold_folder(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut folder = rustix::fs::open(if path.is_absolute() { "/" } else { "." }, flags, Mode::empty())?;
    let mut walked = PathBuf::new();
    for part in path.components() {
        walked.push(part);
        if matches!(part, Component::RootDir | Component::CurDir) {
            continue;
        }
        let next = rustix::fs::openat(&folder, part.as_os_str(), flags, Mode::empty());
        folder = next.map_err(|error| match rustix::fs::readlinkat(&folder, part.as_os_str(), Vec::new()) {
            Ok(_) => {
                io::Error::other(format!("{} is a link now: it was swapped, or is one on purpose", walked.display()))
            }
            Err(_) => error.into(),
        })?;
    }
    Ok(folder)
}

/// Makes a file without a name, which is gone when its last descriptor is closed, however that happens. With `direct` its
/// reads and writes go past the page cache; file systems that cannot do that answer with `InvalidInput`.
pub fn nameless(folder: &OwnedFd, direct: bool) -> io::Result<File> {
    let direct = if direct { OFlags::DIRECT } else { OFlags::empty() };
    let flags = OFlags::RDWR | OFlags::CLOEXEC | direct;
    match rustix::fs::openat(folder, ".", flags | OFlags::TMPFILE, Mode::RUSR | Mode::WUSR) {
        Ok(file) => Ok(file.into()),
        // The file system (or, before Linux 3.11, the kernel) has no nameless files: take the name away at once.
        Err(Errno::OPNOTSUPP | Errno::ISDIR) => soon_nameless(folder, flags),
        done => Ok(done?.into()),
    }
}

/// The same with a name that is there for a moment, and says of which run we are a process, if we are.
fn soon_nameless(folder: &OwnedFd, flags: OFlags) -> io::Result<File> {
    let run = super::process::run_of_us().map(|run| run + "-").unwrap_or_default();
    let name = format!("{DRAFT}{run}{:016x}", super::dice::random_seed());
    let file = rustix::fs::openat(folder, &name, flags | OFlags::CREATE | OFlags::EXCL, Mode::RUSR | Mode::WUSR);
    // Where O_DIRECT is refused, the file may have been made all the same.
    match rustix::fs::unlinkat(folder, &name, AtFlags::empty()) {
        Err(Errno::NOENT) => {}
        done => done?,
    }
    Ok(file?.into())
}

/// The files in a folder that [`nameless`] made under a name and that nobody took the name from for a minute, as whoever
/// made them was killed in that very moment: ours, and open nowhere.
pub fn forgotten_drafts(folder: &Path) -> Vec<PathBuf> {
    let is_one = |path: &PathBuf| {
        let Ok(there) = std::fs::symlink_metadata(path) else { return false };
        let old = there.modified().is_ok_and(|then| then.elapsed().is_ok_and(|age| age > DRAFT_AGE));
        let ours = there.is_file() && there.uid() == super::process::user();
        old && ours && super::process::holders(path).is_ok_and(|holders| holders.is_empty())
    };
    let named = list(folder).unwrap_or_default().into_iter().filter(|path| has_draft_name(path));
    named.filter(is_one).collect()
}

fn has_draft_name(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let rest = name.strip_prefix(DRAFT).unwrap_or_default();
    let (run, digits) = rest.rsplit_once('-').unwrap_or(("", rest));
    let of_a_run = run.is_empty() || uuid::Uuid::parse_str(run).is_ok();
    of_a_run && digits.len() == 16 && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

/// The files in a folder that [`nameless`] made under a name for a process of this run, and whose name is there still.
/// A folder that is not there has none.
pub fn drafts_of(folder: &Path, run: &str) -> io::Result<Vec<PathBuf>> {
    let prefix = format!("{DRAFT}{run}-");
    let of_run = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix));
    let ours = |path: &PathBuf| {
        std::fs::symlink_metadata(path).is_ok_and(|there| there.is_file() && there.uid() == super::process::user())
    };
    Ok(list(folder)?.into_iter().filter(|path| of_run(path) && has_draft_name(path) && ours(path)).collect())
}

/// Removes those; an error names the first that is there still.
pub fn remove_drafts_of(folder: &Path, run: &str) -> Result<(), Trouble> {
    let told = |path: &Path, error: io::Error| Trouble::new(format!("free the room of {}", path.display()), error);
    for draft in drafts_of(folder, run).map_err(|error| told(folder, error))? {
        remove_file(&draft).map_err(|error| told(&draft, error))?;
    }
    Ok(())
}

/// Takes room for a file on the disk; file systems that cannot do that ahead only give it its length.
pub fn allocate(file: &File, length: u64) -> io::Result<()> {
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, length) {
        Err(Errno::OPNOTSUPP) => file.set_len(length),
        done => Ok(done?),
    }
}

/// The same, but file systems that cannot do that answer with `Unsupported`.
pub fn take_room(file: &File, length: u64) -> io::Result<()> {
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, length) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => Err(io::ErrorKind::Unsupported.into()),
        done => Ok(done?),
    }
}

/// What a file has on the disk, in bytes.
pub fn room_of(file: &File) -> io::Result<u64> {
    Ok(file.metadata()?.blocks() * 512)
}

/// Whether an open folder is on the same file system as a path; what cannot be seen counts as the same.
pub fn is_on(folder: &OwnedFd, path: &Path) -> bool {
    match (rustix::fs::fstat(folder), device(path)) {
        (Ok(there), Ok(device)) => there.st_dev == device,
        _ => true,
    }
}

/// Drops what the page cache keeps of a part of a file, so that the next read of it comes from the disk.
pub fn forget_cached(file: &File, offset: u64, length: u64) -> io::Result<()> {
    Ok(rustix::fs::fadvise(file, offset, std::num::NonZeroU64::new(length), Advice::DontNeed)?)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustix::fs::OFlags;

    use super::{allocate, drafts_of, forgotten_drafts, hold_folder, nameless, remove_drafts_of, soon_nameless};
    use crate::host::files::{create_dir_all, create_new, resolve};

    #[test]
    fn a_nameless_file_has_no_name_either_way() {
        let home = tempfile::tempdir().expect("a folder");
        let folder = hold_folder(home.path()).expect("holds it");
        let files = [nameless(&folder, false), soon_nameless(&folder, OFlags::RDWR)];
        for file in files {
            allocate(&file.expect("makes it"), 8192).expect("takes room");
        }
        hold_folder(&home.path().join("none")).expect_err("no such folder");
        assert_eq!(std::fs::read_dir(home.path()).expect("lists").count(), 0);
    }

    #[test]
    fn a_draft_that_was_forgotten_is_found_and_nothing_else_is() {
        let home = tempfile::tempdir().expect("a folder");
        let made = |name: &str, age: u64| {
            let file = create_new(&home.path().join(name)).expect("makes it");
            let then = file.metadata().expect("is there").modified().expect("a time") - Duration::from_secs(age);
            file.set_modified(then).expect("is ours");
        };
        made(".chaos-0123456789abcdef", 3600);
        for (name, age) in [
            (".chaos-0123456789abcdee", 1),
            (".chaos-0123456789ABCDEF", 3600),
            (".chaos-notes", 3600),
            ("x.chaos-0123456789abcdef", 3600),
        ] {
            made(name, age);
        }
        assert_eq!(forgotten_drafts(home.path()), [home.path().join(".chaos-0123456789abcdef")]);
    }

    #[test]
    fn drafts_of_a_run_are_removed_by_its_id_and_no_others() {
        const RUN: &str = "01a1fc08-8999-710d-a0a1-cb0d5a1f2584";
        let home = tempfile::tempdir().expect("a folder");
        let kept =
            [".chaos-0123456789abcdef".to_owned(), format!(".chaos-{RUN}-notes"), format!("{RUN}-0123456789abcdef")];
        let other = ".chaos-01a1fc08-8999-710d-a0a1-cb0d5a1f2585-0123456789abcdef".to_owned();
        let ours = format!(".chaos-{RUN}-0123456789abcdef");
        for name in kept.iter().chain([&other, &ours]) {
            create_new(&home.path().join(name)).expect("makes it");
        }
        assert_eq!(drafts_of(home.path(), RUN).expect("lists"), [home.path().join(&ours)]);
        remove_drafts_of(home.path(), RUN).expect("removes");
        assert!(kept.iter().chain([&other]).all(|name| home.path().join(name).exists()));
        assert_eq!(drafts_of(home.path(), RUN).expect("lists").len(), 0);
        remove_drafts_of(&home.path().join("none"), RUN).expect("an absent folder has none");
    }

    #[test]
    fn a_folder_is_held_through_no_link_and_stays_what_it_was() {
        let home = tempfile::tempdir().expect("a folder");
        let (real, link) = (home.path().join("real"), home.path().join("link"));
        create_dir_all(&real.join("below")).expect("makes it");
        std::os::unix::fs::symlink(&real, &link).expect("links");
        let told = hold_folder(&link.join("below")).expect_err("a link").to_string();
        assert!(told.contains("link is a link now"), "{told}");
        let held = hold_folder(&real.join("below")).expect("holds it");
        std::fs::rename(&real, home.path().join("moved")).expect("moves");
        nameless(&held, false).expect("makes it there still");
        assert_eq!(resolve(&link.join("new/er")).ok(), None, "a link to nowhere");
    }
}
