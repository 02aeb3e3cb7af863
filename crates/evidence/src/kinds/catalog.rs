//! What a provider lists as its models, as far as it may be written down: counts, hashes, and whether configured IDs are there
//! (runbook 2, "What should be logged"; runbook 1, "Rollback readiness record"). No ID that the map does not name has a
//! place here, and no key: its source is named, and its mark is worth nothing outside of the state directory.

use serde::{Deserialize, Serialize};

use super::Decision;
use crate::{Digest, Moment, Name, Prose};

/// A row of runbook 1's table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CatalogItem {
    /// The check, in the runbook's words.
    pub check: Name,
    /// `pass`, `fail`, `unknown` or `not_needed`.
    pub state: Name,
    /// What to do unless it passes.
    pub failure_action: Prose,
}

/// An ID that the map names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CatalogModel {
    /// As the map has it.
    pub model_id: Name,
    /// `current`, `canary`, `fallback`, `rollback` or `unrouted`.
    pub used_as: Name,
    /// Whether the list has it; `None` where no list says.
    pub present: Option<bool>,
    /// Whether the map approves it; `None` where the map lists no approved models.
    pub approved: Option<bool>,
    /// Whether the map blocks it.
    pub blocked: bool,
    /// The list has one that differs in the case of letters only.
    pub case_near_miss: bool,
    /// The list has one that looks like it.
    pub look_alike: bool,
}

/// What was tried that has to fail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CatalogNegative {
    /// `omitted_token`, `invalid_token`, `wrong_method`, `wrong_base_path` or `forced_timeout`.
    pub case: Name,
    /// How it has to fail.
    pub expected: Name,
    /// What came.
    pub came: Name,
    /// The status, where there was one.
    pub status: Option<u16>,
}

/// A step of the triage of an empty list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CatalogTriage {
    /// In the runbook's words.
    pub step: Name,
    /// What was found.
    pub found: Prose,
}

/// A provider was asked which models it has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CatalogCheck {
    /// When.
    pub ts: Moment,
    /// Names this check in logs and tickets.
    pub check_id: Name,
    /// Of the map.
    pub environment: Option<Name>,
    /// The provider.
    pub provider: Name,
    /// The file that the IDs stand in.
    pub config_source: Name,
    /// What was run, without anything secret.
    pub command: Name,
    /// Who ran it.
    pub command_owner: Name,
    /// A ticket or another place of evidence.
    pub evidence_location: Option<Prose>,
    /// Method and URL.
    pub endpoint: Name,
    /// Where the key is read from: `env NAME`, `file PATH`, `client`.
    pub credential_source: Name,
    /// Tells one key from another within one state directory, and nothing else.
    pub credential_mark: Option<Name>,
    /// In a word: `ok`, `empty`, `network`, `tls`, `timeout`, `auth`, `path_or_method`, `rate_limited`, `service`,
    /// `unparsable`, `other_status` or `no_key`.
    pub request_outcome: Name,
    /// More exactly: `dns`, `redirect`, the failure of the schema, …
    pub outcome_detail: Option<Name>,
    /// Of the answer.
    pub status: Option<u16>,
    /// From sending to the last byte.
    pub duration_ms: u64,
    /// The provider's own ID of the request.
    pub provider_request_id: Option<Name>,
    /// IDs that are listed, each once.
    pub identifier_count: Option<u64>,
    /// Elements that repeat one.
    pub duplicate_count: Option<u64>,
    /// IDs of the map that the list lacks.
    pub configured_ids_missing: u64,
    /// `configured_ids - approved_ids`, in number.
    pub configured_not_approved: u64,
    /// Blocked IDs that the map names.
    pub blocked_configured: u64,
    /// `approved_ids - catalog_ids`, in number.
    pub approved_not_listed: u64,
    /// Whether that set is another than in the last record; `None` where there is none.
    pub approved_not_listed_changed: Option<bool>,
    /// Of that set, so that a change of it is seen.
    pub approved_not_listed_sha256: Option<Digest>,
    /// Of the answer, byte for byte.
    pub response_sha256: Option<Digest>,
    /// Of the sorted set of IDs.
    pub identifiers_sha256: Option<Digest>,
    /// Against the last snapshot, in numbers.
    pub diff_summary: Option<Prose>,
    /// The IDs of the map, the missing ones first.
    pub models: Vec<CatalogModel>,
    /// How many more there are.
    pub models_left_out: u64,
    /// The table of runbook 1.
    pub checks: Vec<CatalogItem>,
    /// How many IDs differ between this environment and those it was compared with; `None` where none was.
    pub config_differences: Option<u64>,
    /// The drifts of keys and permissions that were found.
    pub auth_drift: Vec<Name>,
    /// The triage of an empty list.
    pub triage: Vec<CatalogTriage>,
    /// What was tried that has to fail.
    pub negative: Vec<CatalogNegative>,
    /// What is to be done.
    pub decision: Decision,
    /// Why, and what next.
    pub next: Vec<Prose>,
}

/// What a provider lists was compared with what it listed before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CatalogDrift {
    /// When.
    pub ts: Moment,
    /// Names this check in logs and tickets.
    pub check_id: Name,
    /// Of the map.
    pub environment: Option<Name>,
    /// The provider.
    pub provider: Name,
    /// The file that the IDs in use stand in.
    pub config_source: Name,
    /// Who ran it.
    pub command_owner: Name,
    /// A ticket or another place of evidence.
    pub evidence_location: Option<Prose>,
    /// When the list before was taken.
    pub since: Moment,
    /// IDs then.
    pub identifiers_before: u64,
    /// IDs now.
    pub identifier_count: u64,
    /// Of the sorted set then.
    pub identifiers_sha256_before: Digest,
    /// Of the sorted set now.
    pub identifiers_sha256: Digest,
    /// Listed now, and not before.
    pub new: u64,
    /// Listed before, and not now.
    pub removed: u64,
    /// Looks like the same under a new name.
    pub renamed_looking: u64,
    /// Differs in the case of letters only.
    pub case_only: u64,
    /// New, and a family rather than a fixed revision.
    pub alias_like: u64,
    /// IDs of the map that are gone.
    pub gone_in_use: Vec<Name>,
    /// All of that in a sentence.
    pub diff_summary: Prose,
    /// `info`, `low`, `medium` or `high`.
    pub severity: Name,
}
