//! Names that are easily taken for each other: twins but for upper and lower case, and look-alikes.
//!
//! Every name is compared by its bytes, so each of two twins is a name of its own. Tenants, cohorts, routes,
//! providers are ASCII by rule; what applications and providers call a model is any text, and only there
//! look-alikes matter.

use std::collections::HashMap;

use crate::code::Code;
use crate::document::{Document, Named};
use crate::look_alikes::{disguised, skeleton};
use crate::names::quote;
use crate::warn::Whole;

pub(super) fn warn(whole: &Whole<'_>) {
    let map = whole.map;
    let (document, tenants_document) = (whole.document, whole.tenants_document);
    let models = models_by_provider(whole);
    let families = map.aliases.iter().filter_map(|entry| entry.family.as_ref());
    let routes = map.routes.iter().filter_map(|entry| entry.name.as_ref());
    let in_map = [
        ("provider", Group::new(map.providers.iter().map(|entry| &entry.name))),
        ("alias", Group::new(map.aliases.iter().map(|entry| &entry.name))),
        ("family", Group::new(families)),
        ("cohort", Group::new(map.cohorts.iter().map(|entry| &entry.name))),
        ("route", Group::new(routes)),
    ];
    for (kind, group) in &in_map {
        about_case(kind, group, document);
        if *kind == "alias" {
            about_looks(kind, group, document);
        }
    }
    for group in &models {
        about_case("model ID", group, document);
        about_looks("model ID", group, document);
    }
    let tenants = Group::new(whole.tenants.tenants.iter().map(|entry| &entry.name));
    about_case("tenant", &tenants, tenants_document);
}

/// The names of one kind, each once, where it stands first.
struct Group<'n>(Vec<&'n Named>);

impl<'n> Group<'n> {
    fn new(names: impl Iterator<Item = &'n Named>) -> Group<'n> {
        let mut all: Vec<&Named> = names.collect();
        all.sort_unstable_by(|a, b| (&a.text, a.at).cmp(&(&b.text, b.at)));
        all.dedup_by(|later, first| later.text == first.text);
        all.sort_unstable_by_key(|name| name.at);
        Group(all)
    }

    /// Each name with the first that has the same key.
    fn twins<'g>(
        &'g self,
        key: impl Fn(&str) -> String + 'g,
    ) -> impl Iterator<Item = (&'n Named, Option<&'n Named>)> + 'g {
        let mut seen: HashMap<String, &'n Named> = HashMap::new();
        self.0.iter().map(move |name| {
            let first = *seen.entry(key(&name.text)).or_insert(name);
            (*name, (first.at != name.at).then_some(first))
        })
    }
}

/// What each provider is asked for, allowed and forbidden.
fn models_by_provider<'w>(whole: &Whole<'w>) -> Vec<Group<'w>> {
    let mut asked: HashMap<&str, Vec<&Named>> = HashMap::new();
    for model in whole.map.aliases.iter().flat_map(|alias| &alias.model_ids) {
        asked.entry(&model.provider.text).or_default().push(&model.id);
    }
    let group = |provider: &'w crate::provider_entry::ProviderEntry| {
        let asked = asked.get(provider.name.text.as_str()).into_iter().flatten().copied();
        let approved = provider.approved_models.iter().flatten();
        Group::new(asked.chain(approved).chain(&provider.blocked_models))
    };
    whole.map.providers.iter().map(group).collect()
}

fn about_case(kind: &str, group: &Group<'_>, document: &Document<'_>) {
    for (name, twin) in group.twins(str::to_lowercase) {
        let Some(twin) = twin else { continue };
        let (text, other, line) = (quote(&name.text), quote(&twin.text), document.line(twin.at));
        let message =
            format!("{kind} {text} differs from {other} (line {line}) in upper and lower case only");
        let help = "names are compared byte by byte, so these are two; if one is meant, write it in one way";
        document.warn_beside(Code::CaseTwin, name.at, (twin.at, "its twin"), message, help);
    }
}

fn about_looks(kind: &str, group: &Group<'_>, document: &Document<'_>) {
    let help = "names are compared byte by byte: if it was copied from somewhere, type it by hand";
    for (name, twin) in group.twins(skeleton) {
        let text = quote(&name.text);
        let message = match (disguised(&name.text), twin) {
            (None, None) => continue,
            (Some(found), _) => format!("{kind} {text} {}", found.describe()),
            (None, Some(twin)) => {
                let line = document.line(twin.at);
                format!("{kind} {text} looks like {} (line {line})", quote(&twin.text))
            }
        };
        match twin {
            Some(twin) => {
                let beside = (twin.at, "this looks the same");
                document.warn_beside(Code::LookAlike, name.at, beside, message, help);
            }
            None => document.warn(Code::LookAlike, name.at, message, help),
        }
    }
}
