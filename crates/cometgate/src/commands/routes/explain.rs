//! `cometgate routes explain`: where a request would go, and why. No traffic is sent.

use anyhow::anyhow;
use config::Loaded;
use decisions::{Caller, Endpoint, Facts, ProviderSet, explain, no_gates};

use crate::cli::{Explain, Format};
use crate::commands::routes::explain_request::AskedRequest;
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
    let endpoint = endpoint(options)?;
    let asked = AskedRequest::read(options, endpoint)?;
    if asked.refers {
        notes.push(
            "the body refers to something that may live at one provider; a running gateway sends it to that one alone"
                .to_owned(),
        );
    }
    let question = Question {
        loaded: &loaded,
        facts: facts(options, &loaded, &asked, endpoint)?,
        has_keys: asked.has_keys(),
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
    let explanation = explain(&loaded.plan, &question.facts, no_gates);
    match options.format {
        Format::Json => terminal::result(&to_json(&question, &explanation).to_string()),
        Format::Text => terminal::result(&to_text(&question, &explanation)),
    }
    Ok(())
}

fn endpoint(options: &Explain) -> Result<Endpoint, Failure> {
    let endpoint = Endpoint::ALL.into_iter().find(|endpoint| endpoint.as_str() == options.endpoint);
    endpoint.ok_or_else(|| {
        let known = Endpoint::ALL.map(Endpoint::as_str).join(", ");
        Failure::usage(anyhow!("--endpoint {}: it is one of {known}", options.endpoint))
    })
}

fn facts<'r>(
    options: &Explain,
    loaded: &Loaded,
    asked: &'r AskedRequest,
    endpoint: Endpoint,
) -> Result<Facts<'r>, Failure> {
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
    let caller = if options.unlisted_key {
        Caller::Unlisted { accepted_by: ProviderSet::EMPTY }
    } else {
        Caller::Known
    };
    Ok(Facts {
        tenant,
        caller,
        endpoint,
        model: &asked.model,
        keys: asked.keys(),
        stateful: asked.stateful,
        features: asked.features,
        draw: 0,
    })
}
