//! Folders that look like control groups.

/// A folder with these files.
pub fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        crate::host::files::write_atomic(&folder.path().join(name), text.as_bytes()).expect("writes");
    }
    folder
}
