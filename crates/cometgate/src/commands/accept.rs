//! `cometgate accept`: an application's word about an answer, said to the running gateway.

use http::Method;
use serde_json::json;

use crate::cli::{Accept, Acceptance, Format};
use crate::commands::serve::read_settings;
use crate::control_client::ask;
use crate::exit::Failure;
use crate::gates::accepting::Judgement;
use crate::terminal;

pub(crate) fn run(options: &Accept) -> Result<(), Failure> {
    let settings = read_settings(&options.given.config.path)?;
    let pass = options.verdict == Acceptance::Pass;
    let said = Judgement { request_id: options.request_id.clone(), pass };
    let done = ask(&settings.state_dir, Method::POST, "/accept", &json!(said))?;
    match options.given.format {
        Format::Json => terminal::result(&done.to_string()),
        Format::Text => terminal::result(done["text"].as_str().unwrap_or_default()),
    }
    Ok(())
}
