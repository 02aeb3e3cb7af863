//! Problems as JSON, for editors, review bots and whatever else annotates a file.
//!
//! The names are those of no one tool; all are there in every object, so that a reader need not ask.

use serde_json::{Value, json};

use crate::problem::{Beside, Problem, Problems};

impl Problems {
    /// An array with an object for each problem, in their order.
    #[must_use]
    pub fn to_json(&self) -> Value {
        self.iter().map(Problem::to_json).collect()
    }
}

impl Problem {
    /// `severity`, `code`, `path`, `line`, `column`, `end_column`, `message`, `help` (or null) and `related`, an array
    /// of `path`, `line`, `column` and `label`. Lines and columns count from 1, columns in characters.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "severity": self.severity().as_str(),
            "code": self.code.as_str(),
            "path": self.place.path.to_string_lossy(),
            "line": self.place.line,
            "column": self.place.column,
            "end_column": self.end_column,
            "message": self.message,
            "help": self.help,
            "related": self.beside.iter().map(related).collect::<Vec<_>>(),
        })
    }
}

fn related(beside: &Beside) -> Value {
    json!({
        "path": beside.place.path.to_string_lossy(),
        "line": beside.place.line,
        "column": beside.place.column,
        "label": beside.label,
    })
}
