//! Edits of the route map: values are replaced where they stand, byte for byte, so that nothing else can move.

use std::ops::Range;

use decisions::bucket::Share;
use decisions::plan::Mode;
use decisions::rollout::RolloutRules;
use jiff::Timestamp;
use jiff::civil::Date;
use toml::de::{DeTable, DeValue};
use toml_edit::Value;

use crate::document::{Document, Source};
use crate::load::load_map;
use crate::names::{closest, quote};
use crate::problem::Problems;
use crate::share::format_share;
use crate::version::next_version;

/// A change of the map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteEdit {
    /// A canary gets another share, or where it has steps may climb to another one; a route in mode `primary` becomes a
    /// canary.
    Shift {
        /// The route.
        route: String,
        /// How much goes to its canary.
        share: Share,
    },
    /// What matches a route is refused.
    Disable {
        /// The route.
        route: String,
    },
    /// Somebody vouches for the version to go back to.
    Vouch(Vouch),
}

/// `rollback_override`, and the version that it is for where the map names none yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vouch {
    /// Who.
    pub by: String,
    /// Why.
    pub incident: String,
    /// Until when.
    pub until: Timestamp,
    /// Named as the version to go back to where the map names none.
    pub rollback_route_version: String,
}

/// An edited map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited {
    /// The whole text.
    pub text: String,
    /// Its version.
    pub version: String,
}

/// Why a map was not edited.
#[derive(Debug, thiserror::Error)]
pub enum RouteEditError {
    /// The map is refused as it is, or as it would be.
    #[error(transparent)]
    Problems(#[from] Problems),
    /// No route has this name.
    #[error("there is no route {}{help}", quote(.route))]
    NoRoute {
        /// The name.
        route: String,
        /// What was probably meant.
        help: String,
    },
    /// The route has no `[routes.canary]`.
    #[error(
        "route {} has no `[routes.canary]`: add one with its `provider` and `share` by hand", quote(.0)
    )]
    NoCanary(String),
    /// The route's mode has no use for a share.
    #[error(
        "route {} has mode `{}`, where a share has no effect: set its mode to `canary` by hand first",
        quote(.route), .mode.as_str()
    )]
    WrongMode {
        /// The route.
        route: String,
        /// Its mode.
        mode: Mode,
    },
    /// Nothing would change.
    #[error("nothing to do: {0}")]
    NothingToDo(String),
    /// The text cannot be found in the file.
    #[error("the file's layout cannot be edited; make the change by hand")]
    Layout,
}

/// Edits the text of a map, and gives it the next version that is not taken.
///
/// # Errors
/// The map's own problems before or after, or why the edit makes no sense.
pub fn edit_routes(
    routes: Source<'_>,
    tenants: Source<'_>,
    edit: &RouteEdit,
    today: Date,
    is_taken: impl Fn(&str) -> bool,
) -> Result<Edited, RouteEditError> {
    let loaded = load_map(routes, tenants)?;
    let table = Document::new(routes).parse().ok_or(RouteEditError::Layout)?;
    let mut splices = match edit {
        RouteEdit::Shift { route, share } => shift(&loaded.plan, &table, routes.text, route, *share)?,
        RouteEdit::Disable { route } => disable(&loaded.plan, &table, route)?,
        RouteEdit::Vouch(vouch) => vouch_for(&table, routes.text, vouch)?,
    };
    let mut version = next_version(loaded.plan.route_version(), today);
    while is_taken(&version) {
        version = next_version(&version, today);
    }
    splices.push(replace(&table, "route_version", &string(&version))?);
    let end = routes.text.rfind("# end ").ok_or(RouteEditError::Layout)?;
    splices.push(Splice { at: end..routes.text.len(), with: format!("# end {version}\n") });
    let text = apply(routes.text, splices).ok_or(RouteEditError::Layout)?;
    load_map(Source { path: routes.path, text: &text }, tenants)?;
    Ok(Edited { text, version })
}

/// A part of the text and what takes its place.
struct Splice {
    at: Range<usize>,
    with: String,
}

fn shift(
    plan: &decisions::plan::Plan,
    table: &DeTable<'_>,
    text: &str,
    name: &str,
    share: Share,
) -> Result<Vec<Splice>, RouteEditError> {
    let (route, written) = find_route(plan, table, name)?;
    let Some(canary) = &route.canary else { return Err(RouteEditError::NoCanary(name.to_owned())) };
    let steps = route.gates.rollout.as_ref().map(RolloutRules::steps);
    let most = steps.and_then(|steps| steps.last()).map_or(canary.bucketing.share.ppm(), |last| *last);
    match route.mode {
        Mode::Canary if most == share.ppm() => {
            let has = if steps.is_some() { "may climb to" } else { "has" };
            let (name, share) = (quote(name), format_share(share));
            Err(RouteEditError::NothingToDo(format!("the canary of route {name} {has} {share} already")))
        }
        Mode::Canary => Ok(vec![set_share(written, text, share)?]),
        Mode::Primary => Ok(vec![
            set_share(written, text, share)?,
            replace(written, "mode", &string(Mode::Canary.as_str()))?,
        ]),
        Mode::Fallback | Mode::Disabled => {
            Err(RouteEditError::WrongMode { route: name.to_owned(), mode: route.mode })
        }
    }
}

/// A canary with steps may have no `share` yet; it then goes before them.
fn set_share(route: &DeTable<'_>, text: &str, share: Share) -> Result<Splice, RouteEditError> {
    let canary = inner(route, "canary")?;
    let share = string(&format_share(share));
    let steps = canary.get_key_value("steps").filter(|_| !canary.contains_key("share"));
    let Some((key, _)) = steps else { return replace(canary, "share", &share) };
    let at = key.span().start;
    let is_first = text.get(..at).is_some_and(|before| before.trim_end_matches([' ', '\t']).ends_with('\n'));
    let between = if is_first { "\n" } else { ", " };
    Ok(Splice { at: at..at, with: format!("share = {share}{between}") })
}

fn disable(
    plan: &decisions::plan::Plan,
    table: &DeTable<'_>,
    name: &str,
) -> Result<Vec<Splice>, RouteEditError> {
    let (route, written) = find_route(plan, table, name)?;
    if route.mode == Mode::Disabled {
        return Err(RouteEditError::NothingToDo(format!("route {} is disabled already", quote(name))));
    }
    Ok(vec![replace(written, "mode", &string(Mode::Disabled.as_str()))?])
}

fn vouch_for(table: &DeTable<'_>, text: &str, vouch: &Vouch) -> Result<Vec<Splice>, RouteEditError> {
    let (by, incident) = (string(&vouch.by), string(&vouch.incident));
    let until = format!("{:.0}", vouch.until);
    let mut splices = Vec::new();
    if table.contains_key("rollback_override") {
        let written = inner(table, "rollback_override")?;
        for (field, value) in [("by", &by), ("incident", &incident), ("until", &until)] {
            splices.push(replace(written, field, value)?);
        }
    }
    let mut lines = String::new();
    let named = table.get_key_value("rollback_route_version");
    if named.is_none() {
        lines.push_str(&format!("rollback_route_version = {}\n", string(&vouch.rollback_route_version)));
    }
    if splices.is_empty() {
        let fields = format!("by = {by}, incident = {incident}, until = {until}");
        lines.push_str(&format!("rollback_override = {{ {fields} }}\n"));
    }
    if !lines.is_empty() {
        let after = named.or_else(|| table.get_key_value("route_version")).ok_or(RouteEditError::Layout)?;
        let from = after.1.span().end;
        let rest = text.get(from..).ok_or(RouteEditError::Layout)?;
        let at = from + rest.find('\n').ok_or(RouteEditError::Layout)? + 1;
        splices.push(Splice { at: at..at, with: lines });
    }
    Ok(splices)
}

/// The route in the plan and in the text.
fn find_route<'p, 'd, 't>(
    plan: &'p decisions::plan::Plan,
    table: &'d DeTable<'t>,
    name: &str,
) -> Result<(&'p decisions::plan::Route, &'d DeTable<'t>), RouteEditError> {
    let names = plan.parts().routes.iter().map(|route| route.name.as_str());
    let Some(at) = names.clone().position(|known| known == name) else {
        let help = closest(name, names).map_or_else(
            || "\n  help: `cometgate routes check` and the map itself list them".to_owned(),
            |close| format!("\n  help: did you mean {}?", quote(close)),
        );
        return Err(RouteEditError::NoRoute { route: name.to_owned(), help });
    };
    let written = table.get("routes").and_then(|routes| match routes.get_ref() {
        DeValue::Array(items) => items.get(at),
        _ => None,
    });
    match (plan.parts().routes.get(at), written.map(|item| item.get_ref())) {
        (Some(route), Some(DeValue::Table(written))) => Ok((route, written)),
        _ => Err(RouteEditError::Layout),
    }
}

fn inner<'d, 't>(table: &'d DeTable<'t>, name: &str) -> Result<&'d DeTable<'t>, RouteEditError> {
    match table.get(name).map(|value| value.get_ref()) {
        Some(DeValue::Table(inner)) => Ok(inner),
        _ => Err(RouteEditError::Layout),
    }
}

fn replace(table: &DeTable<'_>, field: &str, with: &str) -> Result<Splice, RouteEditError> {
    let value = table.get(field).ok_or(RouteEditError::Layout)?;
    Ok(Splice { at: value.span(), with: with.to_owned() })
}

fn apply(text: &str, mut splices: Vec<Splice>) -> Option<String> {
    splices.sort_by_key(|splice| splice.at.start);
    let mut edited = String::with_capacity(text.len() + 64);
    let mut from = 0;
    for splice in splices {
        edited.push_str(text.get(from..splice.at.start)?);
        edited.push_str(&splice.with);
        from = splice.at.end;
    }
    edited.push_str(text.get(from..)?);
    Some(edited)
}

fn string(text: &str) -> String {
    Value::from(text).to_string()
}
