//! The contract worksheets of runbook 3 (inference) and runbook 1 (the list of models): which items there are, and what the
//! probes can settle of them. What they cannot stays "not verified" until a person says so.

use decisions::ErrorClass;
use evidence::{ContractState, PreCutoverCheck, ProbeResult};
use upstream::Scheme;

use crate::Provider;
use crate::probe::plan::Target;
use crate::probe::question::Question;
use crate::probe::run::Found;

/// A line of a worksheet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// `inference` or `models`.
    pub worksheet: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What to verify, as the runbook has it.
    pub what: &'static str,
}

const fn item(worksheet: &'static str, name: &'static str, what: &'static str) -> Item {
    Item { worksheet, name, what }
}

/// All lines: the six of runbook 3, then the ten of runbook 1.
pub const ITEMS: [Item; 16] = [
    item("inference", "endpoint_path", "the base URL and path used by your account"),
    item("inference", "auth_headers", "the authorization header, and whether more headers are required"),
    item("inference", "request_fields", "required fields and the optional ones your application depends on"),
    item("inference", "response_fields", "where text, finish reason, model, usage and request ID appear"),
    item("inference", "error_behavior", "status codes, error body shape, what may be retried"),
    item(
        "inference",
        "rate_limit_or_billing_assumptions",
        "rate limits, quota, billing unit and usage reporting",
    ),
    item("models", "endpoint_path", "the exact path of the listing operation"),
    item("models", "http_method", "the exact method"),
    item("models", "auth_headers", "the authorization header of the listing operation"),
    item("models", "request_fields", "whether it takes query parameters or a body"),
    item("models", "response_fields", "the field with the model ID, and what your code reads beside it"),
    item("models", "error_behavior", "status codes and bodies for bad credentials, paths and resources"),
    item("models", "rate_limit_assumptions", "whether repeated listing calls are safe for your automation"),
    item("models", "billing_assumptions", "whether listing calls are billed"),
    item(
        "models",
        "model_availability",
        "whether current, rollback and fallback IDs appear for your account",
    ),
    item("models", "logging_policy", "whether model IDs and responses may be stored in logs"),
];

/// What a run settles of a provider's worksheets: each item once, with what it is.
#[must_use]
pub fn settled(
    provider: &Provider,
    targets: &[&Target],
    found: &[&Found],
    checks: &[PreCutoverCheck],
) -> Vec<(Item, ContractState, String)> {
    let mut settled = Vec::new();
    let sheet = Sheet { provider, targets, found, checks };
    for item in ITEMS {
        let value = match (item.worksheet, item.name) {
            ("inference", "endpoint_path") => sheet.inference_paths(),
            ("inference", "auth_headers") => sheet.auth_headers(),
            ("inference", "request_fields") => sheet.request_fields(),
            ("inference", "response_fields") => sheet.response_fields(),
            ("inference", "error_behavior") => sheet.errors(|question| {
                matches!(question, Question::InvalidRequest | Question::InvalidKey | Question::UnknownModel)
            }),
            ("models", "endpoint_path") => sheet.models_url().and_then(|url| sheet.models_list("GET ", &url)),
            ("models", "http_method") => sheet.models_list("", "GET"),
            ("models", "auth_headers") => sheet.models_list(sheet.header(), ": accepted"),
            ("models", "request_fields") => sheet.models_list("", "answered without any query or body"),
            ("models", "response_fields") => sheet.models_fields(),
            ("models", "error_behavior") => sheet.errors(|question| {
                matches!(
                    question,
                    Question::ModelsWithoutKey | Question::ModelsInvalidKey | Question::ModelsUnknown
                )
            }),
            ("models", "model_availability") => sheet.availability(),
            _ => None,
        };
        if let Some((state, value)) = value {
            settled.push((item, state, value));
        }
    }
    settled
}

struct Sheet<'a> {
    provider: &'a Provider,
    targets: &'a [&'a Target],
    found: &'a [&'a Found],
    checks: &'a [PreCutoverCheck],
}

type Value = Option<(ContractState, String)>;

fn as_state(is_so: bool) -> ContractState {
    if is_so { ContractState::Verified } else { ContractState::Refuted }
}

impl Sheet<'_> {
    fn of(&self, question: Question) -> impl Iterator<Item = &Found> {
        self.found
            .iter()
            .copied()
            .filter(move |found| found.planned.question == question && found.seen.is_some())
    }

    fn url(&self, path: &str) -> String {
        let address = self.provider.origin.address();
        let scheme = if address.scheme == Scheme::Https { "https" } else { "http" };
        format!("{scheme}://{}:{}{}{path}", address.host, address.port, address.base_path)
    }

    fn header(&self) -> &'static str {
        self.provider.credential_header.as_str()
    }

    fn inference_paths(&self) -> Value {
        let asked: Vec<&Found> = self.of(Question::SingleTurn).collect();
        let works = asked.iter().filter(|found| found.result == ProbeResult::Works);
        let mut paths: Vec<String> = works.map(|found| self.url(&found.planned.path)).collect();
        paths.sort();
        paths.dedup();
        if !paths.is_empty() {
            return Some((ContractState::Verified, format!("POST {}", paths.join(", POST "))));
        }
        // Only what says that the path is wrong refutes it.
        let is_wrong = |found: &&&Found| {
            let class = found.seen.as_ref().and_then(|seen| seen.class);
            matches!(class, Some(ErrorClass::NotFound | ErrorClass::Malformed))
        };
        let wrong = asked.iter().find(is_wrong)?;
        Some((ContractState::Refuted, format!("POST {}: {}", self.url(&wrong.planned.path), wrong.note)))
    }

    fn auth_headers(&self) -> Value {
        let passed = |name: &str| self.checks.iter().find(|check| check.check.as_str() == name)?.passed;
        let (good, bad) = (passed("auth_success")?, passed("auth_failure")?);
        let said = |is_so: bool, good: &'static str, bad: &'static str| if is_so { good } else { bad };
        let (valid, invalid) =
            (said(good, "accepted", "not accepted"), said(bad, "refused", "not refused clearly"));
        Some((
            as_state(good && bad),
            format!("{}: the valid key is {valid}, an invalid one {invalid}", self.header()),
        ))
    }

    fn request_fields(&self) -> Value {
        let optional = |question: Question| {
            matches!(question, Question::Feature(_) | Question::Temperature | Question::MaxTokens)
        };
        let tried =
            self.found.iter().filter(|found| optional(found.planned.question) && found.seen.is_some());
        let mut said: Vec<String> = tried
            .map(|found| {
                let family = found.planned.endpoint.map_or("", decisions::Endpoint::as_str);
                format!("{family} {}: {}", found.planned.question.as_str(), found.result.as_str())
            })
            .collect();
        said.sort();
        said.dedup();
        self.of(Question::SingleTurn).find(|found| found.result == ProbeResult::Works)?;
        Some((ContractState::Verified, said.join(", ")))
    }

    fn response_fields(&self) -> Value {
        let whole: Vec<&Found> = self.of(Question::SingleTurn).collect();
        let seen = whole.iter().find(|found| found.result == ProbeResult::Works)?.seen.as_ref()?;
        let yes = |is_there: bool| if is_there { "there" } else { "not there" };
        Some((
            as_state(seen.usage.is_some() && seen.finish.is_some()),
            format!(
                "finish reason {}, model {}, usage {}, id {}, request ID in {}",
                yes(seen.finish.is_some()),
                seen.echo.as_str(),
                yes(seen.usage.is_some()),
                yes(seen.has_id),
                seen.request_id_in.unwrap_or("no place that is known")
            ),
        ))
    }

    fn errors(&self, which: impl Fn(Question) -> bool) -> Value {
        let asked: Vec<&&Found> =
            self.found.iter().filter(|found| which(found.planned.question) && found.seen.is_some()).collect();
        let said = |found: &&&Found| {
            let shape = found.seen.as_ref().and_then(|seen| seen.error_shape).unwrap_or("no error body");
            format!("{}: {} ({shape})", found.planned.question.as_str(), found.note)
        };
        let mut lines: Vec<String> = asked.iter().map(said).collect();
        lines.dedup();
        let is_right = asked.iter().all(|found| found.result == ProbeResult::Works);
        (!asked.is_empty()).then(|| (as_state(is_right), lines.join("; ")))
    }

    /// Where the list was asked for.
    fn models_url(&self) -> Option<String> {
        let listed = self.of(Question::Models).next()?;
        Some(self.url(&listed.planned.path))
    }

    fn models_list(&self, before: &str, value: &str) -> Value {
        let listed = self.of(Question::Models).next()?;
        listed.seen.as_ref()?.status?;
        let said = format!("{before}{value}");
        match listed.result {
            ProbeResult::Works => Some((ContractState::Verified, said)),
            _ => Some((ContractState::Refuted, format!("{said}: {}", listed.note))),
        }
    }

    fn models_fields(&self) -> Value {
        let seen = self.of(Question::Models).next()?.seen.as_ref()?;
        seen.status?;
        Some(match seen.models {
            Some(count) => (ContractState::Verified, format!("data[].id, of {count} models")),
            None => (ContractState::Refuted, "the answer has no data[].id".to_owned()),
        })
    }

    /// The bytes of the map against those of the list.
    fn availability(&self) -> Value {
        let seen = self.of(Question::Models).next()?.seen.as_ref()?;
        seen.models?;
        let missing: Vec<&str> = self
            .targets
            .iter()
            .map(|target| target.model_id.as_str())
            .filter(|model_id| !seen.lists(model_id))
            .collect();
        Some(match missing.as_slice() {
            [] => (
                ContractState::Verified,
                format!("all {} IDs of the map are in the list", self.targets.len()),
            ),
            missing => (ContractState::Refuted, format!("not in the list: {}", missing.join(", "))),
        })
    }
}
