//! What is measured of a whole process, its memory and its descriptors, is measured in a process that does nothing else:
//! `cargo test` runs the other tests in this one.

/// Set in the inner one of two copies of this program.
const INSIDE: &str = "CHAOS_TEST_ALONE";

/// True in a process that runs nothing but `test`, a test of `proxy::tests::load`. Elsewhere it runs the test in such a
/// process, and says false.
#[allow(clippy::disallowed_methods, reason = "a copy of this test program, which ends by itself")]
pub(super) fn alone(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let test = format!("proxy::tests::load::{test}");
    let mut command = std::process::Command::new(std::env::current_exe().expect("us"));
    let output = command.args(["--exact", &test, "--nocapture"]).env(INSIDE, "1").output().expect("starts");
    let told = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success() && told[0].contains("1 passed"), "{}{}", told[0], told[1]);
    false
}
