//! JSON Schemas of the three files, for editors that complete and check TOML (taplo, Even Better TOML).
//!
//! They are made from the very constants that the loader uses and are kept in `config/`; tests hold both to
//! each other. A schema knows one file and no names: what spans entries or files is the loader's to say.

mod attempts;
mod gates;
mod map;
mod route;
mod settings;
mod tenants;
#[cfg(test)]
mod tests;
mod values;

use serde_json::{Value, json};

/// One of the files that operators edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaFile {
    /// `routes.toml`
    Routes,
    /// `tenants.toml`
    Tenants,
    /// `cometgate.toml`
    Settings,
}

impl SchemaFile {
    /// All of them.
    pub const ALL: [SchemaFile; 3] = [SchemaFile::Routes, SchemaFile::Tenants, SchemaFile::Settings];

    /// The name of its schema, as the first line of the file points to it.
    #[must_use]
    pub fn file_name(self) -> &'static str {
        match self {
            SchemaFile::Routes => "routes.schema.json",
            SchemaFile::Tenants => "tenants.schema.json",
            SchemaFile::Settings => "cometgate.schema.json",
        }
    }
}

/// The schema of a file: draft 7, which every editor knows.
#[must_use]
pub fn schema(file: SchemaFile) -> Value {
    let (title, mut schema) = match file {
        SchemaFile::Routes => ("Cometgate: the route map", map::map()),
        SchemaFile::Tenants => ("Cometgate: the tenants", tenants::tenants()),
        SchemaFile::Settings => ("Cometgate: the settings of the process", settings::settings()),
    };
    if let Some(fields) = schema.as_object_mut() {
        fields.insert("$schema".to_owned(), json!("http://json-schema.org/draft-07/schema#"));
        fields.insert("title".to_owned(), json!(title));
    }
    schema
}
