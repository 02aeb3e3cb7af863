//! What is wrong with a file, where, and what to do about it.
//!
//! A problem is written for the operator who has the file open: a code to look up, one sentence, `path:line:column`,
//! which editors and terminals make clickable, the line itself, then a hint where there is a good one. `render` makes
//! a text of it, `diagnostic_json` an object for programs.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::code::{Code, Severity};
use crate::render::render;
use crate::snippet::Snippet;

/// A position in a file, counted from 1; columns count characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file, as the caller named it.
    pub path: PathBuf,
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.path.display(), self.line, self.column)
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What kind of thing.
    pub code: Code,
    /// Where it begins.
    pub place: Place,
    /// The column after its last, on the same line.
    pub end_column: usize,
    /// What, in one sentence.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// The line, as far as it may be shown.
    pub snippet: Snippet,
    /// Another place that has to do with it.
    pub beside: Option<Beside>,
}

/// A second place, with a few words on what is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beside {
    /// Where it begins.
    pub place: Place,
    /// What is there.
    pub label: String,
    /// The line, as far as it may be shown.
    pub snippet: Snippet,
}

impl Problem {
    /// Whether the file is refused for it.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.code.severity()
    }

    /// The problem as `rustc` would show it, without a line end; in colours if `styled`.
    #[must_use]
    pub fn render(&self, styled: bool) -> String {
        render(self, styled)
    }

    /// A fault of this crate: better said than passed over.
    pub(crate) fn unexplained(path: &Path, message: impl Into<String>) -> Problem {
        Problem {
            code: Code::Unexplained,
            place: Place { path: path.to_owned(), line: 1, column: 1 },
            end_column: 2,
            message: message.into(),
            help: Some("this is a bug in Cometgate".to_owned()),
            snippet: Snippet::default(),
            beside: None,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

/// Why a file is refused: one error at least, and the warnings among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// One at least.
    #[must_use]
    pub fn new(first: Problem, rest: Vec<Problem>) -> Problems {
        let mut all = vec![first];
        all.extend(rest);
        Problems(all)
    }

    /// `Err` if an error is among them; otherwise the warnings.
    pub(crate) fn none(all: Vec<Problem>) -> Result<Vec<Problem>, Problems> {
        if all.iter().any(|problem| problem.severity() == Severity::Error) {
            Err(Problems(all))
        } else {
            Ok(all)
        }
    }

    /// In the order of the files and their lines.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }

    /// Every problem as `rustc` would show it, with an empty line between two; in colours if `styled`.
    #[must_use]
    pub fn render(&self, styled: bool) -> String {
        let all: Vec<String> = self.0.iter().map(|problem| problem.render(styled)).collect();
        all.join("\n\n")
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Problems {}
