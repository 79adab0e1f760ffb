//! The binary under test: the one that was built with the tests, or another by `CHAOS_BINARY`, such as the release build
//! that users get, which needs a fraction of the processor's time.

use std::sync::LazyLock;

/// Names another binary to test, by its whole path.
const OTHER: &str = "CHAOS_BINARY";

/// Where it is.
pub fn chaos() -> &'static str {
    static CHAOS: LazyLock<String> = LazyLock::new(|| match std::env::var(OTHER) {
        Ok(path) => {
            assert!(path.starts_with('/') && std::path::Path::new(&path).is_file(), "{OTHER}={path}: no such file");
            path
        }
        Err(_) => env!("CARGO_BIN_EXE_chaos").to_owned(),
    });
    &CHAOS
}

/// Whether it is a build for users.
#[allow(dead_code, reason = "not every suite has to know")]
pub fn is_optimised() -> bool {
    std::env::var_os(OTHER).is_some() || !cfg!(debug_assertions)
}
