//! Who is sent elsewhere than before: every kind of request is compared, and those that see the same are told of once.

use std::collections::{BTreeMap, HashMap};

use decisions::plan::Plan;
use decisions::spread::{Carries, Class};
use decisions::{Endpoint, TenantId};
use serde_json::{Value, json};

use crate::diff::affected::{Affected, Model, all_models};
use crate::diff::shift::{Shift, parts_json, shift};
use crate::diff::tenants::{grouped, kinds};
use crate::diff::words::{aliases, endpoints, fraction, tenants};

/// A model that no alias can be called.
const NO_ALIAS: &str = "\0";

/// Requests that see the same of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// The aliases that are asked for; none where it is about models that no alias lists.
    pub aliases: Vec<String>,
    /// Who asks.
    pub tenants: Vec<String>,
    /// Of how many tenants that are in both maps.
    pub of_tenants: usize,
    /// Which endpoints are called.
    pub endpoints: Vec<Endpoint>,
    /// What they see.
    pub shift: Shift,
}

impl Traffic {
    pub(super) fn line(&self) -> String {
        let models =
            if self.aliases.is_empty() { "unlisted models".to_owned() } else { aliases(&self.aliases) };
        let who = tenants(&self.tenants, self.of_tenants);
        format!("{models}, {who}{}: {}", endpoints(&self.endpoints), self.shift.text())
    }

    pub(super) fn to_json(&self) -> Value {
        let names: Vec<&str> = self.endpoints.iter().map(|endpoint| endpoint.as_str()).collect();
        json!({
            "aliases": self.aliases,
            "is_unlisted": self.aliases.is_empty(),
            "tenants": self.tenants,
            "endpoints": names,
            "keyed": parts_json(&self.shift.keyed),
            "plain": self.shift.plain.as_deref().map(parts_json),
            "keys_changing_sides": self.shift.moved.map(|moved| fraction(moved.share)),
        })
    }
}

/// What changes for whom, in the order of the second map's aliases and tenants. Tenants that are in one map only are
/// left out: nothing changed for them that they could compare.
pub(super) fn traffic(before: &Plan, after: &Plan) -> Vec<Traffic> {
    let groups = tenant_groups(before, after);
    let models = all_models(before, after);
    let affected = Affected::new(before, after);
    let asked = endpoints_to_ask(before, after);
    let mut seen =
        Seen { unlisted: models.iter().position(|model| *model == Model::Unlisted), ..Seen::default() };
    for (at_model, model) in models.iter().enumerate() {
        for (at_group, group) in groups.iter().enumerate() {
            let Some((then, now)) = group.first().copied() else { continue };
            if !affected.has(&after.tenant(now).name, *model) {
                continue;
            }
            for endpoint in asked {
                let class = |tenant| Class {
                    tenant,
                    model: model_text(*model),
                    endpoint: *endpoint,
                    carries: Carries::Keys,
                    stateful: false,
                };
                if let Some(shift) = shift((before, class(then)), (after, class(now))) {
                    seen.add(shift, at_group, at_model, *endpoint);
                }
            }
        }
    }
    let total = groups.iter().map(Vec::len).sum();
    let names = |at: &Vec<usize>| {
        let mut ids: Vec<TenantId> =
            at.iter().filter_map(|at| groups.get(*at)).flatten().map(|(_, now)| *now).collect();
        ids.sort_unstable();
        ids.into_iter().map(|id| after.tenant(id).name.clone()).collect()
    };
    let is_whole = asked.len() == 1;
    seen.merged()
        .into_iter()
        .map(|merged| Traffic {
            aliases: merged
                .models
                .iter()
                .filter_map(|at| match models.get(*at) {
                    Some(Model::Alias(name)) => Some((*name).to_owned()),
                    Some(Model::Unlisted) | None => None,
                })
                .collect(),
            tenants: names(&merged.groups),
            of_tenants: total,
            endpoints: if is_whole { Endpoint::ALL.to_vec() } else { merged.endpoints },
            shift: merged.shift,
        })
        .collect()
}

/// Tenants of both maps, alike in each.
fn tenant_groups(before: &Plan, after: &Plan) -> Vec<Vec<(TenantId, TenantId)>> {
    let (old_kinds, new_kinds) = (kinds(before), kinds(after));
    let old: HashMap<&str, (TenantId, usize)> = before
        .parts()
        .tenants
        .iter()
        .zip((0..).map(TenantId).zip(old_kinds))
        .map(|(tenant, of)| (tenant.name.as_str(), of))
        .collect();
    let both = after.parts().tenants.iter().zip((0..).map(TenantId).zip(new_kinds)).filter_map(
        |(tenant, (now, kind))| {
            let (then, old_kind) = old.get(tenant.name.as_str())?;
            Some(((*old_kind, kind), (*then, now)))
        },
    );
    grouped(both)
}

/// One stands for all where no route is for one only.
fn endpoints_to_ask(before: &Plan, after: &Plan) -> &'static [Endpoint] {
    let mut routes = before.parts().routes.iter().chain(&after.parts().routes);
    if routes.any(|route| route.endpoint.is_some()) { &Endpoint::ALL } else { &[Endpoint::Chat] }
}

fn model_text<'p>(model: Model<'p>) -> &'p str {
    match model {
        Model::Alias(name) => name,
        Model::Unlisted => NO_ALIAS,
    }
}

/// What classes saw, before it is merged.
#[derive(Default)]
struct Seen {
    /// The model that is no alias: it is told of apart.
    unlisted: Option<usize>,
    /// Shifts with and without model IDs.
    whole: Numbers,
    bare: Numbers,
    /// By model and group: what each endpoint saw.
    classes: BTreeMap<(usize, usize), Vec<(Endpoint, Shown)>>,
}

/// A shift by its numbers, with and without model IDs.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Shown {
    whole: usize,
    bare: usize,
}

#[derive(Default)]
struct Numbers {
    numbers: HashMap<Shift, usize>,
    list: Vec<Shift>,
}

impl Numbers {
    fn number(&mut self, shift: Shift) -> usize {
        let next = self.list.len();
        *self.numbers.entry(shift).or_insert_with_key(|shift| {
            self.list.push(shift.clone());
            next
        })
    }
}

struct Merged {
    models: Vec<usize>,
    groups: Vec<usize>,
    endpoints: Vec<Endpoint>,
    shift: Shift,
}

impl Seen {
    fn add(&mut self, shift: Shift, group: usize, model: usize, endpoint: Endpoint) {
        let bare = self.bare.number(shift.without_models());
        let shown = Shown { bare, whole: self.whole.number(shift) };
        self.classes.entry((model, group)).or_default().push((endpoint, shown));
    }

    /// First endpoints that saw the same, then tenants, then aliases.
    fn merged(self) -> Vec<Merged> {
        let by_endpoints = self.classes.into_iter().flat_map(|((model, group), seen)| {
            let alike = grouped(seen.into_iter().map(|(endpoint, shown)| (shown, (endpoint, shown))));
            alike.into_iter().filter_map(move |same| {
                let shown = same.first()?.1;
                let endpoints: Vec<Endpoint> = same.into_iter().map(|(endpoint, _)| endpoint).collect();
                Some(((model, shown, endpoints), group))
            })
        });
        let by_tenants = grouped(by_endpoints.map(|(key, group)| (key.clone(), (key, group))));
        let unlisted = self.unlisted;
        let rows = by_tenants.into_iter().filter_map(|same| {
            let (model, shown, endpoints) = same.first()?.0.clone();
            let groups: Vec<usize> = same.into_iter().map(|(_, group)| group).collect();
            Some(((shown.bare, endpoints, groups, Some(model) == unlisted), (model, shown.whole)))
        });
        let by_aliases = grouped(rows.map(|(key, row)| (key.clone(), (key, row))));
        let merged = by_aliases.into_iter().filter_map(|same| {
            let ((bare, endpoints, groups, _), (_, whole)) = same.first()?.clone();
            let is_one = same.iter().all(|(_, (_, other))| *other == whole);
            let shift = if is_one { self.whole.list.get(whole) } else { self.bare.list.get(bare) }?.clone();
            let models = same.into_iter().map(|(_, (model, _))| model).collect();
            Some(Merged { models, groups, endpoints, shift })
        });
        merged.collect()
    }
}
