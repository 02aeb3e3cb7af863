//! `cometgate rollback`, `hold`, `resume`, `promote`: says it to the running gateway.

use evidence::{Name, Prose, RollbackDecision};
use http::Method;
use serde_json::{Value, json};

use crate::cli::{Answer, Format, GateHold, GatePromote, GateResume, GateRollback, Questions, Said, Target};
use crate::commands::serve::read_settings;
use crate::commands::status_text::target_line;
use crate::control_client::{ask, ask_status};
use crate::exit::Failure;
use crate::gates::acting::{Action, Asked};
use crate::gates::records::Operator;
use crate::terminal;

pub(crate) fn rollback(options: &GateRollback) -> Result<(), Failure> {
    tell(Action::RollBack, &options.said, Some(&options.questions), Some(options.answer))
}

pub(crate) fn hold(options: &GateHold) -> Result<(), Failure> {
    tell(Action::Hold, &options.said, None, None)
}

pub(crate) fn resume(options: &GateResume) -> Result<(), Failure> {
    tell(Action::Resume, &options.said, None, Some(options.answer))
}

pub(crate) fn promote(options: &GatePromote) -> Result<(), Failure> {
    tell(Action::Promote, &options.said, None, Some(options.answer))
}

/// What changes traffic is confirmed first.
fn tell(
    action: Action,
    said: &Said,
    questions: Option<&Questions>,
    answer: Option<Answer>,
) -> Result<(), Failure> {
    let settings = read_settings(&said.given.config.path)?;
    let state_dir = &settings.state_dir;
    if answer.is_some_and(|answer| !answer.yes) {
        let status = ask_status(state_dir, Some(&said.route))?;
        for target in status["routes"].as_array().into_iter().flatten().flat_map(targets_of) {
            terminal::say(&format!("  {}", target_line(target)));
        }
        terminal::confirm(false, &question(action, &said.route), "nothing was done")?;
    }
    let target = said.target.map(|target| match target {
        Target::Canary => "canary".to_owned(),
        Target::Fallback => "fallback".to_owned(),
    });
    let note = questions.map(answered);
    let operator = Operator { by: said.by.clone(), reason: said.reason.clone(), note };
    let asked = Asked { route: said.route.clone(), target, operator };
    let done = ask(state_dir, Method::POST, &format!("/{}", action.as_str()), &json!(asked))?;
    match said.given.format {
        Format::Json => terminal::result(&done.to_string()),
        Format::Text => {
            terminal::result(&format!("{}: {}", said.route, done["text"].as_str().unwrap_or_default()));
        }
    }
    if done["stored"] != json!(true) {
        terminal::say("warning: it is in force and not on disk yet; the gateway's log says why");
    }
    Ok(())
}

fn targets_of(route: &Value) -> impl Iterator<Item = &Value> {
    route["targets"].as_array().into_iter().flatten()
}

fn question(action: Action, route: &str) -> String {
    match action {
        Action::RollBack => format!("Take it out of traffic on {route}, for good?"),
        Action::Hold => format!("Hold {route}?"),
        Action::Resume => format!("End every hold of {route}?"),
        Action::Promote => format!("Let it take its next step on {route}?"),
    }
}

/// The rollback decision, as far as it was answered.
fn answered(questions: &Questions) -> RollbackDecision {
    let name = |said: &Option<String>| said.as_deref().map(Name::from);
    let prose = |said: &Option<String>| said.as_deref().map(Prose::from);
    RollbackDecision {
        rolling_back_from: name(&questions.from),
        rolling_back_to: name(&questions.to),
        mapping_approved_by: name(&questions.approved_by),
        rollback_id_last_confirmed: prose(&questions.last_confirmed),
        canary_request: prose(&questions.confirmed_by_request),
        watched_metric: prose(&questions.worse_if),
        may_revert: name(&questions.may_revert),
    }
}
