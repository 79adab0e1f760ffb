//! Files. What we write is for our user's eyes only, and what must last is on the disk before we go on.

use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::Trouble;

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

/// Reads the start of a plain file as text: at most `limit` bytes. Anything else, such as a pipe that nobody writes to,
/// would be waited for without end, and is refused.
pub fn read_plain(path: &Path, limit: u64) -> io::Result<String> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file: File = rustix::fs::open(path, flags, Mode::empty())?.into();
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no plain file"));
    }
    let mut text = String::new();
    file.take(limit).read_to_string(&mut text)?;
    Ok(text)
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

    use super::{
        create_dir_all, create_new, list, read, read_end, remove_file, remove_flat_folder, rename_new, resolve,
        write_atomic,
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
