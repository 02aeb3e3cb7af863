//! What changes between two maps, in terms of tenants and shares and not of lines; or what drifts between the maps of
//! two environments.
//!
//! Traffic first: where requests go, computed by the code that decides them, for every tenant, alias and endpoint, and
//! told once for all that see the same (`traffic`, `shift`). Then the fields of entries that say something else
//! (`entries`, `fields`). Between two environments tenants and shares differ anyhow, so entries are all there is to
//! compare, and those fields are left out that have to differ.

mod affected;
mod attempts;
mod entries;
mod exact;
mod fields;
mod gates;
mod shift;
pub(crate) mod tenants;
mod traffic;
pub(crate) mod words;

use serde_json::{Value as Json, json};

use crate::load::Loaded;

pub use entries::Value;
pub(crate) use entries::sticky_names;
pub use fields::{Field, What};
pub use shift::{Goes, Moved, Share, Shift, Why};
pub use traffic::Traffic;

use fields::Sides;

/// Lines that somebody reads at night; what is beyond them is counted.
const MOST_LINES: usize = 60;

/// What two maps are to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Diff {
    /// One takes the other's place.
    Change,
    /// They are of two environments that should say the same.
    Parity,
}

/// What differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// Requests that go elsewhere; none between two environments.
    pub traffic: Vec<Traffic>,
    /// Fields that say something else.
    pub fields: Vec<Field>,
    sides: Option<Sides>,
}

/// Compares two maps, each with its tenants.
#[must_use]
pub fn diff(before: &Loaded, after: &Loaded, kind: Diff) -> Changes {
    let fields = fields::fields(entries::entries(before, kind), entries::entries(after, kind));
    match kind {
        Diff::Change => Changes { traffic: traffic::traffic(&before.plan, &after.plan), fields, sides: None },
        Diff::Parity => Changes { traffic: Vec::new(), fields, sides: Some(sides(before, after)) },
    }
}

impl Changes {
    /// Nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.traffic.is_empty() && self.fields.is_empty()
    }

    /// For people, a line each: some sixty at most, and how many more there are.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines =
            capped(self.traffic.iter().map(Traffic::line).collect(), MOST_LINES, "where requests go");
        let left = MOST_LINES.saturating_sub(lines.len()).max(MOST_LINES / 3);
        lines.extend(capped(fields::lines(&self.fields, self.sides.as_ref()), left, "fields"));
        lines
    }

    /// For programs: all of it.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let fields: Vec<Json> = self.fields.iter().map(fields::to_json).collect();
        match &self.sides {
            None => json!({
                "is_empty": self.is_empty(),
                "traffic": self.traffic.iter().map(Traffic::to_json).collect::<Vec<_>>(),
                "fields": fields,
            }),
            Some(Sides(first, second)) => {
                json!({"is_empty": self.is_empty(), "before": first, "after": second, "drift": fields})
            }
        }
    }
}

/// By their environments, if that tells them apart.
fn sides(before: &Loaded, after: &Loaded) -> Sides {
    match (&before.environment, &after.environment) {
        (Some(first), Some(second)) if first != second => Sides(first.clone(), second.clone()),
        _ => Sides("the first".to_owned(), "the second".to_owned()),
    }
}

fn capped(mut lines: Vec<String>, most: usize, what: &str) -> Vec<String> {
    if lines.len() > most {
        let more = lines.len() - most + 1;
        lines.truncate(most - 1);
        lines.push(format!("and {} more lines on {what}", words::count(more)));
    }
    lines
}
