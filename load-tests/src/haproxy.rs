//! haproxy as its manual has it for this job: one thread, connections kept and shared, nothing logged.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::certificates::NAME;
use crate::job::{Job, Setup, Started};

/// Writes its configuration and starts it.
pub(crate) async fn start(binary: &Path, job: &Job<'_>) -> Result<Started> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("haproxy.cfg");
    fs::write(&file, configuration(job)?)?;
    let mut command = Command::new(binary);
    command.arg("-db").arg("-f").arg(&file);
    Started::listening(command, job.listen, directory).await
}

fn configuration(job: &Job<'_>) -> Result<String> {
    let certificates = job.certificates;
    let mut text = String::from(
        "global\n  nbthread 1\n  maxconn 4096\n  tune.pool-high-fd-ratio 90\n\
         defaults\n  mode http\n  timeout connect 5s\n  timeout client 600s\n  timeout server 600s\n\
         \x20 timeout http-keep-alive 600s\n  option http-no-delay\n  http-reuse always\n",
    );
    let (bind, server) = match job.setup {
        Setup::Tls => (
            format!(" ssl crt {} ssl-min-ver TLSv1.3", certificates.both().display()),
            format!(
                " ssl verify required ca-file {} verifyhost {NAME} sni str({NAME}) ssl-min-ver TLSv1.3",
                certificates.certificate().display()
            ),
        ),
        Setup::Http2 => (" proto h2".to_owned(), String::new()),
        // As nginx does it unasked: whoever fails is left alone for ten seconds.
        Setup::FailOver => (
            String::new(),
            " check inter 10s fall 1 rise 1 observe layer7 error-limit 1 on-error mark-down".to_owned(),
        ),
        Setup::Plain | Setup::Map { .. } | Setup::Tenants(_) => (String::new(), String::new()),
    };
    writeln!(
        text,
        "frontend callers\n  bind {}{bind} backlog 4096\n  default_backend providers",
        job.listen
    )?;
    writeln!(text, "backend providers\n  balance roundrobin")?;
    writeln!(text, "  http-request set-header authorization \"Bearer {}\"", job.provider_key)?;
    let [first, second] = job.upstreams;
    let (first_weight, second_weight) = match job.setup {
        Setup::FailOver => {
            // A retry goes to another active server, never to a backup: so the spare is active, and hardly used.
            writeln!(text, "  retries 5\n  retry-on all-retryable-errors\n  option redispatch -1")?;
            (250, 1)
        }
        _ => (190, 10),
    };
    writeln!(
        text,
        "  server first {first} weight {first_weight}{server}\n  server second {second} weight {second_weight}{server}"
    )?;
    Ok(text)
}
