//! What the store of evidence says of earlier checks of a provider.

use std::collections::BTreeMap;
use std::path::Path;

use evidence::{Body, CatalogCheck, Error, Filter, Kind, Reader};

/// Records of one provider that are looked at, from the newest on: about a month of hourly checks.
const LOOKED_AT: usize = 800;

/// Who records what the running gateway checks.
pub(crate) const GATEWAY: &str = "gateway";

/// Of one provider, each the newest of its kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Remembered {
    /// That had an answer about the models.
    pub(crate) last: Option<CatalogCheck>,
    /// That had an answer about the key: a list, an empty one, or a refusal.
    pub(crate) last_of_key: Option<CatalogCheck>,
    /// That had IDs.
    pub(crate) last_listed: Option<CatalogCheck>,
    /// That the running gateway made.
    pub(crate) by_gateway: Option<CatalogCheck>,
}

/// Reads it for each of these providers, in one walk through the store; nothing where there is none yet.
pub(crate) fn read(state_dir: &Path, providers: &[&str]) -> Result<BTreeMap<String, Remembered>, Error> {
    let mut found: BTreeMap<&str, (Remembered, usize)> =
        providers.iter().map(|name| (*name, (Remembered::default(), LOOKED_AT))).collect();
    let walked = Reader::open(&state_dir.join("evidence")).and_then(|reader| {
        let filter = Filter { kind: Some(Kind::CatalogCheck), ..Filter::default() };
        reader.newest(&filter, |record| {
            if let Ok(Body::CatalogCheck(said)) = record.body()
                && let Some((remembered, left)) = found.get_mut(said.provider.as_str())
                && *left > 0
            {
                remembered.note(&said);
                *left = if remembered.is_complete() { 0 } else { *left - 1 };
            }
            found.values().any(|(_, left)| *left > 0)
        })
    });
    match walked {
        Ok(()) | Err(Error::Absent { .. }) => {}
        Err(error) => return Err(error),
    }
    Ok(found.into_iter().map(|(name, (remembered, _))| (name.to_owned(), remembered)).collect())
}

impl Remembered {
    /// An older record says nothing more.
    fn is_complete(&self) -> bool {
        [&self.last, &self.last_of_key, &self.last_listed, &self.by_gateway].into_iter().all(Option::is_some)
    }

    /// Newest first.
    fn note(&mut self, said: &CatalogCheck) {
        self.put(said, |place| place.is_none());
    }

    /// A check that was made since.
    pub(super) fn add(&mut self, said: &CatalogCheck) {
        self.put(said, |_| true);
    }

    fn put(&mut self, said: &CatalogCheck, may: impl Fn(&Option<CatalogCheck>) -> bool) {
        let outcome = said.request_outcome.as_str();
        let places = [
            (&mut self.last, said.models.iter().any(|model| model.present.is_some())),
            (&mut self.last_of_key, matches!(outcome, "ok" | "empty" | "auth")),
            (&mut self.last_listed, outcome == "ok"),
            (&mut self.by_gateway, said.command_owner.as_str() == GATEWAY),
        ];
        for (place, _) in places.into_iter().filter(|(place, is_meant)| *is_meant && may(place)) {
            *place = Some(said.clone());
        }
    }

    /// Whether an ID that is missing now was looked for in the last check that had a list: then it was missing before too,
    /// or it has disappeared.
    pub(super) fn knows(&self, model_id: &str) -> bool {
        let models = self.last.iter().flat_map(|last| &last.models);
        models.into_iter().any(|model| model.model_id.as_str() == model_id && model.present.is_some())
    }
}

#[cfg(test)]
mod tests {
    use evidence::{Entry, Moment, Store};

    use super::*;

    fn check(provider: &str, number: u64) -> Entry {
        let check = CatalogCheck {
            provider: provider.into(),
            request_outcome: "ok".into(),
            identifier_count: Some(number),
            ..CatalogCheck::default()
        };
        let (route, route_version, map_sha256) = (None, None, None);
        Entry { at: Moment::from_ms(0), route, route_version, map_sha256, by: "t".into(), body: check.into() }
    }

    #[test]
    fn what_one_provider_was_asked_often_hides_nothing_of_another() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("evidence")).unwrap();
        let rare = (0..2).map(|number| check("rare", number));
        let often = (0..LOOKED_AT as u64 + 1).map(|number| check("often", number));
        store.append_all(&rare.chain(often).collect::<Vec<_>>()).unwrap();
        let read = read(directory.path(), &["often", "rare", "never"]).unwrap();
        let listed = |provider: &str| read[provider].last_listed.as_ref()?.identifier_count;
        assert_eq!(
            (listed("rare"), listed("often"), listed("never")),
            (Some(1), Some(LOOKED_AT as u64), None)
        );
    }

    #[test]
    fn where_there_is_no_store_nothing_is_remembered() {
        let directory = tempfile::tempdir().unwrap();
        assert!(read(directory.path(), &["one"]).unwrap()["one"].last.is_none());
    }
}
