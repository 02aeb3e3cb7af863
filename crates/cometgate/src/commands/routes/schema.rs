//! `cometgate routes schema`: the JSON Schema of a configuration file.

use config::{SchemaFile, schema};

use crate::cli::Schema;
use crate::exit::Failure;
use crate::terminal;

pub(super) fn run(options: &Schema) -> Result<(), Failure> {
    let file = match options.file.as_str() {
        "routes" => SchemaFile::Routes,
        "tenants" => SchemaFile::Tenants,
        "cometgate" => SchemaFile::Settings,
        other => {
            let error = anyhow::anyhow!("there is no file {other:?}: name routes, tenants or cometgate");
            return Err(Failure::usage(error));
        }
    };
    let text = serde_json::to_string_pretty(&schema(file)).map_err(Failure::internal)?;
    terminal::result(&text);
    Ok(())
}
