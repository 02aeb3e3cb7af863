//! Where a request may go, given what it refers to: looks up what is known, and asks `decisions`.

use std::borrow::Cow;

use decisions::state::{
    Asked, Binding, Found, Operation, Owner, Placement, Reference, ReferenceKind, StateClass, find_operation,
    place,
};
use decisions::{
    Decision, Facts, ProviderId, TenantId, decide, decide_pinned, decide_unkept, home_of, tenant_home,
};
use http::{HeaderMap, Method, header};

use crate::affinity::Known;
use crate::error::Error;
use crate::gates::AskedOnce;
use crate::request::path::decode;
use crate::request::peek::Peeked;
use crate::request::references::References;
use crate::snapshot::Snapshot;
use crate::worker::Context;

/// Decides a routed request with regard to what it refers to.
pub(crate) fn decide_placed<'s>(
    context: &Context,
    snapshot: &'s Snapshot,
    gates: &AskedOnce<'_>,
    facts: &Facts<'_>,
    peeked: &Peeked<'_>,
) -> Result<Decision<'s>, Error> {
    let plan = snapshot.plan();
    // A model of its own that the map does not know; what the map names, the operator vouches for.
    let tuned = peeked.model.starts_with("ft:") && plan.alias_named(&peeked.model).is_none();
    let gates = |route| gates.standing(route);
    let free = || {
        if facts.stateful && !context.affinity.is_durable() {
            decide_unkept(plan, facts, gates)
        } else {
            decide(plan, facts, gates)
        }
    };
    if peeked.references.is_empty() && !tuned {
        return Ok(free());
    }
    let class = if peeked.stores { StateClass::Creates } else { StateClass::Free };
    let asked = Asked { class, keeps_to_primary: peeked.references.has_credential };
    let tuned = tuned.then_some((ReferenceKind::Id, peeked.model.as_ref()));
    let look_up = Lookup { context, snapshot, tenant: facts.tenant };
    match look_up.place(asked, peeked.references.iter().chain(tuned), home_of(plan, facts)) {
        Placement::Free | Placement::Creates => Ok(free()),
        Placement::Pinned(provider) => Ok(decide_pinned(plan, facts, Some(provider))),
        Placement::PrimaryOnly => Ok(decide_pinned(plan, facts, None)),
        refused => Err(refusal(refused)),
    }
}

/// What a request asks for that is not routed by its model.
pub(crate) struct Operated<'p> {
    operation: Option<&'static Operation>,
    id: Option<Cow<'p, str>>,
    /// A live session joins the call that its query names.
    joins: Option<String>,
    method: &'p Method,
}

/// What a body is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    /// It is not.
    Nothing,
    /// What it refers to; it must be JSON.
    Json,
    /// What it refers to; it is a form.
    Form,
}

/// Where such a request goes, and what its answer is read for.
pub(crate) struct Placed {
    /// Not to the primary.
    pub(crate) at: Option<ProviderId>,
    /// Whether its answer names what can be referred to, and the answer's own `id` is new.
    pub(crate) learns: Option<bool>,
}

/// Finds out what is asked for. A spelling that a provider might read as another operation is refused.
pub(crate) fn operated<'p>(
    method: &'p Method,
    path: &'p str,
    query: Option<&str>,
) -> Result<Operated<'p>, Error> {
    let name = if *method == Method::HEAD { "GET" } else { method.as_str() };
    let found = find_operation(name, path);
    let mut id = found.and_then(|found: Found<'p>| found.id).map(Cow::Borrowed);
    if path.contains('%') {
        let decoded = String::from_utf8(decode(path)).map_err(|_| Error::OddPath)?;
        let meant = find_operation(name, &decoded);
        if meant.map(|meant| meant.operation) != found.map(|found| found.operation) {
            return Err(Error::OddPath);
        }
        id = meant.and_then(|meant| meant.id).map(|id| Cow::Owned(id.to_owned()));
    }
    let operation = found.map(|found| found.operation);
    let joins = match operation {
        Some(operation) if operation.template == "/realtime" => call_in(query.unwrap_or_default())?,
        _ => None,
    };
    Ok(Operated { operation, id, joins, method })
}

/// `call_id` of a query. Of two nobody knows which the provider takes.
fn call_in(query: &str) -> Result<Option<String>, Error> {
    let mut calls = query.split('&').filter_map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name) == b"call_id").then_some(value)
    });
    let call = calls.next();
    if calls.next().is_some() {
        return Err(Error::OddPath);
    }
    call.map(|call| String::from_utf8(decode(call)).map_err(|_| Error::OddPath)).transpose()
}

impl Operated<'_> {
    /// What its body is read for.
    pub(crate) fn reads(&self, headers: &HeaderMap) -> Reads {
        let mut kinds =
            headers.get_all(header::CONTENT_TYPE).iter().map(|kind| kind.as_bytes().trim_ascii_start());
        // If there are several, nobody knows which the provider believes.
        let is_form = kinds.next().is_some_and(|kind| kind.to_ascii_lowercase().starts_with(b"multipart/"));
        let is_form = is_form && kinds.next().is_none();
        match self.operation {
            Some(operation) if is_form && operation.form_refers => Reads::Form,
            Some(operation) if !is_form && operation.body.may_be_json() => Reads::Json,
            _ => Reads::Nothing,
        }
    }

    /// It begins a call, whose answer names it in its head.
    pub(crate) fn begins_call(&self) -> bool {
        *self.method == Method::POST
            && self.operation.is_some_and(|operation| operation.template == "/realtime/calls")
    }

    /// Places it.
    pub(crate) fn place(
        &self,
        context: &Context,
        snapshot: &Snapshot,
        tenant: TenantId,
        references: &References<'_>,
    ) -> Result<Placed, Error> {
        let class = self.operation.map_or(StateClass::PrimaryOnly, |operation| operation.class);
        let asked = Asked { class, keeps_to_primary: references.has_credential };
        let own = self.id.as_deref().map(|id| (ReferenceKind::Id, id));
        // A model that anybody may see is nobody's.
        let own = own.filter(|(_, id)| class == StateClass::Pinned || id.starts_with("ft:"));
        let look_up = Lookup { context, snapshot, tenant };
        let home = tenant_home(snapshot.plan(), tenant);
        let joined = self.joins.as_deref().map(|id| (ReferenceKind::Id, id));
        let at = match look_up.place(asked, references.iter().chain(own).chain(joined), home) {
            Placement::Free | Placement::Creates | Placement::PrimaryOnly => None,
            Placement::Pinned(provider) => Some(provider),
            refused => return Err(refusal(refused)),
        };
        let is_post = *self.method == Method::POST;
        let learns = match class {
            StateClass::Creates => Some(true),
            StateClass::Pinned if at.is_some() => Some(is_post),
            StateClass::Free if is_post => Some(false),
            _ => None,
        };
        Ok(Placed { at, learns })
    }
}

fn refusal(placement: Placement) -> Error {
    match placement {
        Placement::OthersListed => Error::OthersListed,
        Placement::Contradiction => Error::StateContradicts,
        _ => Error::StateNotFound,
    }
}

/// Who asks, and whom.
struct Lookup<'l> {
    context: &'l Context,
    snapshot: &'l Snapshot,
    tenant: TenantId,
}

impl Lookup<'_> {
    fn place<'r>(
        &self,
        asked: Asked,
        references: impl Iterator<Item = (ReferenceKind, &'r str)>,
        home: ProviderId,
    ) -> Placement {
        let plan = self.snapshot.plan();
        let references = references.map(|(kind, id)| Reference { kind, known: self.known(id) });
        place(asked, references, home, |provider| plan.is_shared(provider))
    }

    fn known(&self, id: &str) -> Option<Binding> {
        let plan = self.snapshot.plan();
        match self.context.affinity.find(&plan.tenant(self.tenant).name, id) {
            _ if id.is_empty() => None,
            Known::Unknown => None,
            Known::Anothers => Some(Binding { owner: Owner::Another, provider: None, is_expired: false }),
            Known::Own { provider, is_expired } => {
                Some(Binding { owner: Owner::Caller, provider: plan.provider_named(&provider), is_expired })
            }
        }
    }
}
