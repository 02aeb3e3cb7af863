//! `cometgate routes explain --state ID`: where a request goes that refers to something that a provider holds. What the
//! gateway knows of it is read beside a running one, and changed in nothing.

use std::path::Path;

use affinity::{Binding, Reading};
use anyhow::{Context as _, anyhow};
use decisions::state::{self, Asked, Owner, Placement, Reference, ReferenceKind, StateClass, place};
use decisions::{
    Decision, ProviderId, decide, decide_pinned, home_of, no_gates, tenant_home, tenant_pinned,
    tenant_primary,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::bindings;
use crate::cli::Format;
use crate::commands::routes::explain_text::{Question, decision_json, decision_text, line, result};
use crate::exit::Failure;
use crate::terminal;

/// What the answer to a request says that may not know of something.
const NOT_FOUND: &str = "refused with 404 not_found";

/// Answers the question.
pub(super) fn run(
    question: &Question<'_>,
    id: &str,
    state_dir: &Path,
    format: Format,
) -> Result<(), Failure> {
    if id.is_empty() {
        return Err(Failure::usage(anyhow!("--state: an empty ID refers to nothing")));
    }
    let path = bindings::directory(state_dir);
    let reading = Reading::of(&path, bindings::now())
        .with_context(|| format!("{} cannot be read", path.display()))
        .map_err(Failure::invalid)?;
    let tenant = &question.loaded.plan.tenant(question.facts.tenant).name;
    let referred = Referred { question, id, binding: reading.find(tenant, id) };
    match format {
        Format::Json => terminal::result(&referred.to_json().to_string()),
        Format::Text => terminal::result(&referred.to_text()),
    }
    Ok(())
}

/// What a request refers to, and what is known of it.
struct Referred<'q> {
    question: &'q Question<'q>,
    id: &'q str,
    binding: Option<Binding>,
}

impl Referred<'_> {
    /// It is in the body of a call that is routed by its model, not in a path.
    fn is_in_body(&self) -> bool {
        !self.question.facts.model.is_empty()
    }

    /// Whose it is and where, as far as the map knows its provider.
    fn known(&self) -> Option<state::Binding> {
        let plan = &self.question.loaded.plan;
        let binding = self.binding.as_ref()?;
        let is_own = *binding.tenant == *plan.tenant(self.question.facts.tenant).name;
        Some(state::Binding {
            owner: if is_own { Owner::Caller } else { Owner::Another },
            provider: plan.provider_named(&binding.provider),
            is_expired: binding.is_expired,
        })
    }

    fn home(&self) -> ProviderId {
        let (plan, facts) = (&self.question.loaded.plan, &self.question.facts);
        if self.is_in_body() { home_of(plan, facts) } else { tenant_home(plan, facts.tenant) }
    }

    /// As the request path decides it; `None` is a 404.
    fn decide(&self) -> Option<Decision<'_>> {
        let (plan, facts) = (&self.question.loaded.plan, &self.question.facts);
        let class = match (self.is_in_body(), facts.stateful) {
            (false, _) => StateClass::Pinned,
            (true, true) => StateClass::Creates,
            (true, false) => StateClass::Free,
        };
        let asked = Asked { class, keeps_to_primary: false };
        let reference = Reference { kind: ReferenceKind::Id, known: self.known() };
        let at = match place(asked, [reference], self.home(), |provider| plan.is_shared(provider)) {
            Placement::Pinned(provider) => Some(provider),
            Placement::PrimaryOnly => None,
            Placement::Free | Placement::Creates => return Some(decide(plan, facts, no_gates)),
            Placement::NotYours | Placement::OthersListed | Placement::Contradiction => return None,
        };
        Some(match at {
            at if self.is_in_body() => decide_pinned(plan, facts, at),
            Some(provider) => tenant_pinned(plan, facts.tenant, facts.caller, provider),
            None => tenant_primary(plan, facts.tenant, facts.caller),
        })
    }

    /// What is known of it, in a sentence.
    fn knowledge(&self) -> String {
        let plan = &self.question.loaded.plan;
        let Some(binding) = &self.binding else {
            let home = &plan.provider(self.home()).name;
            let then = if plan.is_shared(self.home()) {
                format!("several tenants use one credential at {home}, so it could be another's")
            } else {
                format!("what was made before the gateway came is at {home}")
            };
            return format!("unknown: the gateway has not seen it being made; {then}");
        };
        let is_in_map = plan.provider_named(&binding.provider).is_some();
        format!(
            "known: tenant {} made it at {}{}, {}",
            binding.tenant,
            binding.provider,
            if is_in_map { "" } else { ", which is not in this map" },
            match expiry(binding) {
                None => "and it has no end that is known".to_owned(),
                Some(at) if binding.is_expired => format!("which let go of it at {at}"),
                Some(at) => format!("which keeps it until {at}"),
            }
        )
    }

    /// Why it is not found.
    fn refusal(&self) -> String {
        let tenant = &self.question.loaded.plan.tenant(self.question.facts.tenant).name;
        let why = match &self.binding {
            Some(binding) if *binding.tenant != **tenant => "another tenant's does not exist for this one",
            Some(binding) if !binding.is_expired => "nobody else has it",
            _ => "unless the map says `shared_state = true`",
        };
        format!("{NOT_FOUND}: {why}")
    }

    fn to_text(&self) -> String {
        let (question, facts) = (self.question, &self.question.facts);
        let plan = &question.loaded.plan;
        let asks = if self.is_in_body() {
            format!("{} for {:?}", facts.endpoint.as_str(), facts.model)
        } else {
            "a request".to_owned()
        };
        let mut text = String::new();
        let tenant = &plan.tenant(facts.tenant).name;
        line(
            &mut text,
            format_args!(
                "route map {}: {asks} of tenant {tenant} refers to {:?}",
                plan.route_version(),
                self.id
            ),
        );
        for note in question.notes {
            line(&mut text, format_args!("warning: {note}"));
        }
        line(&mut text, format_args!("\n{}", self.knowledge()));
        match self.decide() {
            None => line(&mut text, format_args!("\nresult: {}", self.refusal())),
            Some(decision) if self.is_in_body() => decision_text(&mut text, question, "result", &decision),
            Some(decision) => {
                line(&mut text, format_args!("\nresult: {}", result(question, &decision)));
                if let Decision::Send(chosen) = decision {
                    let name = &plan.provider(chosen.order.first().provider).name;
                    line(&mut text, format_args!("  1. {name}, as it was sent"));
                }
            }
        }
        text.trim_end().to_owned()
    }

    fn to_json(&self) -> Value {
        let (question, facts) = (self.question, &self.question.facts);
        let plan = &question.loaded.plan;
        let decided = match self.decide() {
            Some(decision) => decision_json(question, "always", &decision),
            None => json!({"when": "always", "is_sent": false, "why": self.refusal(), "targets": []}),
        };
        json!({
            "route_version": plan.route_version(),
            "tenant": plan.tenant(facts.tenant).name,
            "endpoint": self.is_in_body().then(|| facts.endpoint.as_str()),
            "model": self.is_in_body().then_some(facts.model),
            "warnings": question.notes,
            "state": {
                "id": self.id,
                "is_known": self.binding.is_some(),
                "tenant": self.binding.as_ref().map(|binding| &*binding.tenant),
                "provider": self.binding.as_ref().map(|binding| &*binding.provider),
                "expires_at": self.binding.as_ref().and_then(expiry),
                "is_expired": self.binding.as_ref().is_some_and(|binding| binding.is_expired),
            },
            "results": [decided],
        })
    }
}

/// When its provider lets go of it, as RFC 3339 writes it; nothing where that is never.
fn expiry(binding: &Binding) -> Option<String> {
    let at = Timestamp::from_second(i64::from(binding.expires)).ok()?;
    (binding.expires != 0).then(|| at.to_string())
}
