//! nginx as its manual has it for this job: connections kept alive on both sides, answers passed on as they come (streams
//! need that), bodies of requests not written to disk, no access log.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use rustix::process::getuid;

use crate::certificates::NAME;
use crate::job::{Job, Setup, Started};

/// Writes its configuration and starts it.
pub(crate) async fn start(binary: &Path, job: &Job<'_>) -> Result<Started> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("nginx.conf");
    fs::write(&file, configuration(job, directory.path(), getuid().is_root())?)?;
    let mut command = Command::new(binary);
    command.arg("-p").arg(directory.path()).arg("-c").arg(&file).args(["-e", "stderr"]);
    Started::listening(command, job.listen, directory).await
}

fn configuration(job: &Job<'_>, directory: &Path, root: bool) -> Result<String> {
    let directory = directory.display();
    let mut text = String::new();
    if root {
        // Else its worker is somebody who may not enter the directory.
        text.push_str("user root;\n");
    }
    write!(
        text,
        "daemon off;\nworker_processes 1;\npid {directory}/nginx.pid;\nerror_log stderr crit;\n\
         worker_rlimit_nofile 65536;\nevents {{ worker_connections 8192; }}\n\
         http {{\n\
         access_log off;\n\
         keepalive_timeout 600s;\nkeepalive_requests 1000000000;\n\
         client_max_body_size 64m;\nclient_body_buffer_size 128k;\n\
         client_body_temp_path {directory}/body;\nproxy_temp_path {directory}/proxy;\n\
         fastcgi_temp_path {directory}/fastcgi;\nuwsgi_temp_path {directory}/uwsgi;\nscgi_temp_path {directory}/scgi;\n\
         upstream providers {{\n"
    )?;
    let [first, second] = job.upstreams;
    match job.setup {
        Setup::FailOver => writeln!(text, "server {first};\nserver {second} backup;")?,
        _ => writeln!(text, "server {first} weight=19;\nserver {second} weight=1;")?,
    }
    text.push_str("keepalive 1024;\nkeepalive_requests 1000000000;\nkeepalive_timeout 600s;\n}\n");
    let (listen, scheme) = match job.setup {
        Setup::Tls => (format!("{} ssl", job.listen), "https"),
        Setup::Http2 => (format!("{} http2", job.listen), "http"),
        Setup::Plain | Setup::Map { .. } | Setup::Tenants(_) | Setup::FailOver => {
            (job.listen.to_string(), "http")
        }
    };
    writeln!(text, "server {{\nlisten {listen} backlog=4096;\ntcp_nodelay on;")?;
    if job.setup == Setup::Tls {
        let certificates = job.certificates;
        write!(
            text,
            "ssl_certificate {};\nssl_certificate_key {};\nssl_protocols TLSv1.3;\n\
             proxy_ssl_protocols TLSv1.3;\nproxy_ssl_name {NAME};\nproxy_ssl_server_name on;\n\
             proxy_ssl_verify on;\nproxy_ssl_trusted_certificate {};\n",
            certificates.certificate().display(),
            certificates.key().display(),
            certificates.certificate().display()
        )?;
    }
    if job.setup == Setup::FailOver {
        // Completions are POSTs, which nginx sends again only where it is told that it may.
        text.push_str("proxy_next_upstream error timeout http_500 non_idempotent;\n");
    }
    write!(
        text,
        "location / {{\nproxy_pass {scheme}://providers;\nproxy_http_version 1.1;\n\
         proxy_set_header connection \"\";\nproxy_set_header authorization \"Bearer {}\";\n\
         proxy_buffering off;\nproxy_buffer_size 16k;\nproxy_buffers 4 16k;\nproxy_request_buffering off;\n\
         proxy_read_timeout 600s;\nproxy_send_timeout 600s;\n}}\n}}\n}}\n",
        job.provider_key
    )?;
    Ok(text)
}
