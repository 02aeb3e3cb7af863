//! `cometgate status`: asks the running gateway how its gates stand.

use crate::cli::{Format, Status};
use crate::commands::serve::read_settings;
use crate::commands::status_text::status_lines;
use crate::control_client::ask_status;
use crate::exit::Failure;
use crate::terminal;

pub(crate) fn run(options: &Status) -> Result<(), Failure> {
    let settings = read_settings(&options.given.config.path)?;
    let status = ask_status(&settings.state_dir, options.route.as_deref())?;
    match options.given.format {
        Format::Json => terminal::result(&status.to_string()),
        Format::Text => status_lines(&status).iter().for_each(|line| terminal::result(line)),
    }
    Ok(())
}
