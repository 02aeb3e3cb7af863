//! `cometgate init`: a commented starter configuration for two real providers.

use std::net::SocketAddr;

use anyhow::{Context as _, anyhow};
use config::{ModelIds, Starter, StarterOptions, starter};

use crate::cli::Init;
use crate::exit::Failure;
use crate::gateway_key::GatewayKey;
use crate::{files, terminal};

/// As the settings name it.
const CHECKS_KEY: &str = "checks.key";

pub(crate) fn run(options: &Init) -> Result<(), Failure> {
    let today = jiff::Zoned::now().date();
    // With the caller's own key going on to the primary, a key of ours would be of no use.
    let key = match &options.primary_key_env {
        Some(_) => Some(GatewayKey::generate().map_err(Failure::internal)?),
        None => None,
    };
    let mut wanted = StarterOptions::new(options.primary.clone(), options.canary.clone(), today);
    wanted.primary_key_env.clone_from(&options.primary_key_env);
    wanted.canary_key_env.clone_from(&options.canary_key_env);
    wanted.share.clone_from(&options.share);
    wanted.fallback = options.fallback;
    wanted.models = options.models.iter().map(|text| model(text)).collect::<Result<_, _>>()?;
    wanted.listen.clone_from(&options.listen);
    wanted.key_sha256 = key.as_ref().map(GatewayKey::sha256);
    let written = starter(&wanted).map_err(Failure::invalid)?;

    let directory = &options.directory;
    std::fs::create_dir_all(directory)
        .with_context(|| format!("{} cannot be made", directory.display()))
        .map_err(Failure::invalid)?;
    let checks = GatewayKey::generate().map_err(Failure::internal)?;
    let checks = format!("{}\n", checks.text());
    let all = [
        (CHECKS_KEY, &checks),
        ("cometgate.toml", &written.settings),
        ("routes.toml", &written.routes),
        ("tenants.toml", &written.tenants),
    ];
    if let Some((name, _)) = all.iter().find(|(name, _)| directory.join(name).exists()) {
        let error = anyhow!("{} exists; nothing was written", directory.join(name).display());
        return Err(Failure::invalid(
            error.context("init overwrites nothing: name a directory without a configuration"),
        ));
    }
    for (name, text) in all {
        let path = directory.join(name);
        let create = if name == CHECKS_KEY { files::create_secret } else { files::create };
        create(&path, text)
            .with_context(|| format!("{} cannot be written", path.display()))
            .map_err(Failure::invalid)?;
    }
    explain(options, key.as_ref(), &written).map_err(|error| {
        let directory = directory.display();
        Failure::internal(anyhow!(error).context(format!(
            "the key could not be shown; remove the files of {directory} and run it again for another one"
        )))
    })
}

/// `ALIAS` or `ALIAS=PRIMARY_ID,CANARY_ID`.
fn model(text: &str) -> Result<(String, Option<ModelIds>), Failure> {
    let Some((alias, ids)) = text.split_once('=') else { return Ok((text.to_owned(), None)) };
    let (primary, canary) = ids.split_once(',').ok_or_else(|| {
        Failure::invalid(anyhow!(
            "--model {text}: after `=` come both IDs, as in gpt-5.4=gpt-5.4-2026-03-17,gpt-5.4"
        ))
    })?;
    Ok((alias.to_owned(), Some(ModelIds { primary: primary.to_owned(), canary: canary.to_owned() })))
}

/// An address to connect to: one that stands for all of the machine's is no such thing.
fn reachable(listen: &str) -> String {
    match listen.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_unspecified() => format!("127.0.0.1:{}", address.port()),
        _ => listen.to_owned(),
    }
}

/// The two lines for a shell go to standard output alone, so that they can be evaluated.
fn explain(options: &Init, key: Option<&GatewayKey>, written: &Starter) -> std::io::Result<()> {
    let directory = options.directory.display();
    terminal::say(&format!(
        "Wrote {directory}/cometgate.toml, {directory}/routes.toml and {directory}/tenants.toml, and {directory}/checks.key, \
         the key of the gateway's own checks."
    ));
    terminal::say("\nPoint an application at the gateway:\n");
    terminal::result(&format!("export OPENAI_BASE_URL=http://{}/v1", reachable(&options.listen)));
    match key {
        Some(key) => {
            terminal::try_result(&format!("export OPENAI_API_KEY={}", key.text()))?;
            terminal::say("\nThis key is shown this once; tenants.toml holds its SHA-256 only.");
        }
        None => {
            terminal::result("export OPENAI_API_KEY=\"$OPENAI_API_KEY\"");
            terminal::say(
                "\nThe application keeps its own key, which goes on to the primary and nowhere else.",
            );
        }
    }
    let variables: Vec<String> = options
        .primary_key_env
        .iter()
        .chain([&options.canary_key_env])
        .map(|name| format!("{name}=..."))
        .collect();
    let (model, route) =
        written.first_route.as_ref().map_or(("MODEL", "ROUTE"), |(model, route)| (model, route));
    terminal::say(&format!(
        "\nThen start it:\n\n  {} cometgate serve --config {directory}/cometgate.toml --log-requests\n\n\
         and while it runs see where a request would go, and shift the canary:\n\n  \
         cometgate routes explain {directory}/routes.toml --tenant default --model {model}\n  \
         cometgate routes shift {route} 20% --config {directory}/cometgate.toml",
        variables.join(" ")
    ));
    Ok(())
}
