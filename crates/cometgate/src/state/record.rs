//! One line of the history: which map and tenants file went live, when, and why.
//!
//! A line has to be readable by older and newer gateways, so unknown fields are ignored. It is bounded,
//! because it is to be written by one call and ten thousands of them are read at a start.

use std::fmt;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::digest::Digest;

/// Names of held routes in one line; what there is beyond them is counted.
const MOST_HELD: usize = 1_000;

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
    /// The routes that were held at 0 %. A record that was read has a thousand of them at most.
    pub(crate) held: Vec<String>,
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
            "held": self.held.iter().take(MOST_HELD).collect::<Vec<_>>(),
        });
        if self.held.len() > MOST_HELD {
            object["and_more"] = json!(self.held.len() - MOST_HELD);
        }
        format!("{object}\n")
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
        ] {
            let mut damaged = object.clone();
            damaged[field] = wrong;
            assert_eq!(Accepted::parse(damaged.to_string().as_bytes()), None, "{field}");
        }
    }

    #[test]
    fn a_line_stays_short_though_everything_is_held() {
        let longest = "r".repeat(64);
        let record = Accepted { held: vec![longest; 10_000], ..record() };
        let line = record.line();
        assert!(line.len() < 70_000, "{}", line.len());
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["and_more"], 9_000);
        assert_eq!(Accepted::parse(line.as_bytes()).unwrap().held.len(), MOST_HELD);
    }
}
