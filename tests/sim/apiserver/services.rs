//! Services, and how the name in a proxy path leads to an endpoint of one.

use std::net::SocketAddr;
use std::sync::Mutex;

use super::lock;
use super::status::Refusal;

/// A service and what stands behind it.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its ports.
    pub ports: Vec<Port>,
}

/// A port of a service.
#[derive(Clone, Debug)]
pub struct Port {
    /// Its name; empty for an unnamed one.
    pub name: String,
    /// Its number in the service, which need not be the endpoint's.
    pub number: u16,
    /// What stands behind it.
    pub endpoint: Endpoint,
}

/// What stands behind a port of a service.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Endpoint {
    /// No pod matches the service's selector.
    Missing,
    /// A pod that is not ready.
    NotReady,
    /// A ready pod, which may all the same not listen there.
    Ready(SocketAddr),
}

/// The scheme that a proxy path asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Scheme {
    Http,
    Https,
}

#[derive(Debug)]
pub(super) struct Services(Mutex<Vec<Service>>);

impl Services {
    pub(super) fn new(services: Vec<Service>) -> Self {
        Self(Mutex::new(services))
    }

    pub(super) fn put(&self, service: Service) {
        self.remove(&service.namespace, &service.name);
        lock(&self.0).push(service);
    }

    pub(super) fn remove(&self, namespace: &str, name: &str) {
        lock(&self.0).retain(|service| service.namespace != namespace || service.name != name);
    }

    /// Where `[scheme:]name[:port]` leads.
    pub(super) fn resolve(
        &self,
        namespace: &str,
        id: &str,
    ) -> Result<(Scheme, SocketAddr), Refusal> {
        let (scheme, name, port) = split(id)
            .ok_or_else(|| Refusal::bad_request(format!("invalid service request {id:?}")))?;
        let services = lock(&self.0);
        let service = services
            .iter()
            .find(|service| service.namespace == namespace && service.name == name)
            .ok_or_else(|| Refusal::not_found("services", name))?;
        let port = match port.parse::<u16>() {
            Ok(number) => {
                let by_number = service.ports.iter().find(|port| port.number == number);
                let missing = || {
                    Refusal::unavailable(format!(
                        "no service port {number} found for service {name:?}"
                    ))
                };
                by_number.ok_or_else(missing)?.name.as_str()
            }
            Err(_) => port,
        };
        if service
            .ports
            .iter()
            .all(|port| port.endpoint == Endpoint::Missing)
        {
            return Err(no_endpoints(name));
        }
        let ready = service
            .ports
            .iter()
            .find_map(|candidate| match candidate.endpoint {
                Endpoint::Ready(addr) if candidate.name == port => Some(addr),
                _ => None,
            });
        ready
            .map(|addr| (scheme, addr))
            .ok_or_else(|| no_endpoints(id))
    }
}

fn no_endpoints(id: &str) -> Refusal {
    Refusal::unavailable(format!("no endpoints available for service {id:?}"))
}

/// One, two or three parts: name, name and port, scheme and name and port.
fn split(id: &str) -> Option<(Scheme, &str, &str)> {
    let parts: Vec<_> = id.split(':').collect();
    let (scheme, name, port) = match parts.as_slice() {
        [name] => ("", *name, ""),
        [name, port] => ("", *name, *port),
        [scheme, name, port] => (*scheme, *name, *port),
        _ => return None,
    };
    let scheme = match scheme {
        "" | "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => return None,
    };
    (!name.is_empty()).then_some((scheme, name, port))
}
