//! An explanation as people and as programs read it.

use config::{Loaded, format_share};
use decisions::bucket::WHOLE;
use decisions::decide::Reason;
use decisions::explain::{Drawn, Explanation, Tried, Verdict};
use decisions::plan::{Feature, FeatureSet, ModelMatch, Route, Scope, StickyBy};
use decisions::{Barred, Decision, Facts, Refusal, RouteId, Target};
use serde_json::{Value, json};

use crate::commands::routes::{explain_attempts, explain_mirror};

/// What was asked.
pub(super) struct Question<'q> {
    pub(super) loaded: &'q Loaded,
    pub(super) facts: Facts<'q>,
    /// Whether the request carries sticky fields at all.
    pub(super) has_keys: bool,
    pub(super) notes: &'q [String],
    /// List every route that was tried.
    pub(super) is_whole: bool,
}

pub(super) fn to_text(question: &Question<'_>, explanation: &Explanation<'_>) -> String {
    let mut text = String::new();
    let facts = &question.facts;
    let plan = &question.loaded.plan;
    line(
        &mut text,
        format_args!(
            "route map {}: {} of tenant {} asks for {:?}{}",
            plan.route_version(),
            facts.endpoint.as_str(),
            plan.tenant(facts.tenant).name,
            facts.model,
            if question.has_keys { "" } else { ", without any sticky field" }
        ),
    );
    if !facts.features.is_empty() {
        line(&mut text, format_args!("it uses {}", features(facts.features)));
    }
    for note in question.notes {
        line(&mut text, format_args!("warning: {note}"));
    }
    line(&mut text, format_args!("\nrules, the most specific first:"));
    rules(&mut text, question, explanation);
    if let Some(split) = &explanation.split {
        line(&mut text, format_args!("\ncanary: {}", arithmetic(split.drawn, &split.bucketing.salt, facts)));
    }
    match &explanation.either {
        None => decision_text(&mut text, question, "result", &explanation.decision),
        Some([within, outside]) if within == outside => {
            decision_text(&mut text, question, "result", &explanation.decision);
        }
        Some([within, outside]) => {
            decision_text(&mut text, question, "result in the canary", within);
            decision_text(&mut text, question, "result outside of it", outside);
        }
    }
    for unfit in &explanation.unfit {
        line(
            &mut text,
            format_args!(
                "\nnot sent to {} {}: the alias does not declare {} there (`enabled_features`)",
                unfit.role.as_str(),
                plan.provider(unfit.provider).name,
                features(unfit.features),
            ),
        );
    }
    if let Some(mirror) = explain_mirror::to_text(explanation.mirror) {
        line(&mut text, format_args!("\ncopies: {mirror}"));
    }
    text.trim_end().to_owned()
}

fn features(set: FeatureSet) -> String {
    set.iter().map(Feature::as_str).collect::<Vec<_>>().join(", ")
}

/// A decision and its targets, in order.
pub(super) fn decision_text(
    text: &mut String,
    question: &Question<'_>,
    title: &str,
    decision: &Decision<'_>,
) {
    line(text, format_args!("\n{title}: {}", result(question, decision)));
    let Decision::Send(chosen) = decision else { return };
    let route = chosen.route.map(|id| question.loaded.plan.route(id));
    let when = |at| match at {
        1 => "",
        _ if route.is_some_and(explain_attempts::falls_back) => ", after a failure of the one before",
        _ => ", never tried",
    };
    for (at, target) in (1..).zip(chosen.order.iter()) {
        line(text, format_args!("  {at}. {}{}", target_text(question, &target), when(at)));
    }
    let Some(route) = route else { return };
    let has_next = chosen.order.iter().count() > 1;
    for attempts in explain_attempts::lines(route, question.facts.endpoint, has_next) {
        line(text, format_args!("  {attempts}"));
    }
}

fn rules(text: &mut String, question: &Question<'_>, explanation: &Explanation<'_>) {
    let plan = &question.loaded.plan;
    let mut others = 0;
    for tried in &explanation.tried {
        if !question.is_whole && is_about_others(tried.verdict) {
            others += 1;
            continue;
        }
        let route = plan.route(tried.route);
        let sign = if tried.verdict == Verdict::Applies { "->" } else { "  " };
        let verdict = verdict_text(question, tried);
        line(text, format_args!("  {sign} {:<24} {:<44} {verdict}", route.name, matches(question, route)));
    }
    if explanation.tried.iter().all(|tried| tried.verdict != Verdict::Applies) {
        line(text, format_args!("  no route matches"));
    }
    if others > 0 {
        line(text, format_args!("  ({others} for other models, endpoints or tenants; --all lists them)"));
    }
}

fn is_about_others(verdict: Verdict) -> bool {
    matches!(
        verdict,
        Verdict::OtherAlias
            | Verdict::OtherFamily
            | Verdict::OtherEndpoint
            | Verdict::OtherTenant
            | Verdict::OnlyAliases
    )
}

/// What a route matches, in the map's words.
fn matches(question: &Question<'_>, route: &Route) -> String {
    let parts = question.loaded.plan.parts();
    let scope = match route.scope {
        Scope::Tenant(id) => format!("tenant {}", question.loaded.plan.tenant(id).name),
        Scope::Cohort(id) => format!("cohort {}", question.loaded.plan.cohort(id).name),
        Scope::Everyone => "everyone".to_owned(),
    };
    let models = match route.models {
        ModelMatch::Alias(id) => question.loaded.plan.alias(id).name.clone(),
        ModelMatch::Family(id) => {
            format!("family {}", parts.families.get(id.index()).map_or("", String::as_str))
        }
        ModelMatch::Any => "every model".to_owned(),
    };
    let endpoint = route.endpoint.map(|endpoint| format!(", {} only", endpoint.as_str())).unwrap_or_default();
    format!("{scope}, {models}{endpoint}")
}

fn verdict_text(question: &Question<'_>, tried: &Tried) -> String {
    match tried.verdict {
        Verdict::Applies => "applies".to_owned(),
        Verdict::Later => "would match; a route before it does already".to_owned(),
        Verdict::OtherTenant => "no: it is another tenant's".to_owned(),
        Verdict::NotInCohort => {
            format!("no: {} is not in the cohort", question.loaded.plan.tenant(question.facts.tenant).name)
        }
        Verdict::OutsideCohort(drawn) => {
            format!("no: outside the cohort, {}", position(drawn))
        }
        Verdict::NoKeyForCohort => "no: the request carries nothing that the cohort is drawn by".to_owned(),
        Verdict::OtherAlias => "no: another alias".to_owned(),
        Verdict::OtherFamily => "no: another model family".to_owned(),
        Verdict::OtherEndpoint => "no: another endpoint".to_owned(),
        Verdict::OnlyAliases => "no: it is for aliases, and the model is none".to_owned(),
    }
}

fn position(drawn: Drawn) -> String {
    if drawn.by == StickyBy::Request {
        return format!("drawn for each request: {} are in", format_share(drawn.share));
    }
    format!(
        "position {} of {WHOLE} by {}, and below {} is in",
        drawn.position,
        drawn.by.as_str(),
        drawn.share.ppm()
    )
}

fn arithmetic(drawn: Option<Drawn>, salt: &str, facts: &Facts<'_>) -> String {
    let Some(drawn) = drawn else {
        return "the request carries none of the fields of `sticky_by`, so it stays home".to_owned();
    };
    if drawn.by == StickyBy::Request {
        return format!(
            "no sticky field that counts, so each request is drawn by itself: {} go to the canary",
            format_share(drawn.share)
        );
    }
    let key =
        facts.keys.value(drawn.by).map_or_else(|| "the tenant's name".to_owned(), |key| format!("{key:?}"));
    let side = if drawn.position < drawn.share.ppm() { "in" } else { "outside" };
    format!(
        "xxh3_64({salt:?} 0x1f {key}) x {WHOLE} >> 64 = {} ({}); a share of {} takes what is below {}: {side}",
        drawn.position,
        drawn.by.as_str(),
        format_share(drawn.share),
        drawn.share.ppm()
    )
}

/// What becomes of the request, in a sentence.
pub(super) fn result(question: &Question<'_>, decision: &Decision<'_>) -> String {
    match decision {
        Decision::Send(chosen) => format!("it is sent; {}", reason(chosen.reason)),
        Decision::Refuse(refusal) => refusal_text(question, *refusal),
    }
}

fn reason(reason: Reason) -> String {
    match reason {
        Reason::Unlisted => "the model is no alias, so it goes to the tenant's primary unchanged".to_owned(),
        Reason::NoRoute => "no route matches, so the map's `primary_provider` serves it".to_owned(),
        Reason::Mode => "the route's mode decides".to_owned(),
        Reason::InShare(StickyBy::Request) | Reason::OutsideShare(StickyBy::Request) => {
            "each request is drawn by itself".to_owned()
        }
        Reason::InShare(by) => format!("its {} falls into the canary's share", by.as_str()),
        Reason::OutsideShare(by) => format!("its {} falls outside the canary's share", by.as_str()),
        Reason::NoKey => "it carries no field of `sticky_by`, so it stays home".to_owned(),
        Reason::Stateful => "it stores state at the provider, so it stays home (`stateful`)".to_owned(),
        Reason::Unproven => {
            "its key is unlisted and no provider has accepted it yet, so it stays home".to_owned()
        }
        Reason::NotAllowed => {
            "the tenant's `allowed_providers` do not list the canary's, so it stays home".to_owned()
        }
        Reason::Feature => {
            "it uses what the alias does not declare for where the route would send it, so it stays home"
                .to_owned()
        }
        Reason::Held => "the route is held at its primary until the map's way back is proven".to_owned(),
        Reason::Barred(Barred::Latched) => {
            "its target was rolled back by its gate, so it goes home".to_owned()
        }
        Reason::Barred(Barred::Suspended) => {
            "its target is kept out until its gate has decided, so it goes home".to_owned()
        }
        Reason::Barred(Barred::Unusable) => {
            "its target is kept out, since its gate cannot be kept, so it goes home".to_owned()
        }
        Reason::Pinned => "it refers to what lives there, or carries what must not leave it".to_owned(),
        Reason::Check => "a check asks for it".to_owned(),
    }
}

fn refusal_text(question: &Question<'_>, refusal: Refusal) -> String {
    match refusal {
        Refusal::UnknownModel => {
            "refused with 404 model_not_found: no alias of this tenant, and not sent on".to_owned()
        }
        Refusal::RouteDisabled(id) => {
            format!("refused with 503 route_disabled by route {}", route_name(question, id))
        }
        Refusal::UnknownKey => {
            "refused with 401: an unlisted key may not spend a credential of ours".to_owned()
        }
        Refusal::RestrictedTenant => "refused with 403 path_not_allowed".to_owned(),
        Refusal::ProviderNotAllowed => {
            "refused with 403 provider_not_allowed: the tenant's `allowed_providers` do not list it"
                .to_owned()
        }
    }
}

fn target_text(question: &Question<'_>, target: &Target<'_>) -> String {
    let name = &question.loaded.plan.provider(target.provider).name;
    let model = target.model_id.map_or_else(|| "the model as it was sent".to_owned(), |id| format!("{id:?}"));
    let path = question
        .loaded
        .providers
        .get(target.provider.index())
        .map(|settings| format!("{}{}", settings.base_url, settings.path_of(question.facts.endpoint)));
    format!(
        "{} {name}: {model}, {} ms to begin the answer, {}",
        target.role.as_str(),
        target.timeout.as_millis(),
        path.unwrap_or_default()
    )
}

fn route_name<'q>(question: &'q Question<'_>, id: RouteId) -> &'q str {
    &question.loaded.plan.route(id).name
}

pub(super) fn to_json(question: &Question<'_>, explanation: &Explanation<'_>) -> Value {
    let plan = &question.loaded.plan;
    let tried: Vec<Value> = explanation
        .tried
        .iter()
        .filter(|tried| question.is_whole || !is_about_others(tried.verdict))
        .map(|tried| {
            let applies = tried.verdict == Verdict::Applies;
            json!({"route": route_name(question, tried.route), "applies": applies, "why": verdict_text(question, tried)})
        })
        .collect();
    let split = explanation.split.map(|split| {
        json!({
            "salt": split.bucketing.salt,
            "share_ppm": split.bucketing.share.ppm(),
            "by": split.drawn.map(|drawn| drawn.by.as_str()),
            // A draw for each request has no position that anybody could compute.
            "position": split.drawn.filter(|drawn| drawn.by != StickyBy::Request).map(|drawn| drawn.position),
        })
    });
    let words = |set: FeatureSet| set.iter().map(Feature::as_str).collect::<Vec<_>>();
    let route = match &explanation.decision {
        Decision::Send(chosen) => chosen.route,
        Decision::Refuse(Refusal::RouteDisabled(id)) => Some(*id),
        Decision::Refuse(_) => None,
    };
    let results: Vec<Value> = match &explanation.either {
        None => vec![decision_json(question, "always", &explanation.decision)],
        Some([within, outside]) => {
            vec![
                decision_json(question, "in_canary", within),
                decision_json(question, "outside_canary", outside),
            ]
        }
    };
    json!({
        "route_version": plan.route_version(),
        "tenant": plan.tenant(question.facts.tenant).name,
        "endpoint": question.facts.endpoint.as_str(),
        "model": question.facts.model,
        "features": words(question.facts.features),
        "warnings": question.notes,
        "tried": tried,
        "canary": split,
        "route": route.map(|id| route_name(question, id)),
        "results": results,
        "not_sent_to": explanation.unfit.iter().map(|unfit| json!({
            "provider": plan.provider(unfit.provider).name,
            "role": unfit.role.as_str(),
            "undeclared_features": words(unfit.features),
        })).collect::<Vec<_>>(),
        "retry_policy": route.map(|id| explain_attempts::retry_policy_json(plan.route(id))),
        "mirror": explain_mirror::to_json(explanation.mirror),
        "attempts": route.map(|id| explain_attempts::to_json(plan.route(id))),
    })
}

pub(super) fn decision_json(question: &Question<'_>, when: &str, decision: &Decision<'_>) -> Value {
    let targets: Vec<Value> = match decision {
        Decision::Send(chosen) => chosen.order.iter().map(|target| target_json(question, &target)).collect(),
        Decision::Refuse(_) => Vec::new(),
    };
    json!({
        "when": when,
        "is_sent": !targets.is_empty(),
        "why": result(question, decision),
        "targets": targets,
    })
}

fn target_json(question: &Question<'_>, target: &Target<'_>) -> Value {
    json!({
        "provider": question.loaded.plan.provider(target.provider).name,
        "role": target.role.as_str(),
        "provider_model_id": target.model_id,
        "timeout_ms": u64::try_from(target.timeout.as_millis()).unwrap_or(u64::MAX),
    })
}

/// Adds a line.
pub(super) fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.push_str(&arguments.to_string());
    text.push('\n');
}
