//! How many connections each address has open, so that one cannot take all there are.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// Open connections by address.
#[derive(Debug)]
pub(super) struct Addresses {
    /// None: as many as anybody likes.
    limit: Option<usize>,
    open: Mutex<HashMap<IpAddr, Count>>,
}

#[derive(Debug, Default)]
struct Count {
    connections: usize,
    /// The log says already that there are too many.
    told: bool,
}

/// An open connection.
#[derive(Debug)]
pub(super) struct Entered {
    addresses: Arc<Addresses>,
    address: IpAddr,
}

impl Addresses {
    pub(super) fn new(limit: Option<usize>) -> Arc<Self> {
        Arc::new(Self {
            limit,
            open: Mutex::default(),
        })
    }

    /// Counts a connection from `address` until the result is dropped; none if it would be one too many.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Entered> {
        let address = network(address);
        if let Some(limit) = self.limit {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            let count = open.entry(address).or_default();
            if count.connections >= limit {
                if !count.told {
                    tracing::warn!(
                        %address,
                        limit,
                        "an address has as many connections as it may, more are closed"
                    );
                }
                count.told = true;
                return None;
            }
            count.connections += 1;
        }
        Some(Entered {
            addresses: Arc::clone(self),
            address,
        })
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut open = self
            .addresses
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.address) {
            count.connections -= 1;
            if count.connections == 0 {
                open.remove(&self.address);
            }
        }
    }
}

/// Whom an address belongs to: of IPv6 each customer has at least the lower 64 bits to itself.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(addresses: &Arc<Addresses>, address: &str) -> Option<Entered> {
        addresses.enter(address.parse().expect("an address"))
    }

    #[test]
    fn each_address_has_its_own_count_and_gets_back_what_it_closes() {
        let addresses = Addresses::new(Some(2));
        let first = enter(&addresses, "10.0.0.1").expect("room");
        let _second = enter(&addresses, "::ffff:10.0.0.1").expect("room");
        assert!(enter(&addresses, "10.0.0.1").is_none());
        let other = enter(&addresses, "10.0.0.2").expect("room");
        drop(first);
        let _third = enter(&addresses, "10.0.0.1").expect("room");
        assert!(enter(&addresses, "10.0.0.1").is_none());
        drop(other);
        assert_eq!(addresses.open.lock().expect("no panic").len(), 1);
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let addresses = Addresses::new(Some(1));
        let _one = enter(&addresses, "2001:db8::1").expect("room");
        assert!(enter(&addresses, "2001:db8::ffff:1").is_none());
        assert!(enter(&addresses, "2001:db8:0:1::1").is_some());
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        let addresses = Addresses::new(None);
        let all: Vec<_> = (0..100).map(|_| enter(&addresses, "10.0.0.1")).collect();
        assert!(all.iter().all(Option::is_some));
        assert!(addresses.open.lock().expect("no panic").is_empty());
    }
}
