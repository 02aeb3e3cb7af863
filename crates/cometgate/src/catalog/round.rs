//! One provider is checked: asked, compared, judged.

use std::time::Duration;

use config::Loaded;
use decisions::plan::Plan;
use evidence::{CatalogCheck, Decision};
use http::Method;
use readiness::catalog::{
    Alignment, Asked, AuthDrift, AuthFacts, Class, Difference, Drift, Facts, Judgement, Negative,
    NegativeCase, Seen, TriageFacts, TriageStep, align, ask, auth_drifts, configured, drift, judge, triage,
};
use readiness::{Auth, Provider};
use upstream::Credential;

use crate::catalog::compared::Compared;
use crate::catalog::mark::mark;
use crate::catalog::record::{self, source};
use crate::catalog::remembered::Remembered;
use crate::catalog::snapshots::{Snapshots, Taken, hash};
use crate::checks::Checked;
use crate::way_back::is_development;

/// Below a base URL, where nobody serves anything.
const WRONG_PATH: &str = "/cometgate-check-of-a-wrong-path/models";

/// How a round is made, for all providers of it.
pub(crate) struct Asking<'a> {
    /// What is run, without anything secret.
    pub(crate) command: &'a str,
    pub(crate) by: &'a str,
    pub(crate) link: Option<&'a str>,
    pub(crate) with_negative: bool,
    pub(crate) compared: &'a [Compared],
    pub(crate) timeout: Duration,
}

/// What was found.
pub(crate) struct Round {
    pub(crate) provider: String,
    pub(crate) seen: Seen,
    pub(crate) alignment: Alignment,
    pub(crate) judgement: Judgement,
    pub(crate) drifts: Vec<AuthDrift>,
    pub(crate) triage: Option<[TriageStep; 5]>,
    pub(crate) negative: Vec<Negative>,
    /// What other environments mean, in the order in which they were named.
    pub(crate) differences: Vec<Vec<Difference>>,
    /// Against the list that was last reviewed, where there is one and a list came.
    pub(crate) drift: Option<Drift>,
    pub(crate) record: CatalogCheck,
}

impl Round {
    pub(crate) fn decision(&self) -> Decision {
        self.judgement.decision
    }

    /// Whether the canary of a route may climb, as far as this provider's list says: `None` where it says nothing of it.
    pub(crate) fn passes(&self, route: &str) -> Option<bool> {
        let models = self.alignment.models.iter();
        let mut of_route = models.filter(|model| model.of.routes.iter().any(|name| name == route)).peekable();
        of_route.peek()?;
        let mut passes = Some(true);
        for model in of_route {
            let is_refused = model.is_approved == Some(false) || model.is_blocked;
            match model.is_listed {
                Some(false) => return Some(false),
                _ if is_refused => return Some(false),
                None => passes = None,
                Some(true) => {}
            }
        }
        passes
    }
}

/// Checks the provider at this place of the map, in the light of earlier checks of it.
pub(crate) async fn check(
    checked: &Checked,
    at: usize,
    back: Option<&Plan>,
    asking: &Asking<'_>,
    remembered: &Remembered,
) -> Round {
    let provider = &checked.providers[at];
    let settings = &checked.loaded.providers[at];
    let state_dir = &checked.settings.state_dir;
    let path = settings.models_path();
    let plain = Asked { method: Method::GET, path, auth: Auth::Ours, timeout: asking.timeout };
    let seen = ask(provider, plain).await;
    let plan = &checked.loaded.plan;
    let rules = &plan.parts().providers[at].models;
    let alignment = align(configured(plan, back, &provider.name), rules, seen.catalog.as_ref());
    let negative =
        if asking.with_negative { try_negative(provider, path, asking.timeout).await } else { Vec::new() };
    let elsewhere = ask_elsewhere(&provider.name, asking).await;

    let snapshots = Snapshots::of(state_dir);
    // Where it cannot be made there are no marks; that nothing can be written is told by who writes.
    snapshots.make().ok();
    let mark = mark(snapshots.directory(), provider);
    let source = source(&settings.credential);
    let now = AuthFacts { source: &source, mark: mark.as_deref(), class: Some(seen.outcome.class) };
    let missing = !alignment.missing().is_empty();
    let elsewhere_class = elsewhere.as_ref().map(|seen| seen.outcome.class);
    let facts_of = record::auth_facts;
    let drifts = auth_drifts(
        now,
        remembered.last_of_key.as_ref().map(facts_of),
        remembered.by_gateway.as_ref().map(facts_of),
        elsewhere_class,
        missing,
    );
    let differences: Vec<_> = asking.compared.iter().map(|other| other.differences(plan)).collect();
    let judgement = judge(Facts {
        outcome: &seen.outcome,
        alignment: &alignment,
        lacks_way_back: back.is_none() && needs_way_back(&checked.loaded),
        has_parity: (!differences.is_empty()).then(|| differences.iter().all(Vec::is_empty)),
        drifts: &drifts,
        is_repeated: alignment.missing().iter().any(|id| remembered.knows(id)),
        has_odd_negative: negative.iter().any(|tried| !tried.is_as_expected()),
    });
    let triage = find_triage(&seen, remembered, mark.as_deref(), elsewhere.as_ref());
    let drift = snapshots.read(&provider.name, Taken::Reviewed).ok().flatten().and_then(|before| {
        let now = seen.catalog.as_ref().filter(|catalog| !catalog.ids.is_empty() && !catalog.is_partial)?;
        let used = alignment.models.iter().map(|model| model.of.model_id.as_str()).collect();
        Some(drift(&before.ids, &now.ids, &used))
    });
    let mut round = Round {
        provider: provider.name.clone(),
        seen,
        alignment,
        judgement,
        drifts,
        triage,
        negative,
        differences,
        drift,
        record: CatalogCheck::default(),
    };
    round.record =
        record::check_record(checked, at, &round, asking, record::Key { source, mark }, remembered);
    round
}

/// A map without canary or fallback needs none, and in development none is asked for.
fn needs_way_back(loaded: &Loaded) -> bool {
    let sends_away = |route: &decisions::plan::Route| route.canary.is_some() || route.fallback.is_some();
    !is_development(loaded) && loaded.plan.parts().routes.iter().any(sends_away)
}

async fn try_negative(provider: &Provider, path: &str, timeout: Duration) -> Vec<Negative> {
    let has_key = matches!(provider.credential, Credential::Ours(_));
    let mut tried = Vec::new();
    for case in NegativeCase::ALL {
        let asked = case.asked(path, WRONG_PATH, timeout);
        if has_key || asked.auth != Auth::Ours {
            let came = ask(provider, asked).await.outcome;
            tried.push(Negative { case, came: came.class, status: came.status });
        }
    }
    tried
}

/// The first of the compared environments that can tell.
async fn ask_elsewhere(provider: &str, asking: &Asking<'_>) -> Option<Seen> {
    for other in asking.compared {
        if let Some(seen) = other.ask(provider, asking.timeout).await {
            return Some(seen);
        }
    }
    None
}

fn find_triage(
    seen: &Seen,
    remembered: &Remembered,
    mark: Option<&str>,
    elsewhere: Option<&Seen>,
) -> Option<[TriageStep; 5]> {
    let before = remembered.last_listed.as_ref();
    let count = |seen: &Seen| seen.catalog.as_ref().map_or(0, |catalog| catalog.ids.len());
    let facts = TriageFacts {
        before: before.and_then(|last| usize::try_from(last.identifier_count?).ok()),
        same_key: before.and_then(|last| Some(last.credential_mark.as_ref()?.as_str() == mark?)),
        elsewhere: elsewhere.map(|seen| match seen.outcome.class {
            Class::Ok | Class::Empty => Ok(count(seen)),
            class => Err(class),
        }),
        request_id: seen.request_id.as_deref(),
    };
    triage(&seen.outcome, count(seen), facts)
}

/// Of the sorted set, where a list came.
pub(crate) fn identifiers_hash(seen: &Seen) -> Option<evidence::Digest> {
    seen.catalog.as_ref().map(|catalog| hash(&catalog.ids))
}
