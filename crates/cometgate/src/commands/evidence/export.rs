//! `cometgate evidence export`: records for other tools, and pages for tickets.

use std::io::{self, BufWriter, ErrorKind, Write as _};

use anyhow::anyhow;
use evidence::{Error, markdown};

use crate::cli::EvidenceExport;
use crate::commands::evidence::{failure, open};
use crate::exit::Failure;
use crate::terminal;

pub(super) fn run(options: &EvidenceExport) -> Result<(), Failure> {
    let config = &options.config.path;
    let reader = open(config)?;
    let filter = options.which.filter(options.last);
    let mut output = BufWriter::new(io::stdout().lock());
    let written = if options.markdown {
        reader.list(&filter).and_then(|mut records| {
            records.reverse();
            output
                .write_all(markdown(&records).as_bytes())
                .and_then(|()| output.flush())
                .map_err(Error::Export)?;
            Ok(records.len() as u64)
        })
    } else {
        reader.export(&filter, &mut output)
    };
    match written {
        Ok(0) => terminal::say("no record is like that"),
        Ok(_) => {}
        // Whoever reads has enough.
        Err(Error::Export(error)) if error.kind() == ErrorKind::BrokenPipe => {}
        Err(error @ Error::Export(_)) => return Err(Failure::internal(anyhow!(error))),
        Err(error) => return Err(failure(error, config)),
    }
    Ok(())
}
