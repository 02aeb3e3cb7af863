//! `cometgate routes`: questions about a map, and edits of it. One file for each kind.

mod check;
mod confirm;
mod diff;
mod edit;
mod explain;
mod explain_attempts;
mod explain_mirror;
mod explain_request;
mod explain_state;
mod explain_text;
mod given;
mod history;
mod rollback;
mod schema;
mod to_edit;
mod who;

pub(crate) use edit::parse_until;

use crate::cli::Routes;
use crate::exit::Failure;

/// Does what was asked.
pub(crate) fn run(asked: &Routes) -> Result<(), Failure> {
    match asked {
        Routes::Check(options) => check::run(options),
        Routes::Explain(options) => explain::run(options),
        Routes::Diff(options) => diff::run(options),
        Routes::Who(options) => who::run(options),
        Routes::Schema(options) => schema::run(options),
        Routes::Shift(options) => edit::shift(options),
        Routes::Disable(options) => edit::disable(options),
        Routes::Vouch(options) => edit::vouch(options),
        Routes::Rollback(options) => rollback::run(options),
        Routes::History(options) => history::run(options),
    }
}
