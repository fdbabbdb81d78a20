//! What one types.
//!
//! Flags say what differs from run to run; what describes an edge is in its configuration file. A flag wins over the file.

mod bridge;
mod grants;
mod hook;
mod token;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Parser, Subcommand, ValueEnum};
use secrecy::SecretString;
use tokio::runtime::Runtime;

use crate::access::{Method, Principal};
use crate::config::{Config, LogFormat};
use crate::ingress::Tls;
use crate::{bridge as bridge_end, check, edge, log, relay};

const EXAMPLES: &str = "\
Examples:
  tiller-edge check                      what works of every cluster in your kubeconfig, and what to do about the rest
  tiller-edge serve                      answer on http://127.0.0.1:8080 for all of them
  curl http://127.0.0.1:8080/v1/clusters
  tiller-edge --config edge.toml serve   the same for the clusters that a file names
  tiller-edge token new --name alice     a token for Alice, and what to add to that file

In each cluster, beside Tiller:
  tiller-edge bridge --tiller tiller-deploy:44134

docs/configuration.md has every key of the file.";

/// One HTTP front door to the Tillers of many Kubernetes clusters.
///
/// Callers send plain REST requests; the edge carries them to Tiller in each cluster through its Kubernetes API server,
/// so that no Tiller need be reachable from outside its cluster.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "For every command")]
struct Global {
    /// The configuration file (TOML). Without one, every context of the kubeconfig is a cluster
    #[arg(
        long,
        short,
        global = true,
        value_name = "FILE",
        env = "TILLER_EDGE_CONFIG"
    )]
    config: Option<PathBuf>,
    /// What is logged: error, warn, info, debug, trace, or filters such as info,tiller_edge::relay=debug
    #[arg(long, global = true, value_name = "LEVEL", env = "TILLER_EDGE_LOG")]
    log_level: Option<String>,
    /// How a log line looks
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        env = "TILLER_EDGE_LOG_FORMAT"
    )]
    log_format: Option<LogFormat>,
    /// The kubeconfig of clusters that name none of their own [default: $KUBECONFIG, then ~/.kube/config]
    #[arg(long, global = true, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer REST requests: run the components of spin.toml and relay their calls to the clusters
    Serve(ServeArgs),
    /// Relay the calls of components that another host runs (Spin, wasmtime serve), on loopback
    Relay(RelayArgs),
    /// The end in the cluster: take grpc-web from the API server's proxy and speak gRPC to Tiller
    Bridge(Box<bridge::BridgeArgs>),
    /// Say of the configuration and of every cluster what works, and what to do about what does not
    Check(CheckArgs),
    /// Say what the grants and refusals of the configuration come to
    Grants {
        #[command(subcommand)]
        command: grants::GrantsCommand,
    },
    /// Try a hook's rules on a delivery
    Hook {
        #[command(subcommand)]
        command: hook::HookCommand,
    },
    /// Make a token for a caller, or hash one
    Token {
        #[command(subcommand)]
        command: token::TokenCommand,
    },
}

#[derive(Args, Debug)]
#[command(after_help = "\
SIGTERM or SIGINT (Ctrl-C) finishes the requests under way and ends; a second one ends at once.
/healthz says that the process lives, /readyz that it takes requests.")]
struct ServeArgs {
    /// Where to listen. Others than loopback need callers to be authenticated, and TLS [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// The Spin application whose components answer [default: spin.toml]
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
}

#[derive(Args, Debug)]
#[command(after_help = "\
The components find it through TILLER_EDGE_RELAY, http://127.0.0.1:4480 in spin.toml. A caller's own Authorization header
is used for clusters with credentials = \"caller\".")]
struct RelayArgs {
    /// Where to listen. Only a loopback address is accepted [default: 127.0.0.1:4480]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Ends with status 0 only if every cluster and repository that was checked can be used, and the files under [tls] and
[certificates].")]
struct CheckArgs {
    /// Check these clusters only, and no repositories
    #[arg(value_name = "CLUSTER")]
    clusters: Vec<String>,
    /// How the findings are printed
    #[arg(long, value_enum, default_value_t = CheckFormat::Human)]
    format: CheckFormat,
    /// The Authorization header to check clusters with that have credentials = "caller", such as "Bearer …"
    #[arg(
        long,
        value_name = "HEADER",
        env = "TILLER_EDGE_CHECK_AUTHORIZATION",
        hide_env_values = true
    )]
    authorization: Option<String>,
    /// Whom to act as at clusters that have credentials = "impersonate"
    #[arg(long = "as", value_name = "USER")]
    as_user: Option<String>,
    /// A group of that user; may be given several times
    #[arg(long = "as-group", value_name = "GROUP", requires = "as_user")]
    as_groups: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum CheckFormat {
    /// For eyes
    Human,
    /// One JSON document
    Json,
}

impl CheckArgs {
    async fn run(self, config: &Config) -> anyhow::Result<ExitCode> {
        let options = check::Options {
            clusters: self.clusters,
            authorization: self.authorization.map(SecretString::from),
            principal: self.as_user.map(|name| Principal {
                name,
                groups: self.as_groups,
                method: Method::Token,
            }),
        };
        let report = check::run(config, &options).await?;
        match self.format {
            CheckFormat::Human => print!("{report}"),
            CheckFormat::Json => println!("{:#}", report.to_json()),
        }
        Tls::load(config).await?;
        Ok(if report.passed() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

impl Cli {
    /// Does what was asked, until it is done or the process is told to end.
    ///
    /// # Errors
    ///
    /// When it cannot be started; the text says what to change.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        // The configuration may be one that a token is still missing from.
        if let Command::Token { command } = self.command {
            command.run()?;
            return Ok(ExitCode::SUCCESS);
        }
        let mut config = self.global.config()?;
        match &self.command {
            Command::Serve(args) => {
                config.listen = args.listen.unwrap_or(config.listen);
                config.manifest = args.manifest.clone().unwrap_or(config.manifest);
            }
            Command::Relay(args) => {
                config.relay.listen = args.listen.unwrap_or(config.relay.listen);
            }
            Command::Bridge(_)
            | Command::Check(_)
            | Command::Grants { .. }
            | Command::Hook { .. }
            | Command::Token { .. } => {}
        }
        config.validate()?;
        log::start(&config.log)?;
        for warning in config.warnings() {
            tracing::warn!(key = warning.key, "{}", warning.message);
        }
        let runtime = Runtime::new().context("cannot start the runtime")?;
        let done = runtime.block_on(self.command.run(config));
        // Whatever still runs is not waited for: the process was told to end.
        runtime.shutdown_background();
        done
    }
}

impl Global {
    fn config(&self) -> anyhow::Result<Config> {
        let mut config = Config::load(self.config.as_deref())?;
        if let Some(level) = &self.log_level {
            config.log.level.clone_from(level);
        }
        config.log.format = self.log_format.unwrap_or(config.log.format);
        if let Some(kubeconfig) = &self.kubeconfig {
            config.kubeconfig = Some(kubeconfig.clone());
        }
        Ok(config)
    }
}

impl Command {
    async fn run(self, config: Config) -> anyhow::Result<ExitCode> {
        match self {
            Self::Serve(_) => edge::run(config).await?,
            Self::Relay(_) => relay::run(config).await?,
            Self::Bridge(args) => bridge_end::run((*args).into()).await?,
            Self::Check(args) => return args.run(&config).await,
            Self::Grants { command } => return command.run(&config),
            Self::Hook { command } => return command.run(config).await,
            Self::Token { command } => command.run()?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_and_flag_says_what_it_is_for() {
        for command in Cli::command().get_subcommands() {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for argument in command.get_arguments() {
                assert!(
                    argument.get_help().is_some(),
                    "{} {}",
                    command.get_name(),
                    argument.get_id()
                );
            }
        }
    }

    #[test]
    fn flags_win_over_the_file() {
        let home = tempfile::tempdir().expect("a directory");
        let file = home.path().join("edge.toml");
        std::fs::write(&file, "[log]\nlevel = \"warn\"\nformat = \"json\"\n").expect("written");
        let file = file.to_str().expect("UTF-8");
        let cli = Cli::try_parse_from(["tiller-edge", "serve", "-c", file, "--log-level", "debug"])
            .expect("valid");
        let config = cli.global.config().expect("valid");
        assert_eq!(config.log.level, "debug");
        assert_eq!(config.log.format, LogFormat::Json);
    }

    #[test]
    fn an_address_others_can_reach_is_refused_from_the_command_line_too() {
        for command in ["serve", "relay"] {
            let cli = Cli::try_parse_from(["tiller-edge", command, "--listen", "0.0.0.0:8080"])
                .expect("well-formed");
            let error = cli.run().expect_err("refused").to_string();
            assert!(error.contains("is not a loopback address"), "{error}");
        }
    }
}
