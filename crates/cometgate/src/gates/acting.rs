//! What an operator says to a gate: rollback, hold, resume, promote. Traffic moves before anybody is told.

use std::sync::Arc;
use std::time::Duration;

use decisions::gate::Event;
use decisions::plan::{Plan, Route, Watched, target_of};
use decisions::{Barred, ProviderId};
use evidence::{Name, OperatorVerb, RollbackDecision};
use http::StatusCode;
use proxy::{Measured, RouteGate, Snapshot, SnapshotHandle};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::catalog::standings::Standings;
use crate::checks::leasing::Leasing;
use crate::gates::keeper::Keeper;
use crate::gates::records::{Done, Operator};
use crate::gates::report_target::model_id;
use crate::gates::ticking::GateClock;
use crate::metrics::CheckResults;

/// How long an answer waits for the disk.
const LONGEST_WRITE: Duration = Duration::from_secs(2);

/// Characters in the longest text of an operator.
const LONGEST_TEXT: usize = 1000;

/// What can be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    RollBack,
    Hold,
    Resume,
    Promote,
}

impl Action {
    pub(crate) const ALL: [Action; 4] = [Action::RollBack, Action::Hold, Action::Resume, Action::Promote];

    /// The name of its command.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Action::RollBack => "rollback",
            Action::Hold => "hold",
            Action::Resume => "resume",
            Action::Promote => "promote",
        }
    }

    fn verb(self) -> OperatorVerb {
        match self {
            Action::RollBack => OperatorVerb::Rollback,
            Action::Hold => OperatorVerb::Hold,
            Action::Resume => OperatorVerb::Resume,
            Action::Promote => OperatorVerb::Promote,
        }
    }
}

/// What was asked for.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Asked {
    pub(crate) route: String,
    /// `canary` or `fallback`; the route's canary where it has one, unless said.
    pub(crate) target: Option<String>,
    #[serde(flatten)]
    pub(crate) operator: Operator,
}

/// Why it is not done.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) why: String,
}

/// What it takes to do it.
#[derive(Debug)]
pub(crate) struct Acting {
    pub(crate) handle: Arc<SnapshotHandle>,
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) clock: GateClock,
    pub(crate) catalogs: Arc<Standings>,
    pub(crate) check_results: Arc<CheckResults>,
    pub(crate) measured: Measured,
    pub(crate) leasing: Leasing,
}

impl Acting {
    /// Does it, and says what has changed once that is on disk, or cannot be written soon.
    pub(crate) async fn act(&self, action: Action, asked: &Asked) -> Result<Value, Refusal> {
        check_texts(&asked.operator)?;
        let snapshot = self.handle.current();
        let (route, gate) = find_gate(&snapshot, asked)?;
        let id = Arc::clone(gate.id());
        let operator = &with_both_ends(asked, action, snapshot.plan(), route, &gate);
        let from_share_ppm = self.keeper.share_of(&gate);
        let told = self.keeper.acting(&id, operator, || self.tell(action, &gate))?;
        let to_share_ppm = self.keeper.share_of(&gate);
        let done = Done { action: action.verb(), changed: told.changed, from_share_ppm, to_share_ppm };
        let stored = self.keeper.record_action(&gate, &done, operator);
        let is_stored = matches!(tokio::time::timeout(LONGEST_WRITE, stored).await, Ok(Ok(true)));
        Ok(json!({
            "action": action.as_str(),
            "route": id.route,
            "target": id.watched.as_str(),
            "identity": id.identity.to_string(),
            "changed": told.changed,
            "stored": is_stored,
            "route_version": snapshot.plan().route_version(),
            "text": told.text,
        }))
    }

    fn tell(&self, action: Action, gate: &RouteGate) -> Result<Told, Refusal> {
        let target = gate.id().watched.as_str();
        let (barred, _) = gate.shown();
        if barred == Some(Barred::Latched) && action != Action::RollBack {
            return refuse(format!(
                "the {target} of {} is rolled back for good; only a raised `generation` in the map reopens it, as a new \
                 try",
                gate.id().route
            ));
        }
        if barred == Some(Barred::Unusable) && matches!(action, Action::Resume | Action::Promote) {
            return refuse(format!(
                "the {target} is out of traffic because its gate cannot be kept or read; the gateway's log says which \
                 file, and `cometgate status` whether it is mended"
            ));
        }
        match action {
            Action::RollBack => {
                let is_news = gate.tell(self.clock.now_ms(), &Event::RollBack).is_some();
                let text = if is_news { "is rolled back for good" } else { "was rolled back before" };
                Ok(Told::new(is_news, format!("the {target} {text}; only a raised `generation` reopens it")))
            }
            Action::Hold => {
                let is_news = gate.tell(self.clock.now_ms(), &Event::Hold).is_some();
                let text = if is_news { "is held at its share" } else { "was held by hand before" };
                Ok(Told::new(is_news, format!("the {target} {text}; `cometgate resume` ends that")))
            }
            Action::Resume => {
                let is_news = gate.tell(self.clock.now_ms(), &Event::Resume).is_some();
                let text = if is_news { "has no holds any more" } else { "was not held" };
                Ok(Told::new(is_news, format!("the {target} {text}")))
            }
            Action::Promote => promote(gate, self.clock.now_ms()),
        }
    }
}

#[derive(Debug)]
struct Told {
    changed: bool,
    text: String,
}

impl Told {
    fn new(changed: bool, text: String) -> Told {
        Told { changed, text }
    }
}

fn promote(gate: &RouteGate, now_ms: u64) -> Result<Told, Refusal> {
    let Some(step) = gate.promote_by_hand(now_ms) else {
        let state = gate.state();
        return refuse(match (state.judged.rollout_rules, gate.shown().0) {
            (None, _) => {
                "the canary has no `steps` in the map; `cometgate routes shift` changes its share".to_owned()
            }
            (_, Some(_)) => "the canary is out of traffic; `cometgate resume` ends a hold first".to_owned(),
            _ => "the canary is at its last step".to_owned(),
        });
    };
    let percent = |ppm: u32| f64::from(ppm) / 10_000.0;
    let missing: Vec<_> = step.missing.iter().map(|requirement| requirement.as_str()).collect();
    let lacked = if missing.is_empty() { String::new() } else { format!(", without {}", missing.join(", ")) };
    let observed = if step.acts { "" } else { " (its gates only observe, so its share stays)" };
    let (from, to) = (percent(step.from_ppm), percent(step.to_ppm));
    Ok(Told::new(step.acts, format!("the canary goes from {from}% to {to}%{lacked}{observed}")))
}

fn find_gate<'s>(snapshot: &'s Snapshot, asked: &Asked) -> Result<(&'s Route, Arc<RouteGate>), Refusal> {
    let plan = snapshot.plan();
    let Some((id, route)) = plan.route_named(&asked.route) else {
        let why = format!("the map in force ({}) has no route {:?}", plan.route_version(), asked.route);
        return Err(Refusal { status: StatusCode::NOT_FOUND, why });
    };
    let wanted = |watched: &Watched| asked.target.as_deref().is_none_or(|name| name == watched.as_str());
    let gate = Watched::ALL.into_iter().filter(wanted).find_map(|watched| snapshot.gates().of(id, watched));
    gate.map(|gate| (route, Arc::clone(gate))).ok_or_else(|| {
        let what = asked.target.as_deref().unwrap_or("canary or fallback");
        Refusal { status: StatusCode::NOT_FOUND, why: format!("the route {} has no {what}", asked.route) }
    })
}

/// From where to where a rollback goes is known, unless somebody says otherwise.
fn with_both_ends(asked: &Asked, action: Action, plan: &Plan, route: &Route, gate: &RouteGate) -> Operator {
    let mut operator = asked.operator.clone();
    if action == Action::RollBack {
        let end = |provider: ProviderId| -> Name {
            let model = model_id(plan, route, provider).unwrap_or("every model of the route");
            format!("{model} at {}", plan.provider(provider).name).into()
        };
        let away = target_of(route, gate.id().watched).map(|(provider, _)| end(provider));
        let note = operator.note.get_or_insert_with(RollbackDecision::default);
        note.rolling_back_from = note.rolling_back_from.take().or(away);
        note.rolling_back_to = note.rolling_back_to.take().or_else(|| Some(end(route.primary)));
    }
    operator
}

/// They are shown on terminals and written into logs. Those of the note are made fit for that by their type.
fn check_texts(operator: &Operator) -> Result<(), Refusal> {
    for text in [&operator.by, &operator.reason] {
        if text.chars().any(char::is_control) || text.chars().count() > LONGEST_TEXT {
            let why = format!("a text is longer than {LONGEST_TEXT} characters, or has line breaks");
            return Err(Refusal { status: StatusCode::BAD_REQUEST, why });
        }
    }
    if operator.by.trim().is_empty() || operator.reason.trim().is_empty() {
        let why = "who acts and why must be said".to_owned();
        return Err(Refusal { status: StatusCode::BAD_REQUEST, why });
    }
    Ok(())
}

fn refuse<T>(why: String) -> Result<T, Refusal> {
    Err(Refusal { status: StatusCode::CONFLICT, why })
}
