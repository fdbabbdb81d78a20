//! The proxy between the edge and another host, if there is one.
//!
//! For an APIServer `proxy-url` of the kubeconfig's cluster decides; without it, and for a chart repository,
//! `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` do, as in kubectl, and never for a loopback address. HTTP
//! proxies are asked for a tunnel (CONNECT), SOCKS5 ones resolve the name themselves: the edge may stand where the
//! other host's name does not resolve.

use std::fmt;
use std::net::IpAddr;

use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use secrecy::{ExposeSecret, SecretString};

const SOCKS_PORT: u16 = 1080;

/// A proxy and how to log in to it.
#[derive(Clone)]
pub(crate) enum Proxy {
    /// SOCKS5.
    Socks { server: Uri, login: Option<Login> },
    /// HTTP CONNECT.
    Tunnel {
        server: Uri,
        authorization: Option<HeaderValue>,
    },
}

impl Proxy {
    /// The proxy that `proxy-url` names.
    pub(crate) fn from_url(url: &str) -> Result<Self, ProxyError> {
        // Everything goes through it, whatever the scheme of the server, hence `all`.
        let probe = Uri::from_static("https://apiserver.invalid/");
        Matcher::builder()
            .all(url)
            .build()
            .intercept(&probe)
            .ok_or(ProxyError::Malformed)
            .and_then(Self::from_intercept)
    }

    /// The proxy that the environment names for `server`.
    pub(crate) fn from_environment(server: &Uri) -> Result<Option<Self>, ProxyError> {
        Proxies::from_environment().proxy(server)
    }

    fn from_intercept(proxy: Intercept) -> Result<Self, ProxyError> {
        match proxy.uri().scheme_str() {
            Some("http") => Ok(Self::Tunnel {
                server: proxy.uri().clone(),
                authorization: proxy.basic_auth().cloned().map(sensitive),
            }),
            Some("socks5" | "socks5h") => Ok(Self::Socks {
                server: with_port(proxy.uri(), SOCKS_PORT)?,
                login: proxy.raw_auth().map(|(user, password)| Login {
                    user: user.to_owned(),
                    password: SecretString::from(password),
                }),
            }),
            scheme => Err(ProxyError::Scheme(scheme.unwrap_or_default().to_owned())),
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Socks { server, .. } | Self::Tunnel { server, .. }) = self;
        f.debug_tuple("Proxy").field(server).finish()
    }
}

/// Which proxy is for which server.
#[derive(Debug)]
pub(crate) struct Proxies(Matcher);

impl Proxies {
    /// What the environment says now.
    pub(crate) fn from_environment() -> Self {
        Self(Matcher::from_env())
    }

    /// One for all that is not on loopback.
    #[cfg(test)]
    pub(crate) fn all(url: &str) -> Self {
        Self(Matcher::builder().all(url).build())
    }

    /// The proxy for `server`, if it is not reached without one.
    pub(crate) fn proxy(&self, server: &Uri) -> Result<Option<Proxy>, ProxyError> {
        if is_local(server) {
            return Ok(None);
        }
        self.0
            .intercept(server)
            .map(Proxy::from_intercept)
            .transpose()
    }
}

/// A user and password.
#[derive(Clone)]
pub(crate) struct Login {
    user: String,
    password: SecretString,
}

impl Login {
    pub(crate) fn user(&self) -> &str {
        &self.user
    }

    /// The password, for the one place that sends it.
    pub(crate) fn password(&self) -> &str {
        self.password.expose_secret()
    }
}

/// Why a proxy cannot be used. None of these repeats the URL, which may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// It is not a URL.
    #[error("the proxy is not a URL such as http://proxy:3128 or socks5://proxy:1080")]
    Malformed,
    /// Its scheme is not one the edge speaks.
    #[error("proxies are reached by http:// or socks5://, not by `{0}://`")]
    Scheme(String),
}

fn is_local(server: &Uri) -> bool {
    let host = server.host().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}

fn sensitive(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}

fn with_port(proxy: &Uri, port: u16) -> Result<Uri, ProxyError> {
    if proxy.port().is_some() {
        return Ok(proxy.clone());
    }
    let host = proxy.host().unwrap_or_default();
    Uri::builder()
        .scheme(proxy.scheme_str().unwrap_or_default())
        .authority(format!("{host}:{port}"))
        .path_and_query("/")
        .build()
        .map_err(|_| ProxyError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_http_proxy_is_a_tunnel_with_its_login_kept_out_of_debug() {
        let proxy = Proxy::from_url("http://edge:s3cret@proxy.example:3128").unwrap();
        let Proxy::Tunnel {
            server,
            authorization: Some(authorization),
        } = &proxy
        else {
            panic!("not a tunnel with a login: {proxy:?}");
        };
        assert_eq!(server, "http://proxy.example:3128/");
        assert_eq!(authorization, "Basic ZWRnZTpzM2NyZXQ=");
        let debug = format!("{proxy:?} {authorization:?}");
        assert!(
            !debug.contains("s3cret") && !debug.contains("ZWRn"),
            "{debug}"
        );
    }

    #[test]
    fn a_socks_proxy_has_a_default_port() {
        let proxy = Proxy::from_url("socks5://u:s3cret@proxy.example").unwrap();
        let Proxy::Socks {
            server,
            login: Some(login),
        } = &proxy
        else {
            panic!("not a SOCKS proxy with a login: {proxy:?}");
        };
        assert_eq!(server, "socks5://proxy.example:1080/");
        assert_eq!((login.user(), login.password()), ("u", "s3cret"));
        assert!(!format!("{proxy:?}").contains("s3cret"));
    }

    #[test]
    fn a_proxy_the_edge_cannot_use_is_an_error_without_its_password() {
        for url in [
            "https://u:s3cret@proxy:3128",
            "ftp://u:s3cret@proxy",
            "socks4://proxy",
            "::",
        ] {
            let error = Proxy::from_url(url).unwrap_err();
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn loopback_is_never_reached_through_a_proxy() {
        for server in [
            "https://localhost:6443",
            "https://127.0.0.1:6443",
            "https://[::1]:6443",
        ] {
            assert!(is_local(&Uri::from_static(server)), "{server}");
        }
        assert!(!is_local(&Uri::from_static("https://10.0.0.1:6443")));
    }
}
