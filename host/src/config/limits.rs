//! What requests may use. Each limit is there because something without it could be made to grow or to wait for ever.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::units;
use super::{Config, Invalid, Size};

/// The largest memory one sandbox can be given: the address space reserved for each is this large.
pub(crate) const MAX_MEMORY: u64 = 1 << 30;

/// Connections of one address where nothing else is configured: more than any caller needs, a quarter of what there is.
const PER_ADDRESS: usize = 256;

/// More than this, and the reserved address space alone leaves no room (2^47 bytes at 1 GiB and guard each).
const MAX_SANDBOXES: u32 = 4096;

/// What one request, and all of them together, may use.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Connections from callers at once; further ones wait to be accepted.
    pub connections: usize,
    /// Connections from one address at once; further ones are closed. Of IPv6 the first 64 bits are one address. None: 256,
    /// or no limit where something else ends TLS, for then every address is its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections_per_address: Option<usize>,
    /// Requests that one HTTP/2 connection may have under way at once.
    pub streams: u32,
    /// Requests in a sandbox at once.
    pub sandboxes: u32,
    /// How long a request may wait for a sandbox before it is answered `edge_busy`.
    #[serde(with = "units::duration")]
    pub queue: Duration,
    /// Memory of one sandbox.
    pub memory: Size,
    /// Memory of all sandboxes together; a request that would exceed it is answered `edge_busy`.
    pub total_memory: Size,
    /// Time one request may spend computing in its sandbox; waiting for a cluster is not counted.
    #[serde(with = "units::duration")]
    pub cpu: Duration,
    /// The largest request body.
    pub body: Size,
    /// The largest request head, in all.
    pub header: Size,
    /// The most headers in a request.
    pub headers: usize,
    /// How long a caller may take until TLS is agreed upon.
    #[serde(with = "units::duration")]
    pub handshake_timeout: Duration,
    /// How long a request's head may take to arrive, and how long a connection may lie idle.
    #[serde(with = "units::duration")]
    pub header_timeout: Duration,
    /// How long a request's body may take to arrive.
    #[serde(with = "units::duration")]
    pub body_timeout: Duration,
    /// How long a caller may neither send nor take a byte of a request under way.
    #[serde(with = "units::duration")]
    pub stall: Duration,
    /// The longest any request may take, from its head to the last byte of its answer.
    #[serde(with = "units::duration")]
    pub deadline: Duration,
    /// The longest a request that changes nothing (GET, HEAD) may take.
    #[serde(with = "units::duration")]
    pub read_deadline: Duration,
}

impl Limits {
    pub(super) fn validate(&self, refused: &mut Vec<Invalid>) {
        for (key, is_zero) in [
            ("connections", self.connections == 0),
            (
                "connections_per_address",
                self.connections_per_address == Some(0),
            ),
            ("streams", self.streams == 0),
            ("sandboxes", self.sandboxes == 0),
            ("memory", self.memory.bytes() == 0),
            ("cpu", self.cpu.is_zero()),
            ("headers", self.headers == 0),
            ("handshake_timeout", self.handshake_timeout.is_zero()),
            ("header_timeout", self.header_timeout.is_zero()),
            ("body_timeout", self.body_timeout.is_zero()),
            ("stall", self.stall.is_zero()),
            ("deadline", self.deadline.is_zero()),
            ("read_deadline", self.read_deadline.is_zero()),
        ] {
            if is_zero {
                refused.push(Invalid::new(
                    format!("limits.{key}"),
                    "must be more than zero: with nothing allowed no request could be answered",
                ));
            }
        }
        if self.sandboxes > MAX_SANDBOXES {
            refused.push(Invalid::new(
                "limits.sandboxes",
                format!(
                    "at most {MAX_SANDBOXES}; each reserves 1 GiB of address space. Run more edges instead"
                ),
            ));
        }
        if self.memory.bytes() > MAX_MEMORY {
            refused.push(Invalid::new("limits.memory", "at most 1GiB"));
        }
        if self.total_memory < self.memory {
            refused.push(Invalid::new(
                "limits.total_memory",
                "less than `limits.memory`, which a single request may use; raise this or lower that",
            ));
        }
        let head = Size::KIB * 8..=Size::MIB;
        if !head.contains(&self.header) {
            refused.push(Invalid::new("limits.header", "from 8KiB to 1MiB"));
        }
        if self.read_deadline > self.deadline {
            refused.push(Invalid::new(
                "limits.read_deadline",
                "longer than `limits.deadline`, which bounds every request; lower this or raise that",
            ));
        }
    }
}

impl Config {
    /// How many connections one address may have; none: as many as there may be in all.
    #[must_use]
    pub fn connections_per_address(&self) -> Option<usize> {
        let usual = (!self.tls.terminated).then_some(PER_ADDRESS);
        self.limits.connections_per_address.or(usual)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            connections_per_address: None,
            streams: 128,
            sandboxes: 64,
            queue: Duration::from_secs(5),
            memory: Size::MIB * 256,
            total_memory: Size::GIB * 4,
            cpu: Duration::from_secs(10),
            body: Size::MIB * 32,
            header: Size::KIB * 64,
            headers: 100,
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(300),
            stall: Duration::from_secs(60),
            deadline: Duration::from_secs(3600),
            read_deadline: Duration::from_secs(120),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_one_address_for_all_its_callers() {
        let mut config = Config::default();
        assert_eq!(config.connections_per_address(), Some(PER_ADDRESS));
        config.tls.terminated = true;
        assert_eq!(config.connections_per_address(), None);
        config.limits.connections_per_address = Some(7);
        assert_eq!(config.connections_per_address(), Some(7));
    }
}
