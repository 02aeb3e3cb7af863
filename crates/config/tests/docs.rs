//! Every TOML example of the documentation loads: whole files as they are, parts of files within a small
//! whole one.
//!
//! A reader copies examples at night; one that was true a year ago costs an hour. So there is no way to mark
//! an example as not to be loaded: one that cannot load is not TOML of ours and needs another fence.

#![expect(clippy::unwrap_used, reason = "helpers of tests are not seen as tests")]

use std::path::{Path, PathBuf};

use config::{Source, load_map, load_settings};

/// What the parts of maps may take for granted. What a part names anew comes in place of what is here.
const MAP: &str = r#"
route_version = "1"
primary_provider = "openai"

[providers.openai]
base_url = "https://api.openai.com/v1"
credential = { env = "OPENAI_API_KEY" }

[providers.cometapi]
base_url = "https://api.cometapi.com/v1"
credential = { env = "COMETAPI_KEY" }

[aliases.support-summary-v3]
family = "summaries"
provider_model_id = { openai = "gpt-5.4", cometapi = "gpt-5.4" }

[aliases.ticket-embeddings]
provider_model_id = { openai = "text-embedding-3-small", cometapi = "text-embedding-3-small" }

[cohorts.pilot]
tenants = ["globex"]
"#;

/// The same for tenants.
const TENANTS: &str = r#"
version = "1"
[tenants.acme]
key_sha256 = []
[tenants.globex]
key_sha256 = []
[tenants.initech]
key_sha256 = []
"#;

/// An example and where it stands.
struct Block {
    place: String,
    text: String,
}

/// What an example is.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Map,
    PartOfMap,
    Tenants,
    PartOfTenants,
    Settings,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn markdown_files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            markdown_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

fn blocks_of(path: &Path) -> Vec<Block> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut blocks = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let Some(info) = line.trim_start().strip_prefix("```") else { continue };
        let place = format!("{}:{}", path.display(), at + 1);
        let inner: Vec<&str> =
            lines.by_ref().map(|(_, line)| line).take_while(|line| line.trim_start() != "```").collect();
        let info = info.trim();
        assert!(info == "toml" || !info.starts_with("toml"), "{place}: `{info}`: every example is loaded");
        if info == "toml" {
            blocks.push(Block { place, text: format!("{}\n", inner.join("\n")) });
        }
    }
    blocks
}

fn blocks() -> Vec<Block> {
    let mut files = vec![root().join("README.md")];
    for directory in ["docs", "deploy"] {
        markdown_files(&root().join(directory), &mut files);
    }
    files.iter().flat_map(|path| blocks_of(path)).collect()
}

fn kind_of(table: &toml::Table) -> Option<Kind> {
    let has = |fields: &[&str]| fields.iter().any(|field| table.contains_key(*field));
    let is_text = |field: &str| table.get(field).is_some_and(toml::Value::is_str);
    if has(&["route_version"]) && has(&["primary_provider"]) {
        Some(Kind::Map)
    } else if has(&["version"]) {
        Some(Kind::Tenants)
    } else if has(&[
        "listen",
        "workers",
        "limits",
        "state_dir",
        "watch",
        "tls",
        "admin",
        "cors",
        "catalog",
        "telemetry",
        "checks",
    ]) || is_text("routes")
        || is_text("tenants")
    {
        Some(Kind::Settings)
    } else if has(&["tenants"]) {
        Some(Kind::PartOfTenants)
    } else if table.is_empty() {
        None
    } else {
        Some(Kind::PartOfMap)
    }
}

/// The whole with the part in it: entries replace entries of their name, routes are added.
fn splice(whole: &str, part: toml::Table) -> toml::Table {
    let mut whole: toml::Table = whole.parse().unwrap();
    for (field, value) in part {
        match (whole.get_mut(&field), value) {
            (Some(toml::Value::Table(old)), toml::Value::Table(new)) => old.extend(new),
            (_, value) => {
                whole.insert(field, value);
            }
        }
    }
    whole
}

/// A table as a whole file.
fn to_text(table: &toml::Table, version: &str) -> String {
    format!("{}\n# end {}\n", toml::to_string(table).unwrap(), table[version].as_str().unwrap())
}

fn load(block: &Block) -> Result<Kind, String> {
    let table: toml::Table = block.text.parse().map_err(|error| format!("{error}"))?;
    let kind = kind_of(&table).ok_or("an example without content")?;
    let map = |text: &str| -> Result<(), String> {
        let tenants = to_text(&TENANTS.parse().unwrap(), "version");
        let routes = Source { path: Path::new("routes.toml"), text };
        let tenants = Source { path: Path::new("tenants.toml"), text: &tenants };
        load_map(routes, tenants).map(drop).map_err(|problems| problems.to_string())
    };
    let tenants = |text: &str| -> Result<(), String> {
        let routes =
            to_text(&MAP.replace("tenants = [\"globex\"]", "tenants = []").parse().unwrap(), "route_version");
        let routes = Source { path: Path::new("routes.toml"), text: &routes };
        let tenants = Source { path: Path::new("tenants.toml"), text };
        load_map(routes, tenants).map(drop).map_err(|problems| problems.to_string())
    };
    match kind {
        Kind::Map => map(&block.text),
        Kind::PartOfMap => map(&to_text(&splice(MAP, table), "route_version")),
        Kind::Tenants => tenants(&block.text),
        Kind::PartOfTenants => tenants(&to_text(&splice(TENANTS, table), "version")),
        Kind::Settings => load_settings(Source { path: Path::new("cometgate.toml"), text: &block.text })
            .map(drop)
            .map_err(|problems| problems.to_string()),
    }?;
    Ok(kind)
}

#[test]
fn every_toml_example_of_the_documentation_loads() {
    let blocks = blocks();
    assert!(blocks.len() >= 5, "only {} examples were found", blocks.len());
    let wrong: Vec<String> = blocks
        .iter()
        .filter_map(|block| load(block).err().map(|error| format!("{}:\n{error}", block.place)))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n\n"));
}

/// The test itself: that it tells the kinds apart and sees what is wrong.
#[test]
fn an_example_is_loaded_as_what_it_is() {
    let block = |text: &str| Block { place: "here".to_owned(), text: text.to_owned() };
    let whole = to_text(&MAP.replace("[\"globex\"]", "[]").parse().unwrap(), "route_version");
    let cases = [
        (whole.as_str(), Kind::Map),
        ("[cohorts.new]\ntenants = [\"acme\"]\n", Kind::PartOfMap),
        ("owner = \"ann\"\n", Kind::PartOfMap),
        ("version = \"1\"\n# end 1\n", Kind::Tenants),
        ("[tenants.new]\nkey_sha256 = []\n", Kind::PartOfTenants),
        ("tenants = \"t.toml\"\n", Kind::Settings),
    ];
    for (text, kind) in cases {
        assert_eq!(load(&block(text)), Ok(kind), "{text}");
    }
    for wrong in [
        "",
        "owner = ann\n",
        "ownr = \"ann\"\n",
        "[cohorts.new]\ntenants = [\"ann\"]\n",
        "version = \"1\"\n",
        "[tenants.new]\n",
        "workers = -1\n",
    ] {
        assert!(load(&block(wrong)).is_err(), "{wrong}");
    }
}
