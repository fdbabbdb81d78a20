//! `cargo xtask cluster`: a real cluster beside a shell or a command.

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::{Context, Result};
use real::{Cluster, User};
use tokio::process::Command;

#[tokio::main]
async fn main() -> ExitCode {
    run().await.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

async fn run() -> Result<ExitCode> {
    let mut words = env::args_os().skip(1);
    let shell = || env::var_os("SHELL").unwrap_or_else(|| OsString::from("sh"));
    let program = words.next().unwrap_or_else(shell);

    eprintln!("starting etcd, kube-apiserver, two Tillers and the bridge");
    let cluster = Cluster::start().await?;
    let kubeconfig = cluster.contexts();
    eprintln!(
        "ready\n\
         \x20 KUBECONFIG   {} (contexts: {})\n\
         \x20 HELM_HOST    {} (the Tiller behind the bridge; with TLS: {})\n\
         \x20 logs         {}\n\
         `tiller-edge serve` has each context for a cluster; everything ends with {}",
        kubeconfig.display(),
        User::ALL.map(User::context).join(", "),
        cluster.tiller().address(),
        cluster.tls_tiller().address(),
        cluster.folder().display(),
        program.display(),
    );
    let binaries = env::current_exe()?;
    let folders = binaries.parent().map(Into::into).into_iter();
    let path = env::var_os("PATH").unwrap_or_default();
    let status = Command::new(&program)
        .args(words)
        .env(
            "PATH",
            env::join_paths(folders.chain(env::split_paths(&path)))?,
        )
        .env("KUBECONFIG", &kubeconfig)
        .env("HELM_HOST", cluster.tiller().address())
        .env("HELM_HOME", cluster.folder().join("helm"))
        .status()
        .await
        .with_context(|| format!("{} does not start", program.display()))?;
    Ok(status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .map_or(ExitCode::FAILURE, ExitCode::from))
}
