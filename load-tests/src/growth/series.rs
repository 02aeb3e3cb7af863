//! What grows, in which steps, and how it is loaded.

use anyhow::Result;
use clap::ValueEnum;

use crate::closed_loop;
use crate::job::Setup;
use crate::measured::{Measured, Window};
use crate::request::Ask;
use crate::streams::Held;
use crate::target::{Kind, Target};

/// Connections of series that do not vary them.
const CONNECTIONS: usize = 16;

/// Streams that are only open say nothing for so long that they do not count.
const SILENT_MS: u64 = 120_000;

/// A thing that grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Series {
    /// Bytes of a request's body, `model` last.
    Body,
    /// Routes of the map.
    Routes,
    /// Tenants with a key each.
    Tenants,
    /// Streams that are open and silent beside the requests.
    Streams,
    /// Connections that are busy.
    Connections,
}

impl Series {
    pub(crate) const ALL: [Series; 5] =
        [Series::Body, Series::Routes, Series::Tenants, Series::Streams, Series::Connections];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Series::Body => "body",
            Series::Routes => "routes",
            Series::Tenants => "tenants",
            Series::Streams => "streams",
            Series::Connections => "connections",
        }
    }

    /// The heading of its column.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Series::Body => "body of a request",
            Series::Routes => "routes",
            Series::Tenants => "tenants",
            Series::Streams => "open streams beside",
            Series::Connections => "busy connections",
        }
    }

    /// What one more is.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Series::Body => "KB",
            Series::Routes => "route",
            Series::Tenants => "tenant",
            Series::Streams => "stream",
            Series::Connections => "connection",
        }
    }

    /// How many of the steps' unit that is.
    pub(crate) fn unit_size(self) -> f64 {
        if self == Series::Body { 1024.0 } else { 1.0 }
    }

    /// Its steps.
    pub(crate) fn sizes(self) -> &'static [u64] {
        const KB: u64 = 1024;
        match self {
            Series::Body => &[KB, 4 * KB, 16 * KB, 64 * KB, 256 * KB, 1024 * KB, 4096 * KB],
            Series::Routes | Series::Tenants => &[1, 10, 100, 1_000, 10_000],
            Series::Streams => &[0, 100, 500, 1_000, 2_000],
            Series::Connections => &[1, 4, 16, 64, 128, 256, 512],
        }
    }

    /// A step as tables have it.
    pub(crate) fn shown(self, grown: u64) -> String {
        match (self, grown >> 10) {
            (Series::Body, kilobytes) if kilobytes >= 1024 => format!("{} MB", kilobytes >> 10),
            (Series::Body, kilobytes) => format!("{kilobytes} KB"),
            _ => grown.to_string(),
        }
    }

    /// Whether it says something of a proxy: only the gateway has routes and tenants.
    pub(crate) fn wants(self, kind: Kind) -> bool {
        match self {
            Series::Routes | Series::Tenants => matches!(kind, Kind::Cometgate | Kind::CometgateQuiet),
            Series::Body | Series::Streams | Series::Connections => kind != Kind::Direct,
        }
    }

    /// In which form the job comes at a step.
    pub(crate) fn setup(self, grown: u64) -> Result<Setup> {
        let grown = usize::try_from(grown)?;
        Ok(match self {
            Series::Routes => {
                let tenants = grown.min(100);
                Setup::Map { tenants, aliases: grown / tenants }
            }
            Series::Tenants => Setup::Tenants(grown),
            Series::Body | Series::Streams | Series::Connections => Setup::Plain,
        })
    }

    /// Loads a target at a step.
    pub(crate) async fn measure(self, target: &Target, grown: u64, window: Window) -> Result<Measured> {
        let size = usize::try_from(grown)?;
        match self {
            Series::Body => closed_loop::run(target, Ask::Upload { bytes: size }, 4, window).await,
            Series::Connections => closed_loop::run(target, Ask::Small, size, window).await,
            Series::Routes | Series::Tenants => {
                closed_loop::run(target, Ask::Small, CONNECTIONS, window).await
            }
            Series::Streams => {
                let mut held = Held::new(SILENT_MS)?;
                held.grow_to(target, grown).await?;
                closed_loop::run(target, Ask::Small, CONNECTIONS, window).await
            }
        }
    }
}
