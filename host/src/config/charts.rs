//! Where charts may come from beside the repositories, and what fetching any of them may use.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use serde::de::{self, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::chart_url::Prefix;
use super::units;
use super::{Invalid, Size};

/// Direct URLs of charts, and the limits of everything fetched.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChartsConfig {
    /// How the direct URL of a chart may begin, see [`Prefix`]. Empty: there are no direct URLs.
    pub urls: Vec<String>,
    /// The networks that direct URLs may lead to although they are private, loopback or link-local.
    pub addresses: Vec<Network>,
    /// The largest archive.
    pub archive: Size,
    /// The largest index.yaml.
    pub index: Size,
    /// The memory of all indexes together.
    pub cache: Size,
    /// How long an index is used before its repository is asked whether it has changed.
    #[serde(with = "units::duration")]
    pub fresh: Duration,
    /// How long one fetch may take, to the last byte, redirects included.
    #[serde(with = "units::duration")]
    pub timeout: Duration,
}

impl ChartsConfig {
    pub(super) fn validate(&self, refused: &mut Vec<Invalid>) {
        for (index, url) in self.urls.iter().enumerate() {
            if let Err(why) = url.parse::<Prefix>() {
                refused.push(Invalid::new(format!("charts.urls[{index}]"), why));
            }
        }
        for (key, size) in [("archive", self.archive), ("index", self.index)] {
            if size.bytes() == 0 {
                refused.push(Invalid::new(
                    format!("charts.{key}"),
                    "must be more than zero",
                ));
            }
        }
        if self.timeout.is_zero() {
            refused.push(Invalid::new("charts.timeout", "must be longer than zero"));
        }
    }
}

impl Default for ChartsConfig {
    fn default() -> Self {
        Self {
            urls: Vec::new(),
            addresses: Vec::new(),
            archive: Size::MIB * 20,
            index: Size::MIB * 64,
            cache: Size::MIB * 256,
            fresh: Duration::from_secs(300),
            timeout: Duration::from_secs(60),
        }
    }
}

/// A network as `10.0.0.0/8`, or one address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Network(pub IpNet);

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let address = || text.parse::<IpAddr>().map(IpNet::from).ok();
        text.parse().ok().or_else(address).map(Self).ok_or_else(|| {
            de::Error::invalid_value(
                Unexpected::Str(&text),
                &"a network such as \"10.0.0.0/8\" or \"fd00::/8\"",
            )
        })
    }
}
