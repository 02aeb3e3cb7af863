//! A proof as it is read: the record that is kept, the line of the log, and what `status` shows.

use decisions::plan::Watched;
use decisions::rolled_back::{Finding, Item, LEAST_JUDGED};
use evidence::{Entry, Exact, Moment, Name, ProofItem, ProofState, RollbackProof};
use jiff::Timestamp;
use proxy::GateId;
use serde_json::{Value, json};

use crate::gates::files::gate_name;
use crate::gates::keeper::Keeper;
use crate::gates::proof::{News, Proof};
use crate::gates::records::entry;

/// As it is kept.
pub(super) fn record(proof: &Proof, keeper: &Keeper) -> Entry {
    let map = keeper.map();
    // Canary and fallback may be one target, and either's gate may have decided.
    let of_role = |watched| keeper.latched_by(&GateId { watched, ..GateId::clone(&proof.id) });
    let (sequence, check_id) = Watched::ALL.into_iter().find_map(of_role).unzip();
    let mut body = body(proof);
    body.decision_sequence = sequence;
    body.check_id = check_id.unwrap_or(body.check_id);
    body.route_version = map.route_version.as_str().into();
    body.config_sha256 = map.routes_sha256;
    entry(&map, &proof.id.route, "gate", body)
}

/// All that the proof itself knows.
fn body(proof: &Proof) -> RollbackProof {
    // Of what another gateway has decided nothing more is known.
    let check_id = gate_name(&proof.id).into();
    let target = proof.target.as_str().into();
    let mut body = RollbackProof::new(moment(proof.looked_at), check_id, Name::default(), target);
    body.rolled_back_at = moment(proof.rolled_back_at);
    body.with_items(proof.findings.iter().map(|finding| item(proof, finding)).collect())
}

fn item(proof: &Proof, finding: &Finding) -> ProofItem {
    let unit = match finding.item {
        Item::NewRequests | Item::PinnedSessions => "requests",
        Item::InFlight | Item::Retries | Item::Hedges => "attempts",
        Item::ConnectionPools => "connections",
        Item::ObservedShare | Item::ErrorRate => "share",
    };
    ProofItem {
        item: finding.item.as_str().into(),
        state: if finding.is_proven { ProofState::Proven } else { ProofState::Remaining },
        expected: finding.expected.map(Exact),
        observed: finding.observed.map(Exact),
        unit: finding.expected.map(|_| unit.into()),
        since: finding.since_ms.map(|since| moment(proof.moment(since))),
        note: note(proof, finding).map(|note| note.as_str().into()),
    }
}

/// What the numbers do not say by themselves.
fn note(proof: &Proof, finding: &Finding) -> Option<String> {
    if !finding.is_proven {
        return Some(remaining(finding));
    }
    match finding.item {
        Item::NewRequests => {
            let late = match proof.late {
                0 => String::new(),
                late => {
                    format!("; {late} that had been decided before began at the target after the rollback")
                }
            };
            Some(format!("{} requests went to the prior route{late}", finding.of))
        }
        Item::ConnectionPools if finding.expected.is_none() => {
            Some(format!("left open: they are also used by {}", proof.shared_with.join(", ")))
        }
        Item::ObservedShare => Some(format!("of {} requests", finding.of)),
        Item::ErrorRate => Some(format!("of {} attempts at the prior route", finding.of)),
        _ => None,
    }
}

/// What remains, in words.
fn remaining(finding: &Finding) -> String {
    let count = finding.observed.unwrap_or_default();
    let percent = |share: Option<f64>| format!("{:.1}%", share.unwrap_or_default() * 100.0);
    let is_nothing = finding.observed.is_none_or(|observed| observed <= 0.0);
    match finding.item {
        Item::NewRequests | Item::ObservedShare if is_nothing => "no request has come since".to_owned(),
        Item::NewRequests => format!("new requests still begun there: {count}"),
        Item::InFlight => format!("{count} in flight"),
        Item::Retries => format!("retries under way: {count}"),
        Item::Hedges => format!("hedges under way: {count}"),
        Item::PinnedSessions => format!("requests within a minute for what lives there: {count}"),
        Item::ConnectionPools => format!("connections open: {count}"),
        Item::ObservedShare => format!("observed share {} in place of 0%", percent(finding.observed)),
        Item::ErrorRate if finding.of < LEAST_JUDGED => {
            format!("only {} of {LEAST_JUDGED} answers that tell an error rate", finding.of)
        }
        Item::ErrorRate => {
            format!("error rate {}, before {}", percent(finding.observed), percent(finding.expected))
        }
    }
}

/// Everything that remains, each thing once.
fn all_remaining(body: &RollbackProof) -> Vec<&str> {
    let mut words = Vec::new();
    for note in body.remaining().filter_map(|item| item.note.as_ref()) {
        if !words.contains(&note.as_str()) {
            words.push(note.as_str());
        }
    }
    words
}

/// The line of the log.
pub(super) fn tell(proof: &Proof, news: News) {
    let (watched, route) = (proof.id.watched.as_str(), &proof.id.route);
    let took = proof.looked_at.duration_since(proof.rolled_back_at).as_secs_f64();
    match news {
        News::Proven => tracing::info!(
            "the rollback of the {watched} of {route} is proven after {took:.1} s: route={route} target={watched} \
             verdict=rollback_proven"
        ),
        News::Remaining => tracing::error!(
            "the rollback of the {watched} of {route} is not proven after {took:.1} s; remaining: {}: route={route} \
             target={watched} verdict=remaining\n  help: it is watched on, `cometgate status {route}` says how it stands",
            all_remaining(&body(proof)).join("; ")
        ),
    }
}

/// What `status` shows while it is watched.
pub(super) fn report(proof: &Proof) -> Value {
    shown(&body(proof), true)
}

/// What `status` shows of a record.
pub(super) fn shown(body: &RollbackProof, is_watched: bool) -> Value {
    json!({
        "verdict": body.verdict(),
        "is_watched": is_watched,
        "rolled_back_at": body.rolled_back_at,
        "at": body.ts,
        "remaining": all_remaining(body),
        "items": body.items(),
    })
}

fn moment(at: Timestamp) -> Moment {
    Moment::from_ms(at.as_millisecond())
}
