//! The door: hands over the arguments and returns a code.

use std::process::ExitCode;

fn main() -> ExitCode {
    chaos::run(std::env::args_os())
}
