//! Model names that callers sent and no alias lists: for whoever takes stock of what is in use. A few names, of a few letters,
//! and how often; never a label, and nothing that decides anything.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Names that are remembered.
const MOST_NAMES: usize = 64;

/// New ones in a minute: a caller that makes names up fills no table at once.
const MOST_NEW: u32 = 8;
const MINUTE: Duration = Duration::from_secs(60);

/// Bytes of the longest ID that CometAPI's own tool takes.
const LONGEST: usize = 150;

/// What keys begin with: somebody put one in the wrong field.
const KEYS: [&str; 4] = ["sk-", "sk_", "cgk-", "Bearer"];

/// The names, shared by all workers.
#[derive(Debug, Default)]
pub(crate) struct Unlisted(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    names: Vec<UnlistedModel>,
    /// When the current minute began, and how many new names it has brought.
    minute: Option<(Instant, u32)>,
    left_out: u64,
}

/// A model name that no alias lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnlistedModel {
    /// As callers sent it.
    pub name: String,
    /// Requests with it, since the process started; some that came at the same moment are not counted.
    pub requests: u64,
}

impl Unlisted {
    /// A request has named it. Where the table is being read or written this one is not counted: nobody waits.
    pub(crate) fn note(&self, name: &str, now: Instant) {
        let Ok(mut table) = self.0.try_lock() else { return };
        if let Some(known) = table.names.iter_mut().find(|known| known.name == name) {
            known.requests = known.requests.saturating_add(1);
        } else if !is_id(name) || !table.takes_new(now) {
            table.left_out = table.left_out.saturating_add(1);
        } else {
            table.names.push(UnlistedModel { name: name.to_owned(), requests: 1 });
        }
    }

    /// The names, and how many requests named others.
    pub(crate) fn all(&self) -> (Vec<UnlistedModel>, u64) {
        let table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (table.names.clone(), table.left_out)
    }
}

impl Table {
    fn takes_new(&mut self, now: Instant) -> bool {
        let (began, new) =
            self.minute.filter(|(began, _)| now.duration_since(*began) < MINUTE).unwrap_or((now, 0));
        let takes = new < MOST_NEW && self.names.len() < MOST_NAMES;
        self.minute = Some((began, new + u32::from(takes)));
        takes
    }
}

/// What CometAPI's own tool takes for a model ID: a letter or digit, then those and a few marks.
fn is_id(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/-".contains(&byte);
    name.len() <= LONGEST
        && name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
        && name.bytes().all(allowed)
        && !KEYS.iter().any(|start| name.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(unlisted: &Unlisted) -> Vec<(String, u64)> {
        unlisted.all().0.into_iter().map(|model| (model.name, model.requests)).collect()
    }

    #[test]
    fn only_what_can_be_an_id_is_remembered() {
        let (unlisted, now) = (Unlisted::default(), Instant::now());
        let longest = "m".repeat(LONGEST);
        let refused =
            ["", "-a", "a b", "sk-secret", "cgk-secret", "gpt\u{43e}", "a\n", &"m".repeat(LONGEST + 1)];
        for name in ["gpt-5.4", "a/b:c_d", &longest, "gpt-5.4"].into_iter().chain(refused) {
            unlisted.note(name, now);
        }
        assert_eq!(names(&unlisted), [("gpt-5.4".into(), 2), ("a/b:c_d".into(), 1), (longest, 1)]);
        assert_eq!(unlisted.all().1, refused.len() as u64);
    }

    #[test]
    fn few_new_names_come_in_a_minute_and_few_in_all() {
        let (unlisted, mut now) = (Unlisted::default(), Instant::now());
        for number in 0..20 {
            unlisted.note(&format!("m{number}"), now);
        }
        assert_eq!(names(&unlisted).len(), MOST_NEW as usize);
        for number in 0..1000 {
            now += Duration::from_secs(10);
            unlisted.note(&format!("n{number}"), now);
        }
        assert_eq!(names(&unlisted).len(), MOST_NAMES);
        unlisted.note("m0", now);
        assert_eq!(names(&unlisted)[0], ("m0".into(), 2));
    }
}
