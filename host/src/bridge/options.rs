//! What an operator can choose, with the defaults and their reasons.

use std::path::PathBuf;
use std::time::Duration;

/// How a bridge is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// `host:port` to listen on; without a host (`:8080`) on every address. Default `:8080`.
    pub listen: String,
    /// `host:port` of Tiller. Default `127.0.0.1:44134`, a Tiller in the same pod.
    pub tiller: String,
    /// TLS to Tiller; `None` (the default) is plain text.
    pub tls: Option<Tls>,
    /// A file of shared keys, one a line: callers must send one of them as [`KEY_HEADER`](super::KEY_HEADER).
    pub shared_key_file: Option<PathBuf>,
    /// Sizes and counts.
    pub limits: Limits,
    /// Durations.
    pub times: Times,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: ":8080".to_owned(),
            tiller: "127.0.0.1:44134".to_owned(),
            tls: None,
            shared_key_file: None,
            limits: Limits::default(),
            times: Times::default(),
        }
    }
}

/// TLS to Tiller, version 1.2 or 1.3.
#[derive(Clone, Debug)]
pub struct Tls {
    /// PEM file of the authorities that may have signed Tiller's certificate; not needed with [`Verify::Nothing`].
    pub ca: Option<PathBuf>,
    /// The client certificate a Tiller with `--tls-verify` asks for.
    pub identity: Option<Identity>,
    /// The name to ask for and to verify; by default the host of [`Options::tiller`].
    pub server_name: Option<String>,
    /// How much of Tiller's certificate is verified.
    pub verify: Verify,
}

/// A certificate and its key, as PEM files.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate, followed by intermediates if there are any.
    pub cert: PathBuf,
    /// Its private key: PKCS#8, PKCS#1 or SEC1.
    pub key: PathBuf,
}

/// How much of Tiller's certificate is verified.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Verify {
    /// That the authority signed it and its dates hold, whatever name it carries. Helm's documented openssl recipe makes
    /// certificates with a common name only, and of X.509 version 1, which no current verifier takes by name.
    Ca,
    /// All of it: signature, dates and the server name.
    #[default]
    CaAndName,
    /// Nothing: the connection is encrypted, but to whom is unknown. What `helm --tls` does.
    Nothing,
}

/// Sizes in bytes and counts.
#[derive(Clone, Debug)]
pub struct Limits {
    /// One request message. Default 20 MiB, what Tiller takes, and 64 KiB more, so that Tiller itself can refuse.
    pub request: usize,
    /// One message of an answer. Default 32 MiB: Tiller sends up to 20 MiB, and its list chunks may overshoot.
    pub answer: usize,
    /// Tiller's header list, trailers included. Default 8 MiB: the message of a failed dry run carries the whole
    /// manifest, and Tiller resets the stream without a status if the list is larger than this.
    pub headers: u32,
    /// Calls under way at once. Default 256. Each may hold a request or an answer message in memory.
    pub calls: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request: tiller_api::MAX_MESSAGE + 64 * 1024,
            answer: tiller_api::MAX_ANSWER,
            headers: 8 * 1024 * 1024,
            calls: 256,
        }
    }
}

/// Durations. A call as a whole has no limit but its own `grpc-timeout`.
#[derive(Clone, Debug)]
pub struct Times {
    /// Reaching Tiller, TLS handshake included. Default 10 s.
    pub connect: Duration,
    /// A connection without a request. Default 150 s: the APIServer keeps idle connections for 90 s and does not repeat
    /// a request that meets a closed one, so this must be longer.
    pub idle: Duration,
    /// How long a connection to Tiller is trusted after its last call began. Default 60 s.
    pub reuse: Duration,
    /// A request body that brings no byte. Default 60 s.
    pub read: Duration,
    /// From the signal to leave until nothing new is taken, so that endpoints can be updated first. Default 3 s.
    pub linger: Duration,
    /// From then until calls under way are broken off. Default 5 min, Helm's own default for an operation.
    pub drain: Duration,
    /// Asking Tiller whether it is ready. Default 2 s.
    pub ready: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(150),
            reuse: Duration::from_secs(60),
            read: Duration::from_secs(60),
            linger: Duration::from_secs(3),
            drain: Duration::from_secs(300),
            ready: Duration::from_secs(2),
        }
    }
}
