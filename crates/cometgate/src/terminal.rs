//! Writing to the terminal. What a script reads goes to standard output, everything else to standard error; a closed
//! pipe is nobody's error, and any other result that cannot be written ends the process with exit code 1.

use std::ffi::OsString;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::sync::OnceLock;

use anyhow::anyhow;

use crate::exit::Failure;

/// Why a result could not be written; the first reason stays.
static LOST: OnceLock<io::Error> = OnceLock::new();

/// What looks like a key among the arguments: somebody pasted it into the wrong place, and an error repeats it.
static SECRETS: OnceLock<Vec<String>> = OnceLock::new();

/// How keys begin, providers' and ours.
const SECRET_PREFIXES: [&str; 2] = ["sk-", "cgk-"];

/// Characters of a key that may be shown; a shorter text is no key.
const SHOWN: usize = 8;

/// A line of a command's result. That it could not be written is said at the end of the process.
pub(crate) fn result(line: &str) {
    match try_result(line) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => drop(LOST.set(error)),
        _ => {}
    }
}

/// A line that is shown this once: whoever prints it has to know that nobody got it.
pub(crate) fn try_result(line: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "{line}")?;
    output.flush()
}

/// Why a result could not be written, if any could not.
pub(crate) fn lost() -> Option<&'static io::Error> {
    LOST.get()
}

/// A line for the person in front of the terminal.
pub(crate) fn say(line: &str) {
    drop(writeln!(io::stderr().lock(), "{}", mask(line)));
}

/// What the parser of arguments says.
pub(crate) fn complain(text: &clap::builder::StyledStr) {
    let (plain, masked) = (text.to_string(), mask(&text.to_string()));
    let shown = if is_styled() && plain == masked { text.ansi().to_string() } else { masked };
    drop(write!(io::stderr().lock(), "{shown}"));
}

/// Remembers what is not to be repeated.
pub(crate) fn keep_to_itself(arguments: &[OsString]) {
    let arguments = arguments.iter().map(|argument| argument.to_string_lossy().into_owned());
    let values = arguments.flat_map(|text| text.split('=').map(str::to_owned).collect::<Vec<_>>());
    let is_secret = |text: &String| {
        text.chars().count() > SHOWN && SECRET_PREFIXES.iter().any(|prefix| text.starts_with(prefix))
    };
    drop(SECRETS.set(values.filter(is_secret).collect()));
}

fn mask(text: &str) -> String {
    let secrets = SECRETS.get().map_or(&[][..], Vec::as_slice);
    secrets.iter().fold(text.to_owned(), |text, secret| mask_one(&text, secret))
}

/// An error may show the beginning of a key only, so what begins like one is masked to its end.
fn mask_one(text: &str, secret: &str) -> String {
    let beginning: String = secret.chars().take(SHOWN).collect();
    let mut parts = text.split(beginning.as_str());
    let mut masked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let prefix = secret.split_inclusive('-').next().unwrap_or_default();
        let is_of_key = |found: char| found.is_alphanumeric() || matches!(found, '-' | '_' | '.');
        masked.push_str(prefix);
        masked.push_str("***");
        masked.push_str(part.trim_start_matches(is_of_key));
    }
    masked
}

/// Asks whether to go on, unless `is_said` already; `undone` says what was left undone where nobody agrees.
///
/// # Errors
/// Somebody said no (4), or nobody is at a terminal to say anything (2).
pub(crate) fn confirm(is_said: bool, question: &str, undone: &str) -> Result<(), Failure> {
    if is_said {
        return Ok(());
    }
    match ask(question) {
        Some(true) => Ok(()),
        Some(false) => Err(Failure::not_allowed(anyhow!("{undone}"))),
        None => Err(Failure::usage(anyhow!("{undone}: nobody is at a terminal to confirm it; --yes does"))),
    }
}

/// Asks a question that is answered by `y`; `None` where nobody is there to answer.
pub(crate) fn ask(question: &str) -> Option<bool> {
    let mut input = io::stdin().lock();
    if !input.is_terminal() {
        return None;
    }
    drop(write!(io::stderr().lock(), "{question} [y/N] "));
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
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
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
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .try_init();
    if started.is_err() {
        say("logging was started before");
    }
}
