//! What was found, as the records of the store say it: without an ID that the map does not name.

use std::collections::BTreeSet;

use config::CredentialSource;
use evidence::{
    CatalogCheck, CatalogDrift, CatalogItem, CatalogModel, CatalogNegative, CatalogTriage, Digest, Moment,
};
use readiness::catalog::{AuthFacts, Class, Drift, Presence, Severity, Signal};

use crate::catalog::remembered::Remembered;
use crate::catalog::round::{Asking, Round, identifiers_hash};
use crate::catalog::snapshots::{Snapshot, hash};
use crate::checks::Checked;
use crate::clock::now;

/// IDs of the map in one record. A line of the store has room for ten times as many.
const MOST_MODELS: usize = 200;

/// What is known of a key without it.
pub(super) struct Key {
    pub(super) source: String,
    pub(super) mark: Option<String>,
}

/// Where a key is read from.
pub(super) fn source(source: &CredentialSource) -> String {
    match source {
        CredentialSource::Client => "client".to_owned(),
        CredentialSource::Env(name) => format!("env {name}"),
        CredentialSource::File(path) => format!("file {}", path.display()),
    }
}

/// What an earlier record says of the key of then.
pub(super) fn auth_facts(said: &CatalogCheck) -> AuthFacts<'_> {
    let class = Class::ALL.into_iter().find(|class| class.as_str() == said.request_outcome.as_str());
    AuthFacts {
        source: said.credential_source.as_str(),
        mark: said.credential_mark.as_ref().map(evidence::Text::as_str),
        class,
    }
}

pub(super) fn check_record(
    checked: &Checked,
    at: usize,
    round: &Round,
    asking: &Asking<'_>,
    key: Key,
    remembered: &Remembered,
) -> CatalogCheck {
    let settings = &checked.loaded.providers[at];
    let (seen, alignment) = (&round.seen, &round.alignment);
    let ts = now();
    let catalog = seen.catalog.as_ref();
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let (models, models_left_out) = models(&alignment.models);
    let approved: BTreeSet<String> = alignment.approved_not_listed.iter().cloned().collect();
    let approved_hash = catalog.filter(|catalog| !catalog.ids.is_empty()).map(|_| hash(&approved));
    let approved_before = remembered.last_listed.as_ref().and_then(|last| last.approved_not_listed_sha256);
    let differences: usize = round.differences.iter().map(Vec::len).sum();
    CatalogCheck {
        ts,
        check_id: format!("catalog-{}-{}", round.provider, ts.ms()).into(),
        environment: checked.loaded.environment.as_deref().map(Into::into),
        provider: round.provider.as_str().into(),
        config_source: checked.paths.routes.display().to_string().into(),
        command: asking.command.into(),
        command_owner: asking.by.into(),
        evidence_location: asking.link.map(Into::into),
        endpoint: format!("GET {}{}", settings.base_url, settings.models_path()).into(),
        credential_source: key.source.into(),
        credential_mark: key.mark.map(Into::into),
        request_outcome: seen.outcome.class.as_str().into(),
        outcome_detail: Some(seen.outcome.detail).filter(|detail| !detail.is_empty()).map(Into::into),
        status: seen.outcome.status,
        duration_ms: u64::try_from(seen.took.as_millis()).unwrap_or(u64::MAX),
        provider_request_id: seen.request_id.as_deref().map(Into::into),
        identifier_count: catalog.map(|catalog| count(catalog.ids.len())),
        duplicate_count: catalog.map(|catalog| count(catalog.duplicates)),
        configured_ids_missing: count(alignment.missing().len()),
        configured_not_approved: count(alignment.unapproved().len()),
        blocked_configured: count(alignment.blocked().len()),
        approved_not_listed: count(approved.len()),
        approved_not_listed_changed: approved_before.zip(approved_hash).map(|(before, now)| before != now),
        approved_not_listed_sha256: approved_hash,
        response_sha256: (!seen.body.is_empty()).then(|| Digest::of(&seen.body)),
        identifiers_sha256: identifiers_hash(seen),
        diff_summary: round.drift.as_ref().map(|drift| drift.summary().into()),
        models,
        models_left_out,
        checks: items(round),
        config_differences: (!round.differences.is_empty()).then(|| count(differences)),
        auth_drift: round.drifts.iter().map(|drift| drift.as_str().into()).collect(),
        triage: triage(round),
        negative: negative(round),
        decision: round.decision(),
        next: round.judgement.next.iter().map(|next| (*next).into()).collect(),
    }
}

/// The missing ones first.
fn models(models: &[Presence]) -> (Vec<CatalogModel>, u64) {
    let mut ordered: Vec<&Presence> = models.iter().collect();
    ordered.sort_by_key(|model| model.is_listed == Some(true));
    let left_out = ordered.len().saturating_sub(MOST_MODELS);
    let model = |model: &&Presence| CatalogModel {
        model_id: model.of.model_id.as_str().into(),
        used_as: model.of.used_as.as_str().into(),
        present: model.is_listed,
        approved: model.is_approved,
        blocked: model.is_blocked,
        case_near_miss: !model.case_near.is_empty(),
        look_alike: !model.look_alikes.is_empty(),
    };
    (ordered.iter().take(MOST_MODELS).map(model).collect(), u64::try_from(left_out).unwrap_or(u64::MAX))
}

fn items(round: &Round) -> Vec<CatalogItem> {
    let item = |item: &readiness::catalog::Item| CatalogItem {
        check: item.check.into(),
        state: item.state.as_str().into(),
        failure_action: item.failure_action.into(),
    };
    round.judgement.items.iter().map(item).collect()
}

fn triage(round: &Round) -> Vec<CatalogTriage> {
    let step = |step: &readiness::catalog::TriageStep| CatalogTriage {
        step: step.step.into(),
        found: step.found.as_str().into(),
    };
    round.triage.iter().flatten().map(step).collect()
}

fn negative(round: &Round) -> Vec<CatalogNegative> {
    let tried = |tried: &readiness::catalog::Negative| CatalogNegative {
        case: tried.case.as_str().into(),
        expected: tried.case.expected().as_str().into(),
        came: tried.came.as_str().into(),
        status: tried.status,
    };
    round.negative.iter().map(tried).collect()
}

/// Whether two checks found the same, at whatever time and however fast.
pub(super) fn says_the_same(one: &CatalogCheck, other: &CatalogCheck) -> bool {
    let found = |said: &CatalogCheck| CatalogCheck {
        ts: Moment::default(),
        check_id: "".into(),
        duration_ms: 0,
        provider_request_id: None,
        // It holds times in many cases; the set of IDs has a hash of its own.
        response_sha256: None,
        ..said.clone()
    };
    found(one) == found(other)
}

/// How much a drift matters (runbook 2, section 4).
pub(crate) fn severity_of(drift: &Drift) -> Severity {
    if !drift.gone_in_use.is_empty() {
        Signal::ConfiguredMissing.severity(true)
    } else if !drift.removed.is_empty() {
        Signal::RemovedUnused.severity(false)
    } else {
        Signal::NewId.severity(false)
    }
}

/// A drift as a record, of a list against the one before.
pub(crate) fn drift_record(
    checked: &Checked,
    (by, link): (&str, Option<&str>),
    before: &Snapshot,
    now_listed: &BTreeSet<String>,
    drift: &Drift,
) -> CatalogDrift {
    let ts = now();
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    CatalogDrift {
        ts,
        check_id: format!("drift-{}-{}", before.provider, ts.ms()).into(),
        environment: checked.loaded.environment.as_deref().map(Into::into),
        provider: before.provider.as_str().into(),
        config_source: checked.paths.routes.display().to_string().into(),
        command_owner: by.into(),
        evidence_location: link.map(Into::into),
        since: before.taken_at,
        identifiers_before: count(before.ids.len()),
        identifier_count: count(now_listed.len()),
        identifiers_sha256_before: hash(&before.ids),
        identifiers_sha256: hash(now_listed),
        new: count(drift.new.len()),
        removed: count(drift.removed.len()),
        renamed_looking: count(drift.renamed.len()),
        case_only: count(drift.case_only.len()),
        alias_like: count(drift.alias_like.len()),
        gone_in_use: drift.gone_in_use.iter().take(MOST_MODELS).map(|id| id.as_str().into()).collect(),
        diff_summary: drift.summary().into(),
        severity: severity_of(drift).as_str().into(),
    }
}
