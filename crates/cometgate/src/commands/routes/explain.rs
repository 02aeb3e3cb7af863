//! `cometgate routes explain`: where a request would go, and why. No traffic is sent.

use anyhow::anyhow;
use config::Loaded;
use decisions::{Caller, Endpoint, Facts, ProviderSet, StickyKeys, explain};

use crate::cli::{Explain, Format};
use crate::commands::routes::explain_state;
use crate::commands::routes::explain_text::{Question, to_json, to_text};
use crate::commands::routes::given::Given;
use crate::exit::Failure;
use crate::terminal;

pub(super) fn run(options: &Explain) -> Result<(), Failure> {
    let given = Given::file(&options.file, options.given.path.as_deref())?;
    let mut loaded = given.load()?;
    let mut notes = Vec::new();
    // What a gateway would hold is held here too; a map that it would refuse is explained as it stands.
    match given.judge_texts(given.texts.clone()) {
        Ok(standing) => {
            notes.extend(standing.notes.iter().filter(|note| note.is_warning).map(|note| note.text.clone()));
            loaded = standing.loaded;
        }
        Err(refused) => notes.push(format!("a running gateway would refuse this map: {refused}")),
    }
    let keys = Keys::read(&options.keys)?;
    let question = Question {
        loaded: &loaded,
        facts: facts(options, &loaded, &keys)?,
        has_keys: !options.keys.is_empty(),
        notes: &notes,
        is_whole: options.all,
    };
    if let Some(id) = &options.state {
        let state_dir = given.state_dir.as_deref().ok_or_else(|| {
            Failure::usage(anyhow!(
                "--state: `--config` names the settings, which say where the state directory is"
            ))
        })?;
        return explain_state::run(&question, id, state_dir, options.format);
    }
    let explanation = explain(&loaded.plan, &question.facts);
    match options.format {
        Format::Json => terminal::result(&to_json(&question, &explanation).to_string()),
        Format::Text => terminal::result(&to_text(&question, &explanation)),
    }
    Ok(())
}

fn facts<'r>(options: &'r Explain, loaded: &Loaded, keys: &'r Keys) -> Result<Facts<'r>, Failure> {
    let plan = &loaded.plan;
    let tenant = plan.tenant_named(&options.tenant).ok_or_else(|| {
        let known: Vec<&str> =
            plan.parts().tenants.iter().take(9).map(|tenant| tenant.name.as_str()).collect();
        Failure::invalid(anyhow!(
            "there is no tenant {:?}\n  help: there is: {}",
            options.tenant,
            known.join(", ")
        ))
    })?;
    let endpoint = Endpoint::ALL.into_iter().find(|endpoint| endpoint.as_str() == options.endpoint);
    let endpoint = endpoint.ok_or_else(|| {
        let known = Endpoint::ALL.map(Endpoint::as_str).join(", ");
        Failure::usage(anyhow!("--endpoint {}: it is one of {known}", options.endpoint))
    })?;
    let caller = if options.unlisted_key {
        Caller::Unlisted { accepted_by: ProviderSet::EMPTY }
    } else {
        Caller::Known
    };
    let keys = keys.as_sticky();
    Ok(Facts { tenant, caller, endpoint, model: &options.model, keys, stateful: options.stateful, draw: 0 })
}

/// The sticky fields as they were given.
#[derive(Default)]
struct Keys {
    safety_identifier: Option<String>,
    user: Option<String>,
    prompt_cache_key: Option<String>,
}

impl Keys {
    fn read(given: &[String]) -> Result<Keys, Failure> {
        let mut keys = Keys::default();
        for text in given {
            let (field, value) =
                text.split_once('=').map_or((None, text.as_str()), |(field, value)| match field {
                    "safety_identifier" | "user" | "prompt_cache_key" => (Some(field), value),
                    _ => (None, text.as_str()),
                });
            if value.is_empty() {
                return Err(Failure::usage(anyhow!("--key: an empty value counts as none; leave it out")));
            }
            for (name, slot) in [
                ("safety_identifier", &mut keys.safety_identifier),
                ("user", &mut keys.user),
                ("prompt_cache_key", &mut keys.prompt_cache_key),
            ] {
                if field.is_none_or(|field| field == name) {
                    *slot = Some(value.to_owned());
                }
            }
        }
        Ok(keys)
    }

    fn as_sticky(&self) -> StickyKeys<'_> {
        StickyKeys {
            safety_identifier: self.safety_identifier.as_deref(),
            user: self.user.as_deref(),
            prompt_cache_key: self.prompt_cache_key.as_deref(),
        }
    }
}
