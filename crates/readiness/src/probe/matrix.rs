//! The compatibility matrix of an alias at a provider: feature by feature, and nothing assumed (runbook 3, "Request fields").

use decisions::plan::{Feature, FeatureSet};
use evidence::{MatrixCell, ProbeResult};

use crate::probe::features::NO_SUCH_FIELD;
use crate::probe::plan::{Plan, Target, Untried};
use crate::probe::question::Question;
use crate::probe::run::Found;

/// A row for each optional field and family: those that were tried, then those that were not.
#[must_use]
pub fn matrix(at: usize, target: &Target, plan: &Plan, found: &[&Found]) -> Vec<MatrixCell> {
    let tried = found.iter().filter_map(|found| {
        let enabled = match found.planned.question {
            Question::Feature(feature) => is_enabled(target.enabled, feature),
            Question::Temperature | Question::MaxTokens | Question::EveryField => false,
            _ => return None,
        };
        Some(MatrixCell {
            endpoint_family: found.planned.endpoint?.as_str().into(),
            feature: found.planned.question.as_str().into(),
            enabled,
            result: found.result,
            error_class: found.seen.as_ref().and_then(|seen| seen.class).map(|class| class.as_str().into()),
            note: found.note.as_str().into(),
        })
    });
    let untried = plan.untried.iter().filter(|untried| untried.target == at).map(|untried| {
        let Untried { endpoint, feature, why, .. } = *untried;
        MatrixCell {
            endpoint_family: endpoint.as_str().into(),
            feature: feature.as_str().into(),
            enabled: why != NO_SUCH_FIELD && target.enabled.is_some_and(|enabled| enabled.contains(feature)),
            result: ProbeResult::NotTried,
            error_class: None,
            note: why.into(),
        }
    });
    let mut cells: Vec<MatrixCell> = tried.chain(untried).collect();
    cells.sort_by(|one, other| one.endpoint_family.cmp(&other.endpoint_family));
    cells
}

/// Where the map says nothing, the gateway sends it.
fn is_enabled(enabled: Option<FeatureSet>, feature: Feature) -> bool {
    enabled.is_none_or(|enabled| enabled.contains(feature))
}
