//! `cometgate status`: asks the running gateway how its gates stand.

use http::Method;
use serde_json::Value;

use crate::cli::{Format, Status};
use crate::commands::serve::read_settings;
use crate::commands::status_text::status_lines;
use crate::control_client::ask;
use crate::exit::Failure;
use crate::terminal;

pub(crate) fn run(options: &Status) -> Result<(), Failure> {
    let settings = read_settings(&options.config.path)?;
    let only = options.route.as_deref().map_or_else(String::new, |route| format!("?route={route}"));
    if only.contains(|character: char| character.is_whitespace() || character.is_control()) {
        return Err(Failure::usage(anyhow::anyhow!("a route's name has no blanks")));
    }
    let status = ask(&settings.state_dir, Method::GET, &format!("/status{only}"), &Value::Null)?;
    match options.format {
        Format::Json => terminal::result(&status.to_string()),
        Format::Text => status_lines(&status).iter().for_each(|line| terminal::result(line)),
    }
    Ok(())
}
