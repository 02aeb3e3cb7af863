//! What the settings say of the collector, made ready: secrets found, certificates read. All that can fail does so before
//! the gateway serves.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use config::{Http2Settings, OtlpProtocol, Scheme, TelemetrySettings};
use http::{HeaderMap, HeaderName, HeaderValue};
use telemetry::otlp::Protocol;
use telemetry::otlp::collector::{Collector, CollectorSettings};
use telemetry::otlp::counts::ExportCounts;
use telemetry::otlp::resource::Resource;
use telemetry::trace_context::TraceId;
use upstream::{Address, Http2, Origin};

use crate::export::transport::ToOrigin;
use crate::provider_tls::Material;
use crate::secrets::read_named;

/// A connection is made sooner than this or not at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) fn collector(
    settings: &TelemetrySettings,
    counts: Arc<ExportCounts>,
) -> anyhow::Result<Collector> {
    let origin = origin(settings)?;
    let protocol = match settings.protocol {
        OtlpProtocol::Http => Protocol::Http,
        OtlpProtocol::Grpc => Protocol::Grpc,
    };
    let of_collector = CollectorSettings {
        protocol,
        base_path: settings.endpoint.path.clone(),
        headers: headers(settings)?,
        gzip: settings.gzip,
        timeout: settings.timeout,
    };
    Ok(Collector::new(Box::new(ToOrigin(origin)), of_collector, counts))
}

/// Who sends. What the operator says stands in place of what the process knows.
pub(super) fn resource(settings: &TelemetrySettings, environment: Option<&str>) -> Resource {
    let instance = TraceId::random().to_string();
    let own = [
        ("service.name", Some("cometgate")),
        ("service.version", Some(env!("CARGO_PKG_VERSION"))),
        ("service.instance.id", Some(instance.as_str())),
        ("deployment.environment.name", environment),
    ];
    let said = settings.resource.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let is_said = |name: &str| settings.resource.iter().any(|(other, _)| other == name);
    let own = own.into_iter().filter_map(|(name, value)| Some((name, value?)));
    Resource::new(own.filter(|(name, _)| !is_said(name)).chain(said))
}

fn origin(settings: &TelemetrySettings) -> anyhow::Result<Origin> {
    let url = &settings.endpoint;
    let windows = Http2Settings::default();
    let address = Address {
        scheme: match url.scheme {
            Scheme::Http => upstream::Scheme::Http,
            Scheme::Https => upstream::Scheme::Https,
        },
        host: url.host.clone(),
        port: url.port,
        base_path: url.path.clone(),
        connect_timeout: settings.timeout.min(CONNECT_TIMEOUT),
        http2: (settings.protocol == OtlpProtocol::Grpc).then_some(Http2 {
            stream_window: windows.stream_window,
            connection_window: windows.connection_window,
            max_streams: windows.max_streams.into(),
        }),
        // A collector stands beside the gateway as a rule, and the settings are the operator's own.
        allow_private: true,
    };
    let tls = match url.scheme {
        Scheme::Http => None,
        Scheme::Https => Some(Material::read(&settings.tls)?.make(&mut None)?),
    };
    Ok(Origin::new(address, tls.as_ref(), 1)?)
}

fn headers(settings: &TelemetrySettings) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, source) in &settings.headers {
        let failed = || format!("the header `{name}`");
        let secret =
            read_named(source, "the header's value").map_err(anyhow::Error::msg).with_context(failed)?;
        let mut value = HeaderValue::try_from(secret)
            .map_err(|_| anyhow::anyhow!("it has bytes that cannot be sent in a header"))
            .with_context(failed)?;
        value.set_sensitive(true);
        headers.insert(HeaderName::try_from(name)?, value);
    }
    Ok(headers)
}
