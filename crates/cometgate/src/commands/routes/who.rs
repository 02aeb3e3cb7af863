//! `cometgate routes who`: which tenants, and what share of their keys, are in a route's canary.

use config::who;

use crate::cli::{Format, Who};
use crate::commands::routes::given::Given;
use crate::exit::Failure;
use crate::terminal;

pub(super) fn run(options: &Who) -> Result<(), Failure> {
    let given = Given::file(&options.file, options.given.path.as_deref())?;
    let loaded = given.load()?;
    let who = who(&loaded, &options.route).map_err(Failure::invalid)?;
    match options.format {
        Format::Json => terminal::result(&who.to_json().to_string()),
        Format::Text => who.lines().iter().for_each(|line| terminal::result(line)),
    }
    Ok(())
}
