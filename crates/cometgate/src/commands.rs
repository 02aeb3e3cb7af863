//! One file for each command.

mod demo;
mod demo_files;
mod init;
mod routes;
mod serve;
mod tenants;

use crate::cli::Command;
use crate::exit::Failure;

/// Does what was asked.
pub(crate) fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Demo(options) => demo::run(&options),
        Command::Init(options) => init::run(&options),
        Command::Serve(options) => serve::run(&options),
        Command::Routes(asked) => routes::run(&asked),
        Command::Tenants(asked) => tenants::run(&asked),
    }
}
