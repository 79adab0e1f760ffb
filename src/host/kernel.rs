//! What this kernel is and has, as it says of itself.

use std::path::Path;

/// What the kernel says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// Its release, such as `6.12.8-generic`.
    pub release: Option<String>,
    /// Which sizes of memory get huge pages: `always`, `madvise` or `never`.
    pub huge_pages: Option<String>,
    /// Whether it tells how long work waited for a resource (PSI); why not.
    pub pressure: Result<(), String>,
}

impl Kernel {
    /// Looks at this one.
    pub fn look() -> Self {
        let read = |path: &str| std::fs::read_to_string(path);
        let huge_pages = read("/sys/kernel/mm/transparent_hugepage/enabled").ok();
        Self {
            release: read("/proc/sys/kernel/osrelease").ok().map(|release| release.trim().to_owned()),
            huge_pages: huge_pages.as_deref().and_then(chosen).map(ToOwned::to_owned),
            // The files are there also where it was switched off at boot; reading is what tells.
            pressure: read("/proc/pressure/cpu").map(drop).map_err(|error| error.to_string()),
        }
    }

    /// Major and minor version; none when they cannot be told.
    pub fn version(&self) -> Option<(u32, u32)> {
        let mut numbers = self.release.as_deref()?.split(|c: char| !c.is_ascii_digit()).map(str::parse);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    }
}

/// The word in brackets: of `always [madvise] never` the second.
fn chosen(text: &str) -> Option<&str> {
    text.split_once('[')?.1.split_once(']').map(|(word, _)| word)
}

/// Whether files can be made in a folder that never have a name; why not.
pub fn nameless_files(folder: &Path) -> Result<(), String> {
    use rustix::fs::{CWD, Mode, OFlags, openat};
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::TMPFILE;
    openat(CWD, folder, flags, Mode::RUSR | Mode::WUSR).map(drop).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::{Kernel, chosen};

    #[test]
    fn the_version_is_read_from_a_release_of_any_form() {
        let version =
            |release: &str| Kernel { release: Some(release.into()), huge_pages: None, pressure: Ok(()) }.version();
        assert_eq!(version("6.12.8-generic"), Some((6, 12)));
        assert_eq!(version("5.3"), Some((5, 3)));
        assert_eq!(version("6"), None);
        assert_eq!(version("unknown"), None);
    }

    #[test]
    fn the_chosen_word_is_the_one_in_brackets() {
        assert_eq!(chosen("always [madvise] never\n"), Some("madvise"));
        assert_eq!(chosen("never"), None);
    }

    #[test]
    fn this_kernel_says_what_it_is() {
        assert!(Kernel::look().version() >= Some((5, 3)), "{:?}", Kernel::look());
    }
}
