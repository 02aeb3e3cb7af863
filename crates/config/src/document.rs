//! One file's text, with what is needed to point into it, and the problems found in it so far.
//!
//! It also holds the rule that tells a whole file from a half-written one: the last line is `# end <version>`. An
//! editor, a copy or a full disk that stops early leaves a prefix, and a prefix of a valid map can be a valid map with
//! fewer routes.

use std::cell::{Cell, OnceCell, RefCell};
use std::ops::Range;
use std::path::Path;

use toml::de::DeTable;

use crate::code::{Code, Severity};
use crate::literals::{Literal, literals};
use crate::names::{closest, looks_like_key, quote};
use crate::problem::{Beside, Place, Problem};
use crate::snippet::Masker;
use crate::syntax::{merge_mark, syntax_help};

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
    /// Only a file with problems needs them.
    literals: OnceCell<Vec<Literal>>,
    is_toml: Cell<bool>,
    problems: RefCell<Vec<(usize, Problem)>>,
}

impl<'t> Document<'t> {
    pub(crate) fn new(source: Source<'t>) -> Document<'t> {
        let after_newlines = source.text.match_indices('\n').map(|(at, _)| at + 1);
        let line_starts = std::iter::once(0).chain(after_newlines).collect();
        Document {
            source,
            line_starts,
            literals: OnceCell::new(),
            is_toml: Cell::new(false),
            problems: RefCell::new(Vec::new()),
        }
    }

    pub(crate) fn place(&self, at: usize) -> Place {
        let line = self.line(at);
        Place { path: self.source.path.to_owned(), line, column: self.column(at) }
    }

    pub(crate) fn line(&self, at: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= at).max(1)
    }

    pub(crate) fn problem(&self, code: Code, at: usize, message: impl Into<String>) {
        self.push(code, at, message.into(), None, None);
    }

    pub(crate) fn problem_with_help(
        &self,
        code: Code,
        at: usize,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(code, at, message.into(), Some(help.into()), None);
    }

    /// A problem that a second place has to do with; `label` says in a few words what is there.
    pub(crate) fn problem_beside(
        &self,
        code: Code,
        at: usize,
        other_at: usize,
        label: &str,
        message: impl Into<String>,
    ) {
        self.push(code, at, message.into(), None, Some((other_at, label)));
    }

    /// Both.
    pub(crate) fn problem_beside_with_help(
        &self,
        code: Code,
        at: usize,
        (other_at, label): (usize, &str),
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(code, at, message.into(), Some(help.into()), Some((other_at, label)));
    }

    /// Something that does not refuse the file. Its code says so; a warning's and no other belongs here.
    pub(crate) fn warn(&self, code: Code, at: usize, message: impl Into<String>, help: impl Into<String>) {
        self.push(code, at, message.into(), Some(help.into()), None);
    }

    /// A warning that a second place has to do with.
    pub(crate) fn warn_beside(
        &self,
        code: Code,
        at: usize,
        beside: (usize, &str),
        message: impl Into<String>,
        help: &str,
    ) {
        self.push(code, at, message.into(), Some(help.to_owned()), Some(beside));
    }

    /// A name that means nothing: suggests the closest of those that do.
    pub(crate) fn unknown<'n>(
        &self,
        code: Code,
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
        self.push(code, at, message.into(), help, None);
    }

    /// A warning that holds at some times only: told by whoever knows the time.
    pub(crate) fn warning(&self, code: Code, at: usize, message: String, help: &str) -> Problem {
        self.make(code, at, message, Some(help.to_owned()), None)
    }

    /// Whether the file is refused for what was found so far.
    pub(crate) fn is_refused(&self) -> bool {
        self.problems.borrow().iter().any(|(_, problem)| problem.severity() == Severity::Error)
    }

    fn push(
        &self,
        code: Code,
        at: usize,
        message: String,
        help: Option<String>,
        beside: Option<(usize, &str)>,
    ) {
        let problem = self.make(code, at, message, help, beside);
        self.problems.borrow_mut().push((at, problem));
    }

    fn make(
        &self,
        code: Code,
        at: usize,
        message: String,
        help: Option<String>,
        beside: Option<(usize, &str)>,
    ) -> Problem {
        let masker = self.masker();
        let (line, highlight) = self.highlight(&masker, at);
        Problem {
            code,
            place: self.place(highlight.start),
            end_column: self.column(highlight.end).max(self.column(highlight.start) + 1),
            snippet: masker.snippet(&line, &highlight, &message),
            beside: beside.map(|(at, label)| {
                let (line, highlight) = self.highlight(&masker, at);
                let snippet = masker.snippet(&line, &highlight, &message);
                Beside { place: self.place(highlight.start), label: label.to_owned(), snippet }
            }),
            message,
            help,
        }
    }

    fn masker(&self) -> Masker<'_> {
        let literals = self.literals.get_or_init(|| literals(self.source.text));
        Masker { text: self.source.text, literals, is_toml: self.is_toml.get() }
    }

    /// The line of a position, and what is meant by it on that line.
    fn highlight(&self, masker: &Masker<'_>, at: usize) -> (Range<usize>, Range<usize>) {
        let line = self.line(at);
        let start = self.line_starts.get(line - 1).copied().unwrap_or(0);
        let after = self.line_starts.get(line).map_or(self.source.text.len(), |next| next - 1);
        let text = self.source.text.get(start..after).unwrap_or_default();
        let line = start..start + text.strip_suffix('\r').unwrap_or(text).len();
        let highlight = masker.highlight(at, &line);
        (line, highlight)
    }

    fn column(&self, at: usize) -> usize {
        let start = self.line_starts.get(self.line(at) - 1).copied().unwrap_or(0);
        self.source.text.get(start..at).map_or(0, |before| before.chars().count()) + 1
    }

    /// The document as a table, or nothing when its syntax is broken.
    pub(crate) fn parse(&self) -> Option<DeTable<'t>> {
        let (table, errors) = DeTable::parse_recoverable(self.source.text);
        if errors.is_empty() {
            self.is_toml.set(true);
            return Some(table.into_inner());
        }
        if let Some(at) = merge_mark(self.source.text) {
            let message = "a merge was not finished: both sides stand here";
            let help =
                "keep one side and remove the lines that begin with `<<<<<<<`, `=======` and `>>>>>>>`";
            self.problem_with_help(Code::Syntax, at, message, help);
            return None;
        }
        for error in errors.iter().take(SYNTAX_ERRORS) {
            let at = error.span().map_or(self.source.text.len(), |span| span.start);
            // Only the message: the error's own display would print the line, which may hold a secret.
            let message = format!("not valid TOML: {}", error.message().replace('\n', ", "));
            let help = syntax_help(self.source.text, at, &message).map(str::to_owned);
            self.push(Code::Syntax, at, message, help, None);
        }
        None
    }

    /// Holds the file to its end line. `version` is unknown when the file does not parse or does not say.
    pub(crate) fn check_end_line(&self, version: Option<&str>) {
        let expected = format!("# end {}", version.unwrap_or("<version>"));
        let shown = if looks_like_key(&expected) { "# end <version>" } else { expected.as_str() };
        let body = self.source.text.strip_suffix('\n');
        let last_at = body.unwrap_or(self.source.text).rfind('\n').map_or(0, |at| at + 1);
        let last = self.source.text.get(last_at..).unwrap_or_default();
        let is_whole = match (version, last.strip_suffix('\n')) {
            (_, None) => false,
            (Some(_), Some(line)) => line == expected,
            (None, Some(line)) => line.starts_with("# end ") && !line.ends_with('\r'),
        };
        if !is_whole {
            let message = format!("the file looks half-written: its last line must be `{shown}`");
            let help = end_line_help(last, &expected, self.ends_before_the_end(&expected));
            self.problem_with_help(Code::HalfWritten, last_at, message, help);
        }
        if version.is_none() || (!is_whole && self.ends_before_the_end(&expected)) {
            return;
        }
        let mut at = 0;
        for line in self.source.text.get(..last_at).unwrap_or_default().split_inclusive('\n') {
            if line.strip_suffix('\n') == Some(expected.as_str()) {
                let message = format!("`{shown}` may stand on the last line only");
                let help = "were it here too, a file that was cut here would look whole";
                self.problem_with_help(Code::EndLineTwice, at, message, help);
            }
            at += line.len();
        }
    }

    /// Whether only comments and empty lines follow the end line.
    fn ends_before_the_end(&self, expected: &str) -> bool {
        let is_empty = |line: &&str| line.trim().is_empty() || line.starts_with('#') && *line != expected;
        self.source.text.lines().rev().find(|line| !is_empty(line)) == Some(expected)
    }

    /// Whether what stands at a position is the part of a dotted name, as the 4 of `[aliases.gpt-5.4]`.
    pub(crate) fn follows_dot(&self, at: usize) -> bool {
        self.source.text.get(..at).is_some_and(|before| before.trim_end().ends_with('.'))
    }

    /// Everything found, in the order of the file.
    pub(crate) fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|(at, _)| *at);
        problems.into_iter().map(|(_, problem)| problem).collect()
    }
}

fn end_line_help(last: &str, expected: &str, is_followed: bool) -> &'static str {
    if last.ends_with("\r\n") {
        "lines must end in \\n alone, not in \\r\\n (Windows)"
    } else if is_followed && last.strip_suffix('\n').is_some_and(|last| !last.starts_with("# end ")) {
        "it is there; nothing may follow it, not even an empty line or a comment"
    } else if last.ends_with('\n') && is_nearly(last, expected) {
        "it is nearly there: write it exactly so, with a newline and without any other white space around it"
    } else if last.starts_with("# end ") && last.ends_with('\n') {
        "raise the version and the end line together, to the same value"
    } else if last.starts_with("# end ") {
        "the newline after it is missing"
    } else {
        "add the line if the file is complete"
    }
}

/// Whether a line is another one but for white space and case.
fn is_nearly(line: &str, expected: &str) -> bool {
    let words = |line: &str| line.replace('#', "# ").to_ascii_lowercase();
    words(line).split_whitespace().eq(words(expected).split_whitespace())
}
