//! What ends on a day: the map itself, an override of its way back, and the keys of tenants.
//!
//! The warnings are made when the file is read, while its lines are at hand, and told when somebody knows the
//! time.

use jiff::{SignedDuration, Timestamp};

use crate::code::Code;
use crate::map_file::Date;
use crate::names::quote;
use crate::problem::Problem;
use crate::tenant_list::hash_beginning;
use crate::tenants_file::{KeyEntry, TenantEntry};
use crate::warn::Whole;

/// Long enough for whoever is on leave to be back.
const SOON: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Something that ends.
#[derive(Debug)]
pub(crate) struct Dated {
    end: Timestamp,
    soon: Problem,
    past: Problem,
}

impl Dated {
    /// What is to be said of it at a time.
    pub(crate) fn at(&self, now: Timestamp) -> Option<&Problem> {
        if self.end <= now {
            Some(&self.past)
        } else if self.end.duration_since(now) <= SOON {
            Some(&self.soon)
        } else {
            None
        }
    }
}

pub(super) fn dated(whole: &Whole<'_>) -> Vec<Dated> {
    let make = |date: Date, soon: &str, past: &str, help: &str| Dated {
        end: date.time,
        soon: whole.document.warning(Code::ExpiresSoon, date.at, format!("{soon} {}", date.time), help),
        past: whole.document.warning(Code::Expired, date.at, format!("{past} {}", date.time), help),
    };
    let map = whole.map.expires_at.map(|date| {
        let soon = "the map expires within a week, and then acts as a rollback: at";
        let past = "the map has expired and acts as a rollback since";
        (date.at, make(date, soon, past, "look at the map again, then set a later `expires_at`"))
    });
    let vouched = whole.map.rollback_override.as_ref().and_then(|vouched| vouched.until).map(|date| {
        let soon = "`rollback_override` ends within a week: at";
        let past = "`rollback_override` has ended and vouches for nothing since";
        (date.at, make(date, soon, past, "`cometgate routes vouch` sets a later day; when it has ended, what was raised on it goes home"))
    });
    let mut all: Vec<(usize, Dated)> = map.into_iter().chain(vouched).collect();
    all.sort_by_key(|(at, _)| *at);
    let keys = whole.tenants.tenants.iter().flat_map(|tenant| {
        tenant.keys.iter().filter_map(move |key| Some(dated_key(whole, tenant, key, key.expires_at?)))
    });
    all.into_iter().map(|(_, dated)| dated).chain(keys).collect()
}

fn dated_key(whole: &Whole<'_>, tenant: &TenantEntry, key: &KeyEntry, date: Date) -> Dated {
    let which = match &key.name {
        Some(name) => format!("key {} of tenant {}", quote(&name.text), quote(&tenant.name.text)),
        None => format!("key {}… of tenant {}", hash_beginning(&key.sha256), quote(&tenant.name.text)),
    };
    let make = |code, message: String, help| whole.tenants_document.warning(code, date.at, message, help);
    Dated {
        end: date.time,
        soon: make(
            Code::KeyExpiresSoon,
            format!("{which} expires within a week: at {}", date.time),
            "whoever still uses it needs another by then; `cometgate tenants rotate NAME` makes one",
        ),
        past: make(
            Code::KeyExpired,
            format!("{which} has expired and is refused since {}", date.time),
            "`cometgate tenants revoke NAME --key KEY` removes it",
        ),
    }
}
