//! The one binary.

use std::process::ExitCode;

use clap::Parser;
use tiller_edge::cli::Cli;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("tiller-edge: {error:#}");
            ExitCode::FAILURE
        }
    }
}
