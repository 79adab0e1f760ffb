//! Files. What we write is for our user's eyes only, and what must last is on the disk before we go on.

use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Advice, AtFlags, FallocateFlags, Mode, OFlags};
use rustix::io::Errno;

use super::Trouble;

/// How the name of a file begins that is to have none.
const DRAFT: &str = ".chaos-";
/// Younger ones may be just in the making.
const DRAFT_AGE: Duration = Duration::from_secs(60);

/// Makes a folder and those above it that are missing, for our user only (0700). One that is there is left as it is.
pub fn create_dir_all(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes a file that must not be there yet (0600).
pub fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Opens a file to write at its end, and makes it (0600) when it is missing.
pub fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

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

/// Whether there is a folder, which then is this user's and nobody else may write to.
pub fn is_folder_of(path: &Path, owner: u32) -> Result<bool, Trouble> {
    let trouble = |why: &dyn std::fmt::Display| Trouble::new(format!("rely on {}", path.display()), why);
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(trouble(&error)),
        Ok(there) if !there.is_dir() => Err(trouble(&"it is no folder")),
        Ok(there) => alone(&there, owner).map(|()| true).map_err(|why| trouble(&why)),
    }
}

/// The start of a plain file that is this user's and nobody else may write to; none where there is no file. What is
/// judged is what is read, whatever happens to its name meanwhile.
pub fn read_of(path: &Path, owner: u32, limit: u64) -> Result<Option<Vec<u8>>, Trouble> {
    let trouble = |why: &dyn std::fmt::Display| Trouble::new(format!("rely on {}", path.display()), why);
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file: File = match rustix::fs::open(path, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP) => return Err(trouble(&"it is a link, which could lead elsewhere tomorrow")),
        opened => opened.map_err(|error| trouble(&error))?.into(),
    };
    let there = file.metadata().map_err(|error| trouble(&error))?;
    if !there.is_file() {
        return Err(trouble(&"it is no plain file"));
    }
    alone(&there, owner).map_err(|why| trouble(&why))?;
    let mut start = Vec::new();
    file.take(limit).read_to_end(&mut start).map_err(|error| trouble(&error))?;
    Ok(Some(start))
}

/// Whether only that user may write; who else may otherwise.
fn alone(there: &Metadata, owner: u32) -> Result<(), String> {
    match (there.uid(), there.mode()) {
        (uid, _) if uid != owner => Err(format!("it is not owned by user {owner} but by user {uid}")),
        (_, mode) if mode & 0o002 != 0 => Err("everyone may write to it".to_owned()),
        (_, mode) if mode & 0o020 != 0 => Err("its group may write to it".to_owned()),
        _ => Ok(()),
    }
}

/// The path without links and from the root, as far as it is there already; the rest as it is written.
pub fn resolve(path: &Path) -> io::Result<PathBuf> {
    let path = std::env::current_dir()?.join(path);
    let mut rest = PathBuf::new();
    for there in path.ancestors() {
        match there.canonicalize() {
            Ok(there) if rest.as_os_str().is_empty() => return Ok(there),
            Ok(there) => return Ok(there.join(rest)),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !there.is_symlink() => {
                // What `..` leads out of is not known before it is there.
                let name = there.file_name().ok_or(error)?;
                rest = if rest.as_os_str().is_empty() { name.into() } else { Path::new(name).join(rest) };
            }
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

/// What is in a folder; nothing when there is none.
pub fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match std::fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect(),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// The number of the file system that a path is on; two paths with one number share a disk, or a part of it.
pub fn device(path: &Path) -> io::Result<u64> {
    Ok(std::fs::metadata(path)?.dev())
}

/// How many bytes a file has.
pub fn length(path: &Path) -> io::Result<u64> {
    Ok(std::fs::metadata(path)?.len())
}

/// Reads a whole file.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    std::fs::read(path)
}

/// Reads a file line by line; the ends of lines and empty lines are left out.
pub fn read_lines(path: &Path) -> io::Result<impl Iterator<Item = io::Result<Vec<u8>>>> {
    let lines = BufReader::with_capacity(1 << 16, File::open(path)?).split(b'\n');
    Ok(lines.filter(|line| line.as_ref().map_or(true, |line| !line.is_empty())))
}

/// Reads the start of a file: at most `limit` bytes, however much it would give.
pub fn read_start(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    File::open(path)?.take(limit).read_to_end(&mut start)?;
    Ok(start)
}

/// Reads the end of a file: at most `limit` bytes, and nothing before `start`.
pub fn read_end(path: &Path, start: u64, limit: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let start = start.max(file.metadata()?.len().saturating_sub(limit));
    file.seek(SeekFrom::Start(start))?;
    let mut end = Vec::new();
    file.take(limit).read_to_end(&mut end)?;
    Ok(end)
}

/// Removes a file; true when it was there.
#[allow(clippy::disallowed_methods, reason = "this is the door")]
pub fn remove_file(path: &Path) -> io::Result<bool> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Gives a file another name that nobody has yet; that lasts.
pub fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // The file system cannot tell; nobody else gives such names.
        Err(Errno::INVAL | Errno::NOSYS) if !to.exists() => std::fs::rename(from, to)?,
        done => done?,
    }
    sync_folder_of(to)
}

/// Removes a folder that has only plain files in it, and those; the one that is called `last` goes last. True when it did:
/// a folder with anything else in it is left as it is.
pub fn remove_flat_folder(folder: &Path, last: &str) -> io::Result<bool> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_type()?.is_file() {
            return Ok(false);
        }
        files.push(entry.path());
    }
    files.sort_by_key(|path| path.file_name() == Some(last.as_ref()));
    for file in files {
        remove_file(&file)?;
    }
    std::fs::remove_dir(folder)?;
    Ok(true)
}

/// Writes a file so that a reader sees either the old content or the whole of the new, even after a power cut. A new
/// file gets the usual mode, as a report is for others too. A link is followed; a device or pipe (`/dev/stdout`) is
/// written to, and not replaced.
pub fn write_atomic(path: &Path, content: &[u8]) -> io::Result<()> {
    match std::fs::metadata(path) {
        Ok(there) if there.is_file() => replace(&path.canonicalize()?, content),
        Ok(_) => OpenOptions::new().write(true).open(path)?.write_all(content),
        Err(_) => replace(path, content),
    }
}

fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    let mut draft_name = std::ffi::OsString::from(".");
    draft_name.push(name);
    draft_name.push(format!(".{:016x}", super::dice::random_seed()));
    let draft = path.with_file_name(draft_name);
    let written = write_durably(&draft, content).and_then(|()| std::fs::rename(&draft, path));
    if written.is_err() {
        let _ = remove_file(&draft);
    }
    written.and_then(|()| sync_folder_of(path))
}

fn write_durably(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Makes the entry of a file in its folder last.
pub(super) fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    use rustix::fs::OFlags;

    use super::{
        allocate, create_dir_all, create_new, drafts_of, forgotten_drafts, hold_folder, list, nameless, read, read_end,
        remove_drafts_of, remove_file, remove_flat_folder, rename_new, resolve, soon_nameless, write_atomic,
    };

    #[test]
    fn folders_and_files_are_for_our_user_only() {
        let home = tempfile::tempdir().expect("a folder");
        let folder = home.path().join("a/b");
        create_dir_all(&folder).expect("makes it");
        create_dir_all(&folder).expect("is content that it is there");
        create_new(&folder.join("file")).expect("makes it");
        let mode = |path| std::fs::metadata(path).expect("is there").permissions().mode() & 0o777;
        assert_eq!((mode(folder.clone()), mode(folder.join("file"))), (0o700, 0o600));
    }

    #[test]
    fn an_atomic_write_replaces_the_whole_and_leaves_no_draft() {
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join("report.json");
        write_atomic(&path, b"a long first version").expect("writes");
        write_atomic(&path, b"second").expect("writes");
        assert_eq!(read(&path).expect("reads"), b"second");
        assert_eq!(std::fs::read_dir(home.path()).expect("lists").count(), 1);
    }

    #[test]
    fn a_failed_atomic_write_leaves_no_draft() {
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join("taken");
        create_dir_all(&path.join("by a folder")).expect("makes it");
        write_atomic(&path, b"text").expect_err("a folder is in the way");
        assert_eq!(std::fs::read_dir(home.path()).expect("lists").count(), 1);
    }

    #[test]
    fn a_link_is_followed_and_a_device_is_never_replaced() {
        let home = tempfile::tempdir().expect("a folder");
        let (path, link) = (home.path().join("report"), home.path().join("link"));
        write_atomic(&path, b"old").expect("writes");
        std::os::unix::fs::symlink(&path, &link).expect("links");
        write_atomic(&link, b"new").expect("writes");
        assert_eq!(read(&path).expect("reads"), b"new");
        assert!(link.is_symlink());
        let device = home.path().join("null");
        std::os::unix::fs::symlink("/dev/null", &device).expect("links");
        write_atomic(&device, b"text").expect("writes");
        assert!(device.is_symlink() && !std::fs::metadata(&device).expect("is there").is_file());
    }

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

    #[test]
    fn a_path_is_resolved_as_far_as_it_is_there() {
        let home = tempfile::tempdir().expect("a folder");
        let home = home.path().canonicalize().expect("is there");
        create_dir_all(&home.join("real")).expect("makes it");
        std::os::unix::fs::symlink("real", home.join("link")).expect("links");
        assert_eq!(resolve(&home.join("link/../link/a/b")).expect("resolves"), home.join("real/a/b"));
        assert_eq!(resolve(&home.join("link")).expect("resolves"), home.join("real"));
        resolve(&home.join("none/../real")).expect_err("what is not there leads nowhere");
    }

    #[test]
    fn only_the_end_of_a_file_is_read() {
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join("log");
        write_atomic(&path, b"0123456789").expect("writes");
        let end = |start, limit| read_end(&path, start, limit).expect("reads");
        assert_eq!((end(0, 3).as_slice(), end(9, 3).as_slice()), (b"789".as_slice(), b"9".as_slice()));
        assert_eq!(end(20, 3), b"", "the file has shrunk");
    }

    #[test]
    fn a_folder_that_is_not_there_has_nothing_in_it() {
        let home = tempfile::tempdir().expect("a folder");
        let file = home.path().join("file");
        create_new(&file).expect("makes it");
        assert_eq!(list(home.path()).expect("lists"), std::slice::from_ref(&file));
        for absent in [home.path().join("none"), file.join("inside")] {
            assert!(list(&absent).expect("is content").is_empty());
        }
    }

    #[test]
    fn a_new_name_never_replaces_another_file() {
        let home = tempfile::tempdir().expect("a folder");
        let (from, to) = (home.path().join("from"), home.path().join("to"));
        write_atomic(&from, b"text").expect("writes");
        rename_new(&from, &to).expect("renames");
        write_atomic(&from, b"another").expect("writes");
        rename_new(&from, &to).expect_err("is taken");
        assert_eq!(read(&to).expect("reads"), b"text");
    }

    #[test]
    fn a_folder_with_more_than_files_in_it_is_left_as_it_is() {
        let home = tempfile::tempdir().expect("a folder");
        let (flat, deep) = (home.path().join("flat"), home.path().join("deep"));
        create_dir_all(&flat).expect("makes it");
        create_dir_all(&deep.join("sub")).expect("makes it");
        for folder in [&flat, &deep] {
            create_new(&folder.join("file")).expect("makes it");
        }
        assert!(remove_flat_folder(&flat, "file").expect("removes") && !flat.exists());
        assert!(!remove_flat_folder(&deep, "file").expect("is content"));
        assert!(deep.join("file").exists());
    }

    #[test]
    fn removing_what_is_absent_is_no_error() {
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join("file");
        create_new(&path).expect("makes it");
        assert!(remove_file(&path).expect("removes"));
        assert!(!remove_file(&path).expect("is content"));
    }
}
