//! Which addresses the edge dials for what it fetches.
//!
//! The edge stands where its callers may not: beside the cloud's metadata service, inside private networks, on its own
//! loopback. A URL that a caller names, that an index holds or that a redirect leads to must not become a way there. So
//! the address itself is judged, not the name: what the resolver gave is checked and exactly that is dialled. Forms that
//! carry an IPv4 address inside an IPv6 one are judged by what they carry.
//!
//! Only addresses of the public Internet pass. The origin of a configured URL may stand in a private network or on loopback,
//! since the operator wrote it down; everything else needs a network in `addresses`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use url::{Host, Url};

/// A scheme, host and port.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Origin {
    scheme: String,
    host: Host,
    port: u16,
}

impl Origin {
    /// That of `url`. `None` if it has no host, or a scheme without a port.
    pub(crate) fn of(url: &Url) -> Option<Self> {
        let host = match url.host()? {
            // "charts.example.com." is the same host, and the same credentials are meant for it.
            Host::Domain(name) => Host::Domain(name.trim_end_matches('.').to_owned()),
            Host::Ipv4(address) => Host::Ipv4(address),
            Host::Ipv6(address) => Host::Ipv6(address),
        };
        Some(Self {
            scheme: url.scheme().to_owned(),
            host,
            port: url.port_or_known_default()?,
        })
    }

    /// Whether both are the same host and port, whatever the scheme.
    fn is_beside(&self, other: &Self) -> bool {
        self.host == other.host && self.port == other.port
    }
}

/// What may be dialled.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reach {
    /// The configured origin, which may be private or on loopback.
    pub(crate) origin: Option<Origin>,
    /// Further networks.
    pub(crate) networks: Vec<IpNet>,
}

impl Reach {
    /// Whether `address` may be dialled for `server`.
    pub(crate) fn admits(&self, server: &Origin, address: IpAddr) -> Result<(), Class> {
        let carried = unwrap(address);
        let listed = |address: &IpAddr| self.networks.iter().any(|net| net.contains(address));
        if listed(&address) || carried.iter().any(listed) {
            return Ok(());
        }
        let own = self
            .origin
            .as_ref()
            .is_some_and(|origin| origin.is_beside(server));
        match classify(address) {
            Class::Public => Ok(()),
            Class::Loopback | Class::Private if own => Ok(()),
            class => Err(class),
        }
    }
}

/// What an address is for.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Class {
    /// Any host on the Internet.
    Public,
    /// A private network, an operator's shared one included.
    Private,
    /// This host.
    Loopback,
    /// Documentation, benchmarks, protocols, broadcast and what is not assigned.
    Reserved,
    /// Many hosts.
    Multicast,
    /// This link.
    LinkLocal,
    /// A cloud's metadata service.
    Metadata,
}

impl Class {
    /// With its article, as in "leads to …".
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::LinkLocal => "a link-local address",
            Self::Loopback => "a loopback address",
            Self::Metadata => "a cloud's metadata service",
            Self::Multicast => "a multicast address",
            Self::Private => "a private address",
            Self::Public => "a public address",
            Self::Reserved => "a reserved address",
        }
    }
}

/// The class of `address`, or of the address it carries; of two the more dangerous one.
pub(crate) fn classify(address: IpAddr) -> Class {
    let carried = unwrap(address);
    match address {
        IpAddr::V4(address) => classify_v4(address),
        // "::" and "::1" look like IPv4-compatible ones and are not.
        IpAddr::V6(address) if carried.is_empty() => classify_v6(address),
        IpAddr::V6(_) => carried
            .into_iter()
            .map(classify)
            .max()
            .unwrap_or(Class::Reserved),
    }
}

/// The IPv4 addresses that an IPv6 address carries.
fn unwrap(address: IpAddr) -> Vec<IpAddr> {
    let IpAddr::V6(address) = address else {
        return Vec::new();
    };
    let [a, b, c, d, e, f, g, h] = address.segments();
    let v4 = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match [a, b, c, d, e, f] {
        // IPv4-compatible, save the unspecified and the loopback address.
        [0, 0, 0, 0, 0, 0] if g != 0 || h > 1 => vec![v4(g, h)],
        // IPv4-mapped, IPv4-translated, NAT64.
        [0, 0, 0, 0, 0, 0xffff] | [0, 0, 0, 0, 0xffff, 0] | [0x64, 0xff9b, 0, 0, 0, 0] => {
            vec![v4(g, h)]
        }
        // 6to4.
        [0x2002, ..] => vec![v4(b, c)],
        // Teredo: its server, and its client turned inside out.
        [0x2001, 0, ..] => vec![v4(c, d), v4(!g, !h)],
        _ => Vec::new(),
    }
}

const fn net4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix))
}

const fn net6(segments: [u16; 4], prefix: u8) -> IpNet {
    let [a, b, c, d] = segments;
    IpNet::V6(Ipv6Net::new_assert(
        Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0),
        prefix,
    ))
}

/// The first that holds an address decides.
const V4: [(IpNet, Class); 19] = [
    // AWS, GCP, Azure and most others; Alibaba; Azure's agent; Oracle.
    (net4(169, 254, 169, 254, 32), Class::Metadata),
    (net4(100, 100, 100, 200, 32), Class::Metadata),
    (net4(168, 63, 129, 16, 32), Class::Metadata),
    (net4(192, 0, 0, 192, 32), Class::Metadata),
    (net4(169, 254, 0, 0, 16), Class::LinkLocal),
    (net4(127, 0, 0, 0, 8), Class::Loopback),
    // "This host" on this network; Linux connects it to loopback.
    (net4(0, 0, 0, 0, 8), Class::Reserved),
    (net4(10, 0, 0, 0, 8), Class::Private),
    (net4(172, 16, 0, 0, 12), Class::Private),
    (net4(192, 168, 0, 0, 16), Class::Private),
    (net4(100, 64, 0, 0, 10), Class::Private),
    (net4(192, 0, 0, 0, 24), Class::Reserved),
    (net4(192, 0, 2, 0, 24), Class::Reserved),
    (net4(192, 88, 99, 0, 24), Class::Reserved),
    (net4(198, 18, 0, 0, 15), Class::Reserved),
    (net4(198, 51, 100, 0, 24), Class::Reserved),
    (net4(203, 0, 113, 0, 24), Class::Reserved),
    (net4(224, 0, 0, 0, 4), Class::Multicast),
    (net4(240, 0, 0, 0, 4), Class::Reserved),
];

/// The same. What is not unicast of the Internet (2000::/3) is reserved.
const V6: [(IpNet, Class); 9] = [
    (net6([0xfe80, 0, 0, 0], 10), Class::LinkLocal),
    (net6([0xfec0, 0, 0, 0], 10), Class::Private),
    (net6([0xfc00, 0, 0, 0], 7), Class::Private),
    (net6([0xff00, 0, 0, 0], 8), Class::Multicast),
    // Protocol assignments: benchmarks, ORCHID, anycast.
    (net6([0x2001, 0, 0, 0], 23), Class::Reserved),
    (net6([0x2001, 0xdb8, 0, 0], 32), Class::Reserved),
    (net6([0x3fff, 0, 0, 0], 20), Class::Reserved),
    (net6([0x2000, 0, 0, 0], 3), Class::Public),
    (net6([0, 0, 0, 0], 0), Class::Reserved),
];

/// The metadata services of AWS and GCP.
const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

fn classify_v4(address: Ipv4Addr) -> Class {
    first(&V4, address.into()).unwrap_or(Class::Public)
}

fn classify_v6(address: Ipv6Addr) -> Class {
    if METADATA_V6.contains(&address) {
        Class::Metadata
    } else if address.is_loopback() {
        Class::Loopback
    } else {
        first(&V6, address.into()).unwrap_or(Class::Reserved)
    }
}

fn first(table: &[(IpNet, Class)], address: IpAddr) -> Option<Class> {
    table
        .iter()
        .find(|(net, _)| net.contains(&address))
        .map(|(_, class)| *class)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(url: &str) -> Origin {
        Origin::of(&Url::parse(url).unwrap()).unwrap()
    }

    #[test]
    fn every_address_has_its_class_whatever_its_form() {
        for (class, addresses) in [
            (
                Class::Public,
                "1.1.1.1 8.8.8.8 100.63.255.255 100.128.0.0 172.15.0.1 172.32.0.1 192.167.0.1 11.0.0.1 169.253.0.1 \
                 223.255.255.255 2606:4700::1111 2a00:1450::1 ::ffff:8.8.8.8 64:ff9b::808:808 2002:808:808::1 \
                 ::8.8.8.8 2001:0:808:808::f7f7:f7f7 ::ffff:0:808:808",
            ),
            (
                Class::Loopback,
                "127.0.0.1 127.255.255.254 ::1 ::ffff:127.0.0.1 ::127.0.0.1 64:ff9b::7f00:1 2002:7f00:1::1 \
                 2001:0:808:808::80ff:fffe ::ffff:0:7f00:1",
            ),
            (
                Class::Private,
                "10.0.0.0 10.255.255.255 172.16.0.1 172.31.255.255 192.168.0.1 100.64.0.1 100.127.255.255 fc00::1 \
                 fdff::1 fec0::1 ::ffff:10.0.0.1 ::10.0.0.1 64:ff9b::a00:1 2002:a00:1::1 2001:0:a00:1::f7f7:f7f7",
            ),
            (
                Class::LinkLocal,
                "169.254.0.1 169.254.169.253 fe80::1 febf::1 ::ffff:169.254.0.1 2002:a9fe:1::",
            ),
            (
                Class::Metadata,
                "169.254.169.254 fd00:ec2::254 ::ffff:169.254.169.254 ::a9fe:a9fe 64:ff9b::a9fe:a9fe \
                 2002:a9fe:a9fe::1 100.100.100.200 168.63.129.16 192.0.0.192 fd20:ce::254 \
                 2001:0:a9fe:a9fe::f7f7:f7f7",
            ),
            (
                Class::Multicast,
                "224.0.0.1 239.255.255.255 ff02::1 ::ffff:224.0.0.1",
            ),
            (
                Class::Reserved,
                "0.0.0.0 0.1.2.3 :: 192.0.0.1 192.0.2.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 240.0.0.1 \
                 255.255.255.255 192.88.99.1 2001:db8::1 2001:2::1 2001:10::1 3fff::1 100::1 64:ff9b:1::1 4000::1 \
                 ::ffff:0.0.0.0 ::ffff:255.255.255.255 ::0.1.2.3",
            ),
        ] {
            for text in addresses.split_whitespace() {
                assert_eq!(classify(text.parse().unwrap()), class, "{text}");
            }
        }
    }

    #[test]
    fn only_the_configured_origin_may_be_private_or_on_loopback() {
        let reach = Reach {
            origin: Some(origin("https://charts.example.com")),
            networks: Vec::new(),
        };
        let own = origin("https://charts.example.com:443");
        for address in ["10.0.0.1", "127.0.0.1", "::1", "fd00::1", "8.8.8.8"] {
            assert_eq!(reach.admits(&own, address.parse().unwrap()), Ok(()));
        }
        for address in ["169.254.169.254", "169.254.1.1", "0.0.0.0", "fe80::1"] {
            assert!(reach.admits(&own, address.parse().unwrap()).is_err());
        }
        for other in [
            "https://charts.example.com:8443",
            "http://charts.example.com",
            "https://example.com",
        ] {
            assert_eq!(
                reach.admits(&origin(other), "10.0.0.1".parse().unwrap()),
                Err(Class::Private),
                "{other}"
            );
        }
    }

    #[test]
    fn a_listed_network_may_be_reached_in_every_form() {
        let reach = Reach {
            origin: None,
            networks: vec![
                "10.1.0.0/16".parse().unwrap(),
                "fe80::/10".parse().unwrap(),
                "169.254.169.254/32".parse().unwrap(),
            ],
        };
        let other = origin("https://charts.example.com");
        for address in [
            "10.1.2.3",
            "::ffff:10.1.2.3",
            "64:ff9b::a01:203",
            "fe80::1",
            "169.254.169.254",
        ] {
            assert_eq!(reach.admits(&other, address.parse().unwrap()), Ok(()));
        }
        assert_eq!(
            reach.admits(&other, "10.2.0.1".parse().unwrap()),
            Err(Class::Private)
        );
    }
}
