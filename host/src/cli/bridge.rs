//! The flags of `tiller-edge bridge`. It runs in a cluster where a file is a burden, so all of it is on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::bridge::{Identity, Limits, Options, Times, Tls, Verify};
use crate::config::{Size, parse_duration};

/// What `tiller-edge bridge` takes.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tiller-edge bridge --tiller 127.0.0.1:44134 --listen :8080
  tiller-edge bridge --tiller tiller-deploy:44134 --tiller-ca ca.crt --tiller-cert tls.crt --tiller-key tls.key

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
    /// Speak TLS to Tiller; implied by the flags below
    #[arg(long)]
    tiller_tls: bool,
    /// The authorities that may have signed Tiller's certificate (PEM); needed unless nothing is verified
    #[arg(long, value_name = "FILE")]
    tiller_ca: Option<PathBuf>,
    /// The client certificate for Tiller (PEM)
    #[arg(long, value_name = "FILE", requires = "tiller_key")]
    tiller_cert: Option<PathBuf>,
    /// The key of the client certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tiller_cert")]
    tiller_key: Option<PathBuf>,
    /// The name in Tiller's certificate [default: the host of --tiller]
    #[arg(long, value_name = "NAME")]
    tiller_server_name: Option<String>,
    /// How much of Tiller's certificate is verified [default: ca-and-name]
    #[arg(long, value_name = "WHAT")]
    tiller_verify: Option<VerifyArg>,
    /// The largest request message
    #[arg(long, value_name = "SIZE", default_value_t = Size::new(Limits::default().request as u64))]
    max_request: Size,
    /// The largest message of an answer
    #[arg(long, value_name = "SIZE", default_value_t = Size::new(Limits::default().answer as u64))]
    max_answer: Size,
    /// How many calls may be under way at once
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().calls)]
    max_calls: usize,
    /// How long calls under way may go on after SIGTERM
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration)]
    drain: Duration,
}

fn duration(text: &str) -> Result<Duration, &'static str> {
    parse_duration(text).ok_or("a duration such as \"30s\" or \"5m\"")
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
        let tls = args.tiller_tls
            || args.tiller_ca.is_some()
            || args.tiller_cert.is_some()
            || args.tiller_server_name.is_some()
            || args.tiller_verify.is_some();
        let tls = tls.then(|| Tls {
            ca: args.tiller_ca,
            identity: args
                .tiller_cert
                .zip(args.tiller_key)
                .map(|(cert, key)| Identity { cert, key }),
            server_name: args.tiller_server_name,
            verify: args.tiller_verify.map_or_else(Verify::default, Into::into),
        });
        Self {
            listen: args.listen,
            tiller: args.tiller,
            tls,
            shared_key_file: args.shared_key_file,
            limits: Limits {
                request: args.max_request.length(),
                answer: args.max_answer.length(),
                calls: args.max_calls,
                ..Limits::default()
            },
            times: Times {
                drain: args.drain,
                ..Times::default()
            },
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
