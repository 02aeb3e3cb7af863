//! The gateway's binary as a library: commands, wiring, reload, shutdown. No logic of a request is here.
//!
//! Reading order: `cli` (what can be asked), `commands` (what each does), `prepare` (a checked plan becomes something
//! that can serve), `running` (the process from start to drain), `reload` (a changed file becomes the plan in force),
//! `gates` (what is remembered of canaries, and what operators say to them over `control_socket`).

mod admin;
mod bindings;
mod caller_tls;
mod catalog;
mod certificate_end;
mod changes;
mod checks;
mod cli;
mod clock;
mod commands;
mod control_client;
mod control_socket;
mod drill_book;
mod edit_lock;
mod exit;
mod export;
mod files;
mod gates;
mod gateway_key;
mod going_live;
mod in_force;
mod map_files;
mod metrics;
mod pem;
mod prepare;
mod provider_tls;
mod reload;
mod request_lines;
mod running;
mod secrets;
mod settings_watch;
mod small_server;
mod starting;
mod state;
mod terminal;
mod way_back;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;

/// Runs the program with its arguments, and says how it ended.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    terminal::keep_to_itself(&arguments);
    let asked = match cli::Cli::try_parse_from(&arguments) {
        Ok(asked) => asked,
        Err(error) if error.use_stderr() => {
            terminal::complain(&error.render());
            return exit::Exit::Usage.into();
        }
        Err(error) => error.exit(),
    };
    let ended = commands::run(asked.command);
    if let Err(failure) = &ended {
        terminal::error(&format!("{failure}"));
    }
    match (ended, terminal::lost()) {
        (Err(failure), _) => failure.exit.into(),
        (Ok(()), None) => ExitCode::SUCCESS,
        (Ok(()), Some(error)) => {
            terminal::error(&format!(
                "what was asked for is done, and its result could not be written: {error}"
            ));
            exit::Exit::Internal.into()
        }
    }
}
