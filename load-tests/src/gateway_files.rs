//! What the gateway is configured with: gates and evidence as they are without a word, one worker, and a canary of 5 %.

use std::fmt::Write;
use std::net::SocketAddr;

use anyhow::Result;
use sha2::{Digest, Sha256};

use crate::certificates::NAME;
use crate::job::{Job, Setup, free_address};
use crate::request::MODEL;

/// What only the gateway accepts: the key of one of its tenants.
pub(crate) fn key(tenant: usize) -> String {
    format!("cg-load-tenant-{tenant}")
}

/// One of its aliases. The first is what all other proxies are asked for as well.
pub(crate) fn alias(number: usize) -> String {
    if number == 0 { MODEL.to_owned() } else { format!("{MODEL}-{number}") }
}

/// With a collector, everything is on: the page of metrics, metrics and 1 % of traces sent.
pub(crate) fn settings_toml(job: &Job<'_>, collector: Option<SocketAddr>) -> Result<String> {
    let mut text = format!(
        "listen = \"{}\"\nworkers = 1\nroutes = \"routes.toml\"\ntenants = \"tenants.toml\"\ncatalog.interval = \"off\"\n",
        job.listen
    );
    if job.setup == Setup::Tls {
        let certificates = job.certificates;
        write!(
            text,
            "[tls]\ncertificate = {:?}\nkey = {:?}\n",
            certificates.certificate(),
            certificates.key()
        )?;
    }
    if let Some(collector) = collector {
        write!(
            text,
            "[admin]\nlisten = \"{}\"\n[telemetry]\nendpoint = \"http://{collector}\"\n\
             [telemetry.traces]\nsample = \"1%\"\n[telemetry.metrics]\ninterval_ms = 5000\n",
            free_address()?
        )?;
    }
    Ok(text)
}

/// One route for all, or one for each pair of tenant and alias. The environment needs no proof, so that the canary is live.
pub(crate) fn routes_toml(job: &Job<'_>) -> Result<String> {
    let (tenants, aliases) = size(job.setup);
    let mut text = String::from(
        "route_version = \"load.1\"\nenvironment = \"development\"\nprimary_provider = \"openai\"\nunlisted_models = \"primary\"\n",
    );
    for (name, upstream) in ["openai", "cometapi"].iter().zip(job.upstreams) {
        let base = match job.setup {
            Setup::Tls => format!("https://{NAME}:{}/v1", upstream.port()),
            _ => format!("http://{upstream}/v1"),
        };
        write!(text, "\n[providers.{name}]\nbase_url = \"{base}\"\ncredential = {{ env = \"LOAD_KEY\" }}\n")?;
        if job.setup == Setup::Tls {
            writeln!(text, "tls = {{ ca = {:?}, roots = \"none\" }}", job.certificates.certificate())?;
        }
    }
    for number in 0..aliases {
        write!(
            text,
            "\n[aliases.{}]\nprovider_model_id = {{ openai = \"gpt-load-a\", cometapi = \"gpt-load-b\" }}\n",
            alias(number)
        )?;
    }
    let for_each = matches!(job.setup, Setup::Map { .. });
    for tenant in 0..if for_each { tenants } else { 1 } {
        for number in 0..aliases {
            let whose = if for_each { format!("load-{tenant}") } else { "*".to_owned() };
            write!(
                text,
                "\n[[routes]]\nname = \"load-{tenant}-{number}\"\ntenant_or_cohort = \"{whose}\"\nmodel_alias = \"{}\"\n\
                 primary_provider = \"openai\"\n",
                alias(number)
            )?;
            text.push_str(match job.setup {
                Setup::FailOver => "mode = \"primary\"\nfallback_provider = \"cometapi\"\n",
                _ => "mode = \"canary\"\n[routes.canary]\nprovider = \"cometapi\"\nshare = \"5%\"\n",
            });
        }
    }
    text.push_str("# end load.1\n");
    Ok(text)
}

/// A tenant for each of a map's.
pub(crate) fn tenants_toml(setup: Setup) -> Result<String> {
    let mut text = String::from("version = \"1\"\n");
    for tenant in 0..size(setup).0 {
        let mut hash = String::new();
        for byte in Sha256::digest(key(tenant)) {
            write!(hash, "{byte:02x}")?;
        }
        write!(text, "\n[tenants.load-{tenant}]\nkey_sha256 = [\"{hash}\"]\n")?;
    }
    text.push_str("# end 1\n");
    Ok(text)
}

/// Tenants and aliases of a map.
pub(crate) fn size(setup: Setup) -> (usize, usize) {
    match setup {
        Setup::Map { tenants, aliases } => (tenants, aliases),
        Setup::Tenants(tenants) => (tenants, 1),
        Setup::Plain | Setup::Tls | Setup::Http2 | Setup::FailOver => (1, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_stored_as_its_hash() {
        let tenants = tenants_toml(Setup::Plain).unwrap();
        // sha256sum of `cg-load-tenant-0`.
        assert!(
            tenants.contains("483298c4f001baf67c2f2135e9a01a010da6df885b06189aba1e6e28dce69228"),
            "{tenants}"
        );
        assert!(tenants.ends_with("# end 1\n"));
    }

    #[test]
    fn a_map_has_a_route_for_each_pair() {
        let certificates = crate::certificates::Certificates::new().unwrap();
        let address = "127.0.0.1:1".parse().unwrap();
        let job = |setup| Job {
            setup,
            listen: address,
            upstreams: [address; 2],
            provider_key: "k",
            certificates: &certificates,
        };
        let map = routes_toml(&job(Setup::Map { tenants: 3, aliases: 4 })).unwrap();
        assert_eq!(map.matches("[[routes]]").count(), 12);
        assert_eq!(map.matches("[aliases.").count(), 4);
        assert_eq!(map.matches("tenant_or_cohort = \"load-2\"").count(), 4);
        assert!(routes_toml(&job(Setup::Plain)).unwrap().contains("tenant_or_cohort = \"*\""));
    }
}
