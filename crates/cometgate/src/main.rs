//! The `cometgate` program; everything is in the library, so that tests and tools run the same code.

use std::process::ExitCode;

fn main() -> ExitCode {
    cometgate::run(std::env::args_os())
}
