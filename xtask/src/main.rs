//! `cargo xtask`: set-up, demo and tests, one command each.
//!
//! It needs Rust, and Go for whatever touches the real cluster; everything
//! else it builds itself or names. Two dependencies only, so that it compiles
//! in seconds on a machine that has nothing yet.

mod command;
mod launch;
mod parts;
mod programs;
#[cfg(test)]
mod security;
mod suite;
mod wasm;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::suite::Ring;

fn main() -> ExitCode {
    let done = match Arguments::parse().task {
        Task::Bench => launch::bench(),
        Task::Cluster { command } => launch::cluster(&command),
        Task::Demo { real, exit } => launch::demo(real, exit),
        Task::Sim { arguments } => launch::sim(&arguments),
        Task::Test { ring } => suite::test(ring),
        Task::Wasm => wasm::components(&wasm::COMPONENTS),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Set-up, demo and tests of tiller-edge.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run the benchmarks: what things cost, as ratios to what they save
    Bench,
    /// Start a real cluster (etcd, kube-apiserver, Tiller, bridge) to play with
    ///
    /// It lives in a network namespace of its own and ends with the command,
    /// which is an interactive shell unless one is given. In it, KUBECONFIG and
    /// HELM_HOST are set, and kubectl and helm (v2) are on the PATH.
    #[command(trailing_var_arg = true)]
    Cluster {
        /// What to run beside the cluster; default: a shell
        #[arg(allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// Show the product: install, list, upgrade, roll back and delete a release over HTTP
    Demo {
        /// Through real etcd, kube-apiserver and Tiller (built from their Go modules)
        #[arg(long)]
        real: bool,
        /// End after the last step, with status 0 if every step went as expected
        #[arg(long)]
        exit: bool,
    },
    /// Start the simulated cluster on loopback; `cargo xtask sim -- --help` lists its flags
    #[command(trailing_var_arg = true)]
    Sim {
        /// Passed to the simulated cluster's program as they are
        #[arg(allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Check formatting, lints and docs, and run the tests of every ring
    Test {
        /// Run this ring's tests alone
        #[arg(long, value_enum)]
        ring: Option<Ring>,
    },
    /// Make the wasm32-wasip2 target present and build the components
    Wasm,
}
