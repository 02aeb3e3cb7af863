//! Writing to the terminal. What a script reads goes to standard output, everything else to standard error; a closed
//! pipe is nobody's error.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

/// A line of a command's result.
pub(crate) fn result(line: &str) {
    drop(writeln!(std::io::stdout().lock(), "{line}"));
}

/// A line for the person in front of the terminal.
pub(crate) fn say(line: &str) {
    drop(writeln!(std::io::stderr().lock(), "{line}"));
}

/// Asks a question that is answered by `y`; `None` where nobody is there to answer.
pub(crate) fn ask(question: &str) -> Option<bool> {
    let mut input = std::io::stdin().lock();
    if !input.is_terminal() {
        return None;
    }
    drop(write!(std::io::stderr().lock(), "{question} [y/N] "));
    let mut answer = String::new();
    input.read_line(&mut answer).ok()?;
    Some(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// `1 warning`, `2 warnings`.
pub(crate) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Whether diagnostics on standard error may have colours.
pub(crate) fn is_styled() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
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
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .try_init();
    if started.is_err() {
        say("logging was started before");
    }
}
