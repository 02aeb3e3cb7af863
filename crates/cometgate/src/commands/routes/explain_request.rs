//! The request that `routes explain` is asked about: from flags, or from a body as the gateway reads it.

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use decisions::plan::{Feature, FeatureSet};
use decisions::{Endpoint, StickyKeys};
use proxy::request::peek::peek_with_features;

use crate::cli::Explain;
use crate::exit::Failure;

/// More than a gateway would take.
const LONGEST_BODY: u64 = 1 << 30;

/// What is known of it.
#[derive(Default)]
pub(super) struct AskedRequest {
    pub(super) model: String,
    pub(super) stateful: bool,
    pub(super) features: FeatureSet,
    /// It refers to what may live at one provider.
    pub(super) refers: bool,
    safety_identifier: Option<String>,
    user: Option<String>,
    prompt_cache_key: Option<String>,
}

impl AskedRequest {
    pub(super) fn read(options: &Explain, endpoint: Endpoint) -> Result<AskedRequest, Failure> {
        if let Some(path) = &options.body {
            return AskedRequest::of_body(path, endpoint);
        }
        let mut asked = AskedRequest {
            model: options.model.clone().unwrap_or_default(),
            stateful: options.stateful,
            features: features(&options.features)?,
            ..AskedRequest::default()
        };
        for key in &options.keys {
            asked.add_key(key)?;
        }
        Ok(asked)
    }

    fn of_body(path: &Path, endpoint: Endpoint) -> Result<AskedRequest, Failure> {
        let mut body = Vec::new();
        let read = if path == Path::new("-") {
            std::io::stdin().lock().take(LONGEST_BODY).read_to_end(&mut body).map(drop)
        } else {
            std::fs::File::open(path)
                .and_then(|file| file.take(LONGEST_BODY).read_to_end(&mut body))
                .map(drop)
        };
        read.with_context(|| format!("cannot read {}", path.display())).map_err(Failure::invalid)?;
        let peeked = peek_with_features(&body, endpoint)
            .map_err(|error| Failure::invalid(anyhow!("--body {}: {error}", path.display())))?;
        let keys = peeked.sticky_keys();
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Ok(AskedRequest {
            model: peeked.model.clone().into_owned(),
            stateful: peeked.stateful,
            features: peeked.features,
            refers: peeked.refers(),
            safety_identifier: owned(keys.safety_identifier),
            user: owned(keys.user),
            prompt_cache_key: owned(keys.prompt_cache_key),
        })
    }

    fn add_key(&mut self, text: &str) -> Result<(), Failure> {
        let (field, value) = text.split_once('=').map_or((None, text), |(field, value)| match field {
            "safety_identifier" | "user" | "prompt_cache_key" => (Some(field), value),
            _ => (None, text),
        });
        if value.is_empty() {
            return Err(Failure::usage(anyhow!("--key: an empty value counts as none; leave it out")));
        }
        for (name, slot) in [
            ("safety_identifier", &mut self.safety_identifier),
            ("user", &mut self.user),
            ("prompt_cache_key", &mut self.prompt_cache_key),
        ] {
            if field.is_none_or(|field| field == name) {
                *slot = Some(value.to_owned());
            }
        }
        Ok(())
    }

    pub(super) fn has_keys(&self) -> bool {
        self.safety_identifier.is_some() || self.user.is_some() || self.prompt_cache_key.is_some()
    }

    pub(super) fn keys(&self) -> StickyKeys<'_> {
        StickyKeys {
            safety_identifier: self.safety_identifier.as_deref(),
            user: self.user.as_deref(),
            prompt_cache_key: self.prompt_cache_key.as_deref(),
        }
    }
}

fn features(words: &[String]) -> Result<FeatureSet, Failure> {
    let named = |word: &String| {
        let found = Feature::ALL.into_iter().find(|feature| feature.as_str() == word);
        found.ok_or_else(|| {
            let known = Feature::ALL.map(Feature::as_str).join(", ");
            Failure::usage(anyhow!("--features {word}: it is one of {known}"))
        })
    };
    words.iter().try_fold(FeatureSet::EMPTY, |set, word| Ok(set.with(named(word)?)))
}
