//! One line of a contract worksheet (runbook 1, "Contract details to verify", and the one of runbook 3).

use serde::{Deserialize, Serialize};

use crate::{Moment, Name, Prose};

/// What is known of one item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContractState {
    /// It is so.
    Verified,
    /// It was looked at, and is not as it has to be.
    Refuted,
}

/// What was found of an item, by whom and where. The newest record of an item is what holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContractItem {
    /// When it was verified.
    pub date: Moment,
    /// That of the run that verified it; `None` where a person did.
    pub check_id: Option<Name>,
    /// Whose contract.
    pub provider: Name,
    /// `inference` (runbook 3) or `models` (runbook 1).
    pub worksheet: Name,
    /// `endpoint_path`, `auth_headers`, …
    pub contract_item: Name,
    /// Whether it is as it has to be.
    pub state: ContractState,
    /// What it is.
    pub value: Prose,
    /// A link, or the probe that saw it.
    pub source: Prose,
    /// Who says so.
    pub verified_by: Name,
}
