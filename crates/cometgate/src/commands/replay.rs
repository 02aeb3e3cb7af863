//! `cometgate gates replay`: whether the decisions in the store are what the gates' logs lead to.
//!
//! The logs are read first and the store after them: a gateway that runs meanwhile writes what led to a decision before the
//! decision, so what is read of the logs has no later decision that is missing in the store but at its very end.

mod compared;
mod played;
mod recorded;
mod text;

use anyhow::anyhow;
use evidence::{Error, Reader, gate_log};
use serde_json::json;

use crate::cli::{Format, GatesReplay};
use crate::commands::evidence::{directory, failure};
use crate::exit::Failure;
use crate::gates::files::route_of;
use crate::terminal;
use compared::{Compared, Window, Word};
use played::Played;
use recorded::Recorded;

pub(super) fn run(options: &GatesReplay) -> Result<(), Failure> {
    let config = &options.given.config.path;
    let store = directory(config)?;
    let refused = |error| match error {
        // A record that is not as it was written is what is looked for.
        Error::Damaged { .. } | Error::Unreadable { .. } => Failure::not_allowed(error),
        other => failure(other, config),
    };
    let reader = Reader::open(&store).map_err(refused)?;
    let is_meant = |gate: &str| options.route.as_deref().is_none_or(|route| route_of(gate) == Some(route));
    let mut names = gate_log::gates(&store).map_err(refused)?;
    names.retain(|name| is_meant(name));
    let played: Vec<Played> =
        names.iter().map(|name| Played::of(&store, name)).collect::<Result<_, _>>().map_err(refused)?;
    let recorded = Recorded::read(&reader, is_meant).map_err(refused)?;
    let window = Window { since: options.since, until: options.until };
    let compared = compared::all(&played, &recorded, &window);
    match options.given.format {
        Format::Json => {
            let gates: Vec<_> = compared.iter().map(Compared::to_json).collect();
            let word = Word::of_all(&compared);
            terminal::result(&json!({ "verdict": word.as_str(), "gates": gates }).to_string());
        }
        Format::Text => compared.iter().flat_map(text::lines).for_each(|line| terminal::result(&line)),
    }
    end(&compared)
}

fn end(compared: &[Compared]) -> Result<(), Failure> {
    match Word::of_all(compared) {
        Word::Reproduced => Ok(()),
        Word::Nothing => Err(Failure::invalid(anyhow!(
            "there is nothing to replay\n  help: `cometgate evidence list` says what was decided; logs beyond their bound are \
             removed, the oldest first"
        ))),
        Word::Incomplete => Err(Failure::invalid(anyhow!(
            "what could be replayed is as it was recorded, and not all could: the log lacks what is named above"
        ))),
        Word::Differs => Err(Failure::not_allowed(anyhow!(
            "what is recorded is not what the logs lead to\n  help: keep a copy of the state directory; `cometgate evidence \
             verify` says whether the store is as it was written"
        ))),
    }
}
