//! TLS on the connections of callers.
//!
//! Certificate, key, authorities and revocation lists stand in files that others replace under a running edge. They are
//! read every few seconds and compared; what changed is used from the next connection on, and what cannot be used leaves
//! the last that could in place. Connections that are open stay open, save those whose client certificate is accepted no
//! more: whoever was revoked must not go on for as long as it keeps its connection.
//!
//! Where client certificates are asked for, no session is resumed: a resumed one vouches for a certificate that was
//! verified some time ago, against lists of that time.

mod clear_text;
mod clients;
mod error;
mod inspect;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::SingleCertAndKey;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use self::clients::{Clients, ClientsMaterial};
use crate::config::Config;
use crate::net::{Causes, Identity, IdentitySource, Pem};

pub(super) use self::clients::Shown;
pub use self::error::TlsError;

/// How soon a change in a file is seen.
const LOOK: Duration = Duration::from_secs(2);

/// What HTTP is spoken, the preferred first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// TLS as it is configured.
#[derive(Debug)]
pub struct Tls {
    source: Source,
    hsts: Option<HeaderValue>,
    current: watch::Sender<Arc<Current>>,
}

/// The files.
#[derive(Debug)]
struct Source {
    identity: IdentitySource,
    clients: Option<Clients>,
}

/// What the files hold.
#[derive(Debug, PartialEq)]
struct Material {
    identity: Identity,
    clients: Option<ClientsMaterial>,
}

/// What is made of it.
#[derive(Debug)]
struct Current {
    material: Material,
    config: Arc<ServerConfig>,
    clients: Option<Arc<dyn ClientCertVerifier>>,
}

/// A connection on which TLS was agreed upon.
pub(super) struct Secured {
    pub(super) stream: TlsStream<TcpStream>,
    pub(super) client: Option<Shown>,
}

impl Tls {
    /// As `config` says; none where it names no certificate.
    ///
    /// # Errors
    ///
    /// When a file cannot be read or used.
    pub async fn load(config: &Config) -> Result<Option<Self>, TlsError> {
        let (Some(certificate), Some(key)) = (&config.tls.certificate_file, &config.tls.key_file)
        else {
            return Ok(None);
        };
        let source = Source {
            identity: IdentitySource {
                certificate: Pem::File(certificate.clone()),
                key: Pem::File(key.clone()),
            },
            clients: config.certificates.as_ref().map(Clients::new),
        };
        let current = source.current(source.read().await?)?;
        inspect::key_file(key).await;
        let hsts = config.tls.hsts.and_then(|age| {
            let told = format!("max-age={}", age.as_secs());
            HeaderValue::try_from(told).ok()
        });
        Ok(Some(Self {
            source,
            hsts,
            current: watch::Sender::new(Arc::new(current)),
        }))
    }

    /// The value of `Strict-Transport-Security`, if browsers are told.
    pub(super) fn hsts(&self) -> Option<&HeaderValue> {
        self.hsts.as_ref()
    }

    /// Looks at the files from time to time, for ever.
    pub(super) async fn watch(&self) {
        let mut complaint = None;
        loop {
            sleep(LOOK).await;
            let looked = self.look().await;
            let said = looked.err().map(|error| Causes(&error).to_string());
            // Said once, not every two seconds.
            if let Some(error) = said.as_ref().filter(|_| said != complaint) {
                tracing::error!(
                    error,
                    "new TLS files cannot be used; the last good ones are"
                );
            }
            complaint = said;
        }
    }

    /// Uses what the files hold if it is something new.
    async fn look(&self) -> Result<(), TlsError> {
        let material = self.source.read().await?;
        if self.current.borrow().material == material {
            return Ok(());
        }
        let current = self.source.current(material)?;
        self.current.send_replace(Arc::new(current));
        tracing::info!("new TLS files are in use");
        Ok(())
    }

    /// Agrees on TLS with whoever opened `stream`. None, and the connection closed, if that comes to nothing or takes
    /// longer than `patience`.
    pub(super) async fn accept(
        &self,
        stream: TcpStream,
        address: SocketAddr,
        patience: Duration,
    ) -> Option<Secured> {
        match timeout(patience, self.greet(stream)).await {
            Ok(Ok(secured)) => secured,
            Ok(Err(error)) if is_about_certificate(&error) => {
                tracing::info!(peer = %address, %error, "a client certificate is refused");
                None
            }
            Ok(Err(error)) => {
                tracing::debug!(peer = %address, %error, "TLS was not agreed upon");
                None
            }
            Err(_) => {
                tracing::debug!(peer = %address, "TLS took too long");
                None
            }
        }
    }

    async fn greet(&self, mut stream: TcpStream) -> io::Result<Option<Secured>> {
        if clear_text::is_spoken(&stream).await? {
            clear_text::refuse(&mut stream).await?;
            return Ok(None);
        }
        let current = Arc::clone(&self.current.borrow());
        let acceptor = TlsAcceptor::from(Arc::clone(&current.config));
        let stream = acceptor.accept(stream).await?;
        let chain = stream.get_ref().1.peer_certificates();
        let client = chain.filter(|chain| !chain.is_empty()).map(|chain| {
            let chain: Vec<CertificateDer<'static>> =
                chain.iter().map(|one| one.clone().into_owned()).collect();
            Shown::new(chain, current, self.current.subscribe())
        });
        Ok(Some(Secured { stream, client }))
    }
}

/// Whether TLS failed for the client certificate, which is worth a line in the log: somebody is kept out.
fn is_about_certificate(error: &io::Error) -> bool {
    let error = error.get_ref().and_then(|error| error.downcast_ref());
    matches!(
        error,
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented)
    )
}

impl Source {
    async fn read(&self) -> Result<Material, TlsError> {
        Ok(Material {
            identity: self.identity.load().await.map_err(TlsError::Identity)?,
            clients: match &self.clients {
                Some(clients) => Some(clients.read().await?),
                None => None,
            },
        })
    }

    fn current(&self, material: Material) -> Result<Current, TlsError> {
        let certified = material.identity.parse().map_err(TlsError::Identity)?;
        inspect::certificate(certified.cert.first());
        let provider = Arc::new(ring::default_provider());
        let clients = match (&self.clients, &material.clients) {
            (Some(clients), Some(material)) => Some(clients.verifier(material, &provider)?),
            _ => None,
        };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Provider)?
            .with_client_cert_verifier(
                clients
                    .clone()
                    .unwrap_or_else(WebPkiClientVerifier::no_client_auth),
            )
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        if clients.is_some() {
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Ok(Current {
            material,
            config: Arc::new(config),
            clients,
        })
    }
}

#[cfg(test)]
mod tests;
