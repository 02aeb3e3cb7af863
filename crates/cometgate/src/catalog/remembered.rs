//! What the store of evidence says of earlier checks of a provider.

use std::path::Path;

use evidence::{Body, CatalogCheck, Error, Filter, Kind, Reader};

/// Records that are looked at, from the newest on: about a month of hourly checks of one provider.
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

/// Reads it; nothing where there is no store yet.
pub(crate) fn read(state_dir: &Path, provider: &str) -> Result<Remembered, Error> {
    let mut remembered = Remembered::default();
    let reader = match Reader::open(&state_dir.join("evidence")) {
        Ok(reader) => reader,
        Err(Error::Absent { .. }) => return Ok(remembered),
        Err(error) => return Err(error),
    };
    let filter = Filter { kind: Some(Kind::CatalogCheck), limit: Some(LOOKED_AT), ..Filter::default() };
    for record in reader.list(&filter)? {
        if let Ok(Body::CatalogCheck(said)) = record.body()
            && said.provider.as_str() == provider
        {
            remembered.note(&said);
        }
    }
    Ok(remembered)
}

impl Remembered {
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
