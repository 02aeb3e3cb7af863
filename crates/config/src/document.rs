//! One file's text, with what is needed to point into it, and the problems found in it so far.
//!
//! It also holds the rule that tells a whole file from a half-written one: the last line is `# end <version>`. An
//! editor, a copy or a full disk that stops early leaves a prefix, and a prefix of a valid map can be a valid map with
//! fewer routes.

use std::cell::RefCell;
use std::path::Path;

use toml::de::DeTable;

use crate::names::{closest, quote};
use crate::problem::{Place, Problem};

/// Beyond this many problems nobody reads hints, and searching for them takes time.
const HINTS: usize = 100;

/// A syntax error can make the parser stumble many times more; the first few are worth reading.
const SYNTAX_ERRORS: usize = 5;

/// A file that was read; the path is only for messages and to resolve paths in the settings.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// How the operator calls it.
    pub path: &'a Path,
    /// Its content.
    pub text: &'a str,
}

/// A text and where it stood: a byte offset into the document.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) text: String,
    pub(crate) at: usize,
}

/// A source with its lines and problems.
#[derive(Debug)]
pub(crate) struct Document<'t> {
    source: Source<'t>,
    line_starts: Vec<usize>,
    problems: RefCell<Vec<(usize, Problem)>>,
}

impl<'t> Document<'t> {
    pub(crate) fn new(source: Source<'t>) -> Document<'t> {
        let after_newlines = source.text.match_indices('\n').map(|(at, _)| at + 1);
        let line_starts = std::iter::once(0).chain(after_newlines).collect();
        Document { source, line_starts, problems: RefCell::new(Vec::new()) }
    }

    pub(crate) fn place(&self, at: usize) -> Place {
        let line = self.line_starts.partition_point(|start| *start <= at).max(1);
        let start = self.line_starts.get(line - 1).copied().unwrap_or(0);
        let column = self.source.text.get(start..at).map_or(0, |before| before.chars().count()) + 1;
        Place { path: self.source.path.to_owned(), line, column }
    }

    pub(crate) fn line(&self, at: usize) -> usize {
        self.place(at).line
    }

    pub(crate) fn problem(&self, at: usize, message: impl Into<String>) {
        self.push(at, message.into(), None);
    }

    pub(crate) fn problem_with_help(&self, at: usize, message: impl Into<String>, help: impl Into<String>) {
        self.push(at, message.into(), Some(help.into()));
    }

    /// A name that means nothing: suggests the closest of those that do.
    pub(crate) fn unknown<'n>(
        &self,
        at: usize,
        message: impl Into<String>,
        name: &str,
        known: impl Iterator<Item = &'n str> + Clone,
    ) {
        let help = if self.problems.borrow().len() >= HINTS {
            None
        } else if let Some(close) = closest(name, known.clone()) {
            Some(format!("did you mean {}?", quote(close)))
        } else {
            let all: Vec<String> = known.take(9).map(quote).collect();
            (1..9).contains(&all.len()).then(|| format!("there is: {}", all.join(", ")))
        };
        self.push(at, message.into(), help);
    }

    fn push(&self, at: usize, message: String, help: Option<String>) {
        let problem = Problem { place: self.place(at), message, help };
        self.problems.borrow_mut().push((at, problem));
    }

    /// The document as a table, or nothing when its syntax is broken.
    pub(crate) fn parse(&self) -> Option<DeTable<'t>> {
        let (table, errors) = DeTable::parse_recoverable(self.source.text);
        if errors.is_empty() {
            return Some(table.into_inner());
        }
        for error in errors.iter().take(SYNTAX_ERRORS) {
            let at = error.span().map_or(self.source.text.len(), |span| span.start);
            // Only the message: the error's own display would print the line, which may hold a secret.
            self.problem(at, format!("not valid TOML: {}", error.message().replace('\n', ", ")));
        }
        None
    }

    /// Holds the file to its end line. `version` is unknown when the file does not parse or does not say.
    pub(crate) fn check_end_line(&self, version: Option<&str>) {
        let expected = format!("# end {}", version.unwrap_or("<version>"));
        let body = self.source.text.strip_suffix('\n');
        let last_at = body.unwrap_or(self.source.text).rfind('\n').map_or(0, |at| at + 1);
        let last = self.source.text.get(last_at..).unwrap_or_default();
        let is_whole = match (version, last.strip_suffix('\n')) {
            (_, None) => false,
            (Some(_), Some(line)) => line == expected,
            (None, Some(line)) => line.starts_with("# end ") && !line.ends_with('\r'),
        };
        if !is_whole {
            let message = format!("the file looks half-written: its last line must be `{expected}`");
            self.problem_with_help(last_at, message, end_line_help(last));
        }
        if version.is_none() {
            return;
        }
        let mut at = 0;
        for line in self.source.text.get(..last_at).unwrap_or_default().split_inclusive('\n') {
            if line.strip_suffix('\n') == Some(expected.as_str()) {
                let message = format!("`{expected}` may stand on the last line only");
                let help = "were it here too, a file that was cut here would look whole";
                self.problem_with_help(at, message, help);
            }
            at += line.len();
        }
    }

    /// Everything found, in the order of the file.
    pub(crate) fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|(at, _)| *at);
        problems.into_iter().map(|(_, problem)| problem).collect()
    }
}

fn end_line_help(last: &str) -> &'static str {
    if last.ends_with("\r\n") {
        "lines must end in \\n alone, not in \\r\\n (Windows)"
    } else if last.starts_with("# end ") && last.ends_with('\n') {
        "raise the version and the end line together, to the same value"
    } else if last.starts_with("# end ") {
        "the newline after it is missing"
    } else {
        "add the line if the file is complete"
    }
}
