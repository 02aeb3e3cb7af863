//! Writing to the terminal. What a script reads goes to standard output, everything else to standard error; a closed
//! pipe is nobody's error.

use std::io::Write as _;

/// A line of a command's result.
pub(crate) fn result(line: &str) {
    drop(writeln!(std::io::stdout().lock(), "{line}"));
}

/// A line for the person in front of the terminal.
pub(crate) fn say(line: &str) {
    drop(writeln!(std::io::stderr().lock(), "{line}"));
}

/// Why a command failed.
pub(crate) fn error(message: &str) {
    say(&format!("error: {message}"));
}

/// Logs of a running gateway: to standard error, at the level that `RUST_LOG` asks for.
pub(crate) fn start_logging() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let started = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_target(false)
        .try_init();
    if started.is_err() {
        say("logging was started before");
    }
}
