//! The flags of `tiller-edge bridge`. It runs in a cluster where a file is a burden, so all of it is on the command line.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::bridge::{Identity, Options, Tls, Verify};

/// What `tiller-edge bridge` takes.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tiller-edge bridge --tiller 127.0.0.1:44134 --listen :8080
  tiller-edge bridge --tiller tiller-deploy:44134 --tls-ca ca.crt --tls-cert tls.crt --tls-key tls.key

/healthz says that the process lives, /readyz that Tiller answers. deploy/bridge has the manifests.")]
pub(super) struct BridgeArgs {
    /// Where Tiller is
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:44134")]
    tiller: String,
    /// Where to listen; without a host on every address
    #[arg(long, value_name = "[HOST]:PORT", default_value = ":8080")]
    listen: String,
    /// A file of shared keys, one a line; only who sends one of them is served
    #[arg(long, value_name = "FILE")]
    shared_key_file: Option<PathBuf>,
    /// Speak TLS to Tiller and trust the system's authorities; implied by the other --tls flags
    #[arg(long)]
    tls: bool,
    /// The authorities that may have signed Tiller's certificate (PEM)
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,
    /// The client certificate for Tiller (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The key of the client certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// The name in Tiller's certificate [default: the host of --tiller]
    #[arg(long, value_name = "NAME")]
    tls_server_name: Option<String>,
    /// How much of Tiller's certificate is verified [default: ca-and-name]
    #[arg(long, value_name = "WHAT")]
    tls_verify: Option<VerifyArg>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum VerifyArg {
    /// The authority that signed it and its dates, whatever name it carries
    Ca,
    /// All of it
    CaAndName,
    /// Nothing: to whom the connection goes is unknown
    Nothing,
}

impl From<BridgeArgs> for Options {
    fn from(args: BridgeArgs) -> Self {
        let tls = args.tls
            || args.tls_ca.is_some()
            || args.tls_cert.is_some()
            || args.tls_server_name.is_some()
            || args.tls_verify.is_some();
        let tls = tls.then(|| Tls {
            ca: args.tls_ca,
            identity: args
                .tls_cert
                .zip(args.tls_key)
                .map(|(cert, key)| Identity { cert, key }),
            server_name: args.tls_server_name,
            verify: args.tls_verify.map_or_else(Verify::default, Into::into),
        });
        Self {
            listen: args.listen,
            tiller: args.tiller,
            tls,
            shared_key_file: args.shared_key_file,
            ..Self::default()
        }
    }
}

impl From<VerifyArg> for Verify {
    fn from(verify: VerifyArg) -> Self {
        match verify {
            VerifyArg::Ca => Self::Ca,
            VerifyArg::CaAndName => Self::CaAndName,
            VerifyArg::Nothing => Self::Nothing,
        }
    }
}
