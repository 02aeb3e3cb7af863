//! `cometgate serve`: the gateway.

use std::net::TcpListener;
use std::path::Path;

use anyhow::Context as _;
use config::{Settings, Source, load_settings};

use crate::cli::Serve;
use crate::exit::Failure;
use crate::request_lines::RequestLines;
use crate::running::{Running, block_on};
use crate::{files, terminal};

pub(crate) fn run(options: &Serve) -> Result<(), Failure> {
    terminal::start_logging();
    let settings = read_settings(&options.config.path)?;
    let lines = options.log_requests.map(RequestLines::start).transpose().map_err(Failure::internal)?;
    block_on(async {
        let listener = TcpListener::bind(settings.listen)
            .with_context(|| {
                format!(
                    "{} cannot be listened on (`listen` in {})",
                    settings.listen,
                    options.config.path.display()
                )
            })
            .map_err(Failure::invalid)?;
        Running::start(&settings, &options.config.path, listener, lines.as_ref())?.until_told().await
    })
}

/// Reads the settings file that every command names.
pub(crate) fn read_settings(path: &Path) -> Result<Settings, Failure> {
    let text = files::read(path)
        .with_context(|| {
            format!("{} cannot be read; `cometgate init DIR …` writes a first configuration", path.display())
        })
        .map_err(Failure::invalid)?;
    load_settings(Source { path, text: &text }).map_err(Failure::invalid)
}
