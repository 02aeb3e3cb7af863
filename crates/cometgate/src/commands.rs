//! One file for each command.

mod accept;
mod demo;
mod demo_files;
mod drill;
mod evidence;
mod gates;
mod init;
mod models;
mod probe;
mod readiness;
mod replay;
mod rollforward;
mod route_check_text;
mod routes;
pub(crate) mod serve;
mod simulate;
mod smoke;
mod status;
mod status_text;
mod tenants;

use crate::cli::{Command, Gates};
use crate::exit::Failure;

/// Does what was asked.
pub(crate) fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Demo(options) => demo::run(&options),
        Command::Init(options) => init::run(&options),
        Command::Serve(options) => serve::run(&options),
        Command::Status(options) => status::run(&options),
        Command::Rollback(options) => gates::rollback(&options),
        Command::Hold(options) => gates::hold(&options),
        Command::Resume(options) => gates::resume(&options),
        Command::Promote(options) => gates::promote(&options),
        Command::Accept(options) => accept::run(&options),
        Command::Drill(options) => drill::run(&options),
        Command::Readiness(options) => readiness::run(&options),
        Command::Probe(asked) => probe::run(&asked),
        Command::Smoke(options) => smoke::run(&options),
        Command::Rollforward(options) => rollforward::run(&options),
        Command::Routes(asked) => routes::run(&asked),
        Command::Tenants(asked) => tenants::run(&asked),
        Command::Gates(Gates::Simulate(options)) => simulate::run(&options),
        Command::Gates(Gates::Replay(options)) => replay::run(&options),
        Command::Models(asked) => models::run(&asked),
        Command::Evidence(asked) => evidence::run(&asked),
    }
}
