//! `cometgate demo`: the whole thing in one process, without keys or network.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use testkit::{Provider, RecordedRequest, Reply};

use crate::cli::Demo;
use crate::commands::demo_files::{CHAT_ALIAS, DemoFiles};
use crate::commands::serve::read_settings;
use crate::exit::Failure;
use crate::gateway_key::GatewayKey;
use crate::request_lines::{LineFormat, RequestLines};
use crate::running::{Running, block_on};
use crate::{files, terminal};

/// A pause between the words of the demo's streams, so that a person sees them arrive.
const PACE: Duration = Duration::from_millis(40);

const PRIMARY_KEY: &str = "sk-demo-primary";
const CANARY_KEY: &str = "sk-demo-cometapi";

pub(crate) fn run(options: &Demo) -> Result<(), Failure> {
    terminal::start_logging();
    config::parse_share(&options.share)
        .with_context(|| format!("--share {}", options.share))
        .map_err(Failure::invalid)?;
    let directory =
        tempfile::Builder::new().prefix("cometgate-demo-").tempdir().map_err(Failure::internal)?;
    block_on(serve(options, directory.path()))
}

async fn serve(options: &Demo, directory: &Path) -> Result<(), Failure> {
    let primary = provider("primary", PRIMARY_KEY).await?;
    let canary = provider("cometapi", CANARY_KEY).await?;
    let listener = TcpListener::bind(options.listen)
        .or_else(|_| TcpListener::bind((options.listen.ip(), 0)))
        .with_context(|| format!("{} cannot be listened on", options.listen))
        .map_err(Failure::invalid)?;
    let address = listener.local_addr().map_err(Failure::internal)?;
    let key = GatewayKey::generate().map_err(Failure::internal)?;
    let checks = GatewayKey::generate().map_err(Failure::internal)?;
    write(directory, &address.to_string(), &options.share, [&primary, &canary], [&key, &checks])
        .context("the demo's files cannot be written")
        .map_err(Failure::internal)?;

    let settings_path = directory.join("cometgate.toml");
    let settings = read_settings(&settings_path)?;
    let lines = RequestLines::start(LineFormat::Text).map_err(Failure::internal)?;
    let running = Running::start(&settings, &settings_path, listener, Some(&lines))?;
    explain(&running.address().to_string(), key.text(), &directory.join("routes.toml"), &options.share);
    running.until_told().await
}

/// What both list as theirs: what the map of the demo names.
const MODELS: [&str; 3] = ["comet-model-1", "primary-model-1", "primary-embedding-1"];

async fn provider(name: &str, key: &str) -> Result<Provider, Failure> {
    let started = Provider::builder(name)
        .require_key(key)
        .record(false)
        .pace(PACE)
        .models(MODELS)
        .on_call("POST", "/v1/chat/completions", chat)
        .try_start()
        .await;
    started.context("a scripted provider cannot start").map_err(Failure::internal)
}

/// As CometAPI does: a chat without messages is a 500 whose body says that the request is at fault.
fn chat(request: &RecordedRequest) -> Reply {
    let is_whole = request.json().is_some_and(|body| body.get("messages").is_some());
    if is_whole {
        return Reply::standard();
    }
    Reply::error(500, "comet_api_error", Some("invalid_request"), "messages is required")
}

fn write(
    directory: &Path,
    listen: &str,
    share: &str,
    [primary, canary]: [&Provider; 2],
    [key, checks]: [&GatewayKey; 2],
) -> std::io::Result<()> {
    let (primary_file, canary_file) = (directory.join("primary.key"), directory.join("cometapi.key"));
    files::create(&primary_file, PRIMARY_KEY)?;
    files::create(&canary_file, CANARY_KEY)?;
    files::create_secret(&directory.join("checks.key"), checks.text())?;
    let texts = DemoFiles {
        listen,
        primary_url: &primary.base_url(),
        canary_url: &canary.base_url(),
        primary_key_file: &primary_file.display().to_string(),
        canary_key_file: &canary_file.display().to_string(),
        share,
        key_sha256: key.sha256(),
    };
    files::create(&directory.join("cometgate.toml"), &texts.settings())?;
    files::create(&directory.join("routes.toml"), &texts.routes())?;
    files::create(&directory.join("tenants.toml"), &texts.tenants())
}

fn explain(address: &str, key: &str, routes: &Path, share: &str) {
    terminal::result(&format!(
        r#"
Cometgate demo: a gateway, a scripted primary and a scripted CometAPI. No keys, no network. Ctrl-C ends it.

In another terminal:

  export OPENAI_BASE_URL=http://{address}/v1
  export OPENAI_API_KEY={key}

  for i in $(seq 20); do curl -sS $OPENAI_BASE_URL/chat/completions -H "Authorization: Bearer $OPENAI_API_KEY" \
    -H 'Content-Type: application/json' -d '{{"model":"{CHAT_ALIAS}","messages":[{{"role":"user","content":"hello"}}]}}'; echo; done

With Python (pip install openai), streaming:

  from openai import OpenAI
  for chunk in OpenAI().chat.completions.create(model="{CHAT_ALIAS}", stream=True,
                                                messages=[{{"role": "user", "content": "hello"}}]):
      print(chunk.choices[0].delta.content or "" if chunk.choices else "", end="", flush=True)

{share} of the requests go to the canary. Move it, and the requests below follow at once:

  {program} routes shift acme-chat 60% --config {config}
  {program} routes explain {routes} --tenant acme --model {CHAT_ALIAS}

Look at the canary by the way that applications take, which nobody else notices:

  {program} smoke acme-chat --by you --docs-reviewed --config {config}

Or edit {routes} by hand: give it another `share` and the next version.
"#,
        program = program(),
        config = routes.with_file_name("cometgate.toml").display(),
        routes = routes.display()
    ));
}

/// This program, as it can be typed in another terminal.
fn program() -> String {
    std::env::current_exe().map_or_else(|_| "cometgate".to_owned(), |path| path.display().to_string())
}
