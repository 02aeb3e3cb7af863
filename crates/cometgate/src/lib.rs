//! The gateway's binary as a library: commands, wiring, reload, shutdown. No logic of a request is here.
//!
//! Reading order: `cli` (what can be asked), `commands` (what each does), `prepare` (a checked plan becomes something
//! that can serve), `running` (the process from start to drain), `reload` (a changed file becomes the plan in force).

mod bindings;
mod changes;
mod cli;
mod commands;
mod exit;
mod files;
mod gateway_key;
mod going_live;
mod in_force;
mod map_files;
mod prepare;
mod reload;
mod request_lines;
mod running;
mod secrets;
mod settings_watch;
mod starting;
mod state;
mod terminal;
mod way_back;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;

/// Runs the program with its arguments, and says how it ended.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let asked = match cli::Cli::try_parse_from(arguments) {
        Ok(asked) => asked,
        Err(error) => error.exit(),
    };
    match commands::run(asked.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            terminal::error(&format!("{failure}"));
            failure.exit.into()
        }
    }
}
