//! One line of the history: which map and tenants file went live, when, and why.
//!
//! A line has to be readable by older and newer gateways, so unknown fields are ignored. The newest line
//! names every held route, since the next start holds exactly these; older ones are shortened when the history
//! is cut, because thousands of them are read at a start.

use std::fmt;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::digest::Digest;

/// Names of held routes in a record that is not the newest; what there is beyond them is counted.
pub(super) const MOST_HELD: usize = 1_000;

/// A pair of files that went live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Accepted {
    pub(crate) at: Timestamp,
    pub(crate) why: Why,
    /// Which of the map's environments it was accepted for.
    pub(crate) environment: Option<String>,
    pub(crate) route_version: String,
    pub(crate) routes: Digest,
    pub(crate) tenants_version: String,
    pub(crate) tenants: Digest,
    /// The routes that were held at 0 %, by name: all of them, or the first thousand.
    pub(crate) held: Vec<String>,
    /// How many were held besides; their names are not known any more.
    pub(crate) and_more: usize,
}

/// What made a pair of files go live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    Start,
    Reload,
    Rollback,
    Expired,
    Lapsed,
    Recovered,
}

impl Accepted {
    /// As it is written, with the line's end.
    pub(super) fn line(&self) -> String {
        let mut object = json!({
            "at": self.at.to_string(),
            "why": self.why.to_string(),
            "environment": self.environment,
            "route_version": self.route_version,
            "routes_sha256": self.routes.to_string(),
            "tenants_version": self.tenants_version,
            "tenants_sha256": self.tenants.to_string(),
            "held": self.held,
        });
        if self.and_more > 0 {
            object["and_more"] = json!(self.and_more);
        }
        format!("{object}\n")
    }

    /// All that were held; `None` where some names are missing, so that nobody takes the rest for all.
    pub(crate) fn all_held(&self) -> Option<&[String]> {
        (self.and_more == 0).then_some(&self.held)
    }

    /// For a record that is not the newest any more.
    pub(super) fn shorten(&mut self) {
        if self.held.len() > MOST_HELD {
            self.and_more += self.held.len() - MOST_HELD;
            self.held.truncate(MOST_HELD);
            self.held.shrink_to_fit();
        }
    }

    /// `None` for what is damaged, or of a kind that this version does not know.
    pub(super) fn parse(line: &[u8]) -> Option<Accepted> {
        let object: Value = serde_json::from_slice(line).ok()?;
        let text = |field: &str| object.get(field)?.as_str();
        let name = |value: &Value| value.as_str().map(str::to_owned);
        Some(Accepted {
            at: text("at")?.parse().ok()?,
            why: Why::parse(text("why")?)?,
            environment: match object.get("environment") {
                None | Some(Value::Null) => None,
                Some(value) => Some(name(value)?),
            },
            route_version: text("route_version")?.to_owned(),
            routes: text("routes_sha256")?.parse().ok()?,
            tenants_version: text("tenants_version")?.to_owned(),
            tenants: text("tenants_sha256")?.parse().ok()?,
            held: object.get("held")?.as_array()?.iter().map(name).collect::<Option<_>>()?,
            and_more: match object.get("and_more") {
                None => 0,
                Some(count) => usize::try_from(count.as_u64()?).ok()?,
            },
        })
    }
}

impl Why {
    const ALL: [Why; 6] = [Why::Start, Why::Reload, Why::Rollback, Why::Expired, Why::Lapsed, Why::Recovered];

    fn parse(text: &str) -> Option<Why> {
        Why::ALL.into_iter().find(|why| why.as_str() == text)
    }

    fn as_str(self) -> &'static str {
        match self {
            Why::Start => "start",
            Why::Reload => "reload",
            Why::Rollback => "rollback",
            Why::Expired => "expired",
            Why::Lapsed => "lapsed",
            Why::Recovered => "recovered",
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Accepted {
        Accepted {
            at: "2026-11-20T03:00:00.123456789Z".parse().unwrap(),
            why: Why::Lapsed,
            environment: Some("produc\ntion".to_owned()),
            route_version: "v\"7".to_owned(),
            routes: Digest::of("routes"),
            tenants_version: "2026-11-20.1".to_owned(),
            tenants: Digest::of("tenants"),
            held: vec!["chat".to_owned()],
            and_more: 0,
        }
    }

    #[test]
    fn a_record_is_one_line_and_reads_back() {
        for why in Why::ALL {
            for environment in [None, record().environment] {
                let record = Accepted { why, environment, ..record() };
                let line = record.line();
                assert_eq!(line.find('\n'), Some(line.len() - 1));
                assert_eq!(Accepted::parse(line.as_bytes()), Some(record));
            }
        }
    }

    #[test]
    fn an_unknown_field_is_ignored_and_a_wrong_one_is_no_record() {
        let mut object: Value = serde_json::from_str(&record().line()).unwrap();
        object["new"] = json!({"a": 1});
        assert_eq!(Accepted::parse(object.to_string().as_bytes()), Some(record()));
        for (field, wrong) in [
            ("at", json!("yesterday")),
            ("why", json!("whim")),
            ("environment", json!(1)),
            ("routes_sha256", json!("ab")),
            ("tenants_version", json!(null)),
            ("held", json!([1])),
            ("and_more", json!("many")),
        ] {
            let mut damaged = object.clone();
            damaged[field] = wrong;
            assert_eq!(Accepted::parse(damaged.to_string().as_bytes()), None, "{field}");
        }
    }

    #[test]
    fn every_held_route_is_named_and_a_shortened_record_says_that_it_is() {
        let held: Vec<String> = (0..10_000).map(|number| format!("route-{number}")).collect();
        let mut record = Accepted { held: held.clone(), ..record() };
        let read = Accepted::parse(record.line().as_bytes()).unwrap();
        assert_eq!(read.all_held(), Some(&held[..]));
        record.shorten();
        record.shorten();
        let read = Accepted::parse(record.line().as_bytes()).unwrap();
        assert_eq!((read.held.len(), read.and_more, read.all_held()), (MOST_HELD, 9_000, None));
    }
}
