//! The bounds of what callers can make the gateway hold.

use std::time::Duration;

/// Bounds on connections, bodies and time.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of one request body that is read for its model.
    pub max_body: usize,
    /// Bytes of a form that is held whole, to be sent again if need be; a larger one is sent on as it arrives.
    pub replay_body: usize,
    /// Bytes of all such bodies at once.
    pub max_buffered: usize,
    /// Connections of callers at once.
    pub max_connections: usize,
    /// How long a request head may take, and a connection may lie idle.
    pub header_timeout: Duration,
    /// How long a request body may take.
    pub body_timeout: Duration,
    /// Bytes of a body that must come each second while the gateway waits for it; 0 is no minimum.
    pub min_body_rate: u64,
    /// How long a caller may leave what is sent to it unread.
    pub write_stall_timeout: Duration,
    /// How long a WebSocket may lie idle in both directions.
    pub websocket_idle_timeout: Duration,
    /// How long a provider may say nothing in the middle of an answer that goes on as it comes: sound,
    /// pictures, downloads, and what is longer than `max_answer`.
    pub relay_idle_timeout: Duration,
    /// Bytes of one answer that are held, to be able to answer from elsewhere if it fails.
    pub max_answer: usize,
    /// How long a streaming caller waits before it gets a head and heartbeats, and between these.
    pub heartbeat: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_body: 32 << 20,
            replay_body: 1 << 20,
            max_buffered: 512 << 20,
            max_connections: 10_000,
            header_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(60),
            min_body_rate: 128,
            write_stall_timeout: Duration::from_secs(30),
            websocket_idle_timeout: Duration::from_secs(600),
            relay_idle_timeout: Duration::from_secs(300),
            max_answer: 1 << 20,
            heartbeat: Duration::from_secs(10),
        }
    }
}
