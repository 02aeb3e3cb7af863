//! `open`: a constant rate against a gateway that already runs, on this machine only.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use http::Uri;

use crate::clock;
use crate::latency::Latency;
use crate::open_loop::{self, Load};
use crate::process;
use crate::request::{Ask, MODEL, prepare_for};

/// Chunks asked of our own load provider; any other ignores it and streams what it likes.
const CHUNKS: u64 = 50;

/// Options of `open`.
#[derive(Args)]
pub(crate) struct Options {
    /// The gateway's base URL on this machine, such as `http://127.0.0.1:8080/v1`.
    #[arg(long)]
    url: Uri,
    /// The key to send.
    #[arg(long)]
    key: String,
    /// Requests per second.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    rate: u64,
    /// For how long.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Ask for streams: adds time to the first chunk and between chunks.
    #[arg(long)]
    stream: bool,
    /// The model to ask for.
    #[arg(long, default_value = MODEL)]
    model: String,
}

/// Runs it and prints the distributions. `false` if requests failed.
pub(crate) async fn run(options: &Options) -> Result<bool> {
    ensure!(options.seconds > 0.0, "--seconds must be positive");
    let (address, host, path) = place(&options.url).await?;
    process::raise_file_limit()?;
    let ask = if options.stream { Ask::Stream { chunks: CHUNKS, pause_ms: 20 } } else { Ask::Small };
    let load = Load {
        address,
        request: prepare_for(&host, &path, &options.key, &options.model, ask).into(),
        streams: options.stream,
        rate: options.rate,
        length: clock::nanoseconds(options.seconds),
        pid: None,
    };
    let outcome = open_loop::run(&load).await?;
    println!("{} answered, {} failed", outcome.measured.requests, outcome.failed);
    if let Some(failure) = &outcome.first_failure {
        println!("first failure: {failure}");
    }
    println!(
        "{:<28} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "us, from when it was due", "p50", "p90", "p99", "p99.9", "max", "count"
    );
    let tally = &outcome.measured.tally;
    print_row("whole answer", &tally.whole.borrow());
    if options.stream {
        print_row("first chunk", &tally.first.borrow());
        print_row("between chunks", &tally.gap.borrow());
    }
    Ok(outcome.failed == 0)
}

fn print_row(title: &str, latency: &Latency) {
    let [p50, p90, p99, p999, max] = [0.5, 0.9, 0.99, 0.999, 1.0].map(|quantile| latency.micros(quantile));
    println!("{title:<28} {p50:>9.0} {p90:>9.0} {p99:>9.0} {p999:>9.0} {max:>9.0} {:>9}", latency.count());
}

/// Address, host header and path. Only this machine: a typing error must not become an attack on somebody's provider.
async fn place(url: &Uri) -> Result<(SocketAddr, String, String)> {
    ensure!(url.scheme_str() == Some("http"), "--url must begin with http://");
    let host = url.host().context("--url has no host")?;
    let port = url.port_u16().unwrap_or(80);
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let addresses: Vec<SocketAddr> =
        tokio::net::lookup_host((bare, port)).await.with_context(|| format!("cannot find {host}"))?.collect();
    if let Some(other) = addresses.iter().find(|address| !address.ip().is_loopback()) {
        bail!("{host} is {}: load is sent to this machine only (127.0.0.1, ::1, localhost)", other.ip());
    }
    let address = *addresses.first().with_context(|| format!("{host} has no address"))?;
    let base = match url.path().trim_end_matches('/') {
        "" => "/v1",
        base => base,
    };
    Ok((address, format!("{host}:{port}"), format!("{base}/chat/completions")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(url: &str) -> Result<(SocketAddr, String, String)> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(place(&url.parse().unwrap()))
    }

    #[test]
    fn load_is_sent_to_this_machine_only() {
        let refusal = placed("http://192.0.2.1:80/v1").unwrap_err().to_string();
        assert!(refusal.contains("this machine only"), "{refusal}");
        assert!(placed("https://127.0.0.1/v1").is_err());
        let (address, host, path) = placed("http://[::1]:8080").unwrap();
        assert_eq!((address, host.as_str()), ("[::1]:8080".parse().unwrap(), "[::1]:8080"));
        assert_eq!(path, "/v1/chat/completions");
    }
}
