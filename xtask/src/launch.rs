//! What the repository's own programs show: the benchmarks, the demo and the two clusters.
//!
//! The programs belong to the `tests` crate, which has HTTP and TLS; here they
//! are only built, put into their namespace and started.

use std::ffi::OsStr;
use std::process::Command;

use anyhow::Result;

use crate::command::{cargo, run};
use crate::parts::Parts;
use crate::{programs, wasm};

/// Builds `tiller-edge`.
pub(crate) fn build_host() -> Result<()> {
    run(cargo("build").args(["--package", "tiller-edge"]))
}

/// `cargo xtask bench`.
pub(crate) fn bench() -> Result<()> {
    run(cargo("bench").args(["--package", "charts", "--bench", "index"]))?;
    wasm::components(&wasm::COMPONENTS)?;
    let benches = ["--bench", "grants", "--bench", "deliveries"];
    run(cargo("bench").args(["--package", "tests"]).args(benches))
}

/// `cargo xtask demo`.
pub(crate) fn demo(real: bool, exit: bool) -> Result<()> {
    let mut parts = Parts::new();
    parts.run("wasm target", &[], wasm::target);
    parts.run("components", &["wasm target"], || {
        wasm::build(&wasm::COMPONENTS)
    });
    parts.run("host", &[], build_host);
    let mut demo = cargo("run");
    demo.args(["--quiet", "--package", "tests", "--bin", "demo"]);
    if real {
        parts.run("real programs", &[], || {
            programs::build()?.in_namespace(&mut demo).map(drop)
        });
    }
    demo.arg("--");
    demo.args(real.then_some("--real"))
        .args(exit.then_some("--exit"));
    let needs: &[&str] = match real {
        true => &["components", "host", "real programs"],
        false => &["components", "host"],
    };
    parts.run("demo", needs, || run(&mut demo));
    parts.finish()
}

/// `cargo xtask cluster`.
pub(crate) fn cluster(command: &[String]) -> Result<()> {
    // So that `tiller-edge serve` works in its shell.
    wasm::components(&wasm::COMPONENTS)?;
    build_host()?;
    let mut cluster = bin("real", "real");
    programs::build()?.in_namespace(&mut cluster)?;
    run(cluster.arg("--").args(command))
}

/// `cargo xtask sim`.
pub(crate) fn sim(arguments: &[String]) -> Result<()> {
    run(bin("tests", "sim").arg("--").args(arguments))
}

fn bin(package: impl AsRef<OsStr>, name: impl AsRef<OsStr>) -> Command {
    let mut run = cargo("run");
    run.arg("--quiet")
        .arg("--package")
        .arg(package)
        .arg("--bin")
        .arg(name);
    run
}
