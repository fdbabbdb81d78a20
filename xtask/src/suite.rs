//! `cargo xtask test`: what must hold before a change lands, in the order in
//! which a failure is cheapest to find.

use std::env;
use std::path::Path;

use anyhow::Result;
use clap::ValueEnum;

use crate::command::{cargo, present, run};
use crate::parts::Parts;
use crate::{launch, programs, wasm};

/// A ring of tests, from the pure crates outward.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub(crate) enum Ring {
    /// Pure crates: units, vectors, properties
    #[value(name = "1")]
    Pure,
    /// The host with real components against the simulated cluster
    #[value(name = "2")]
    Simulated,
    /// Real etcd, kube-apiserver and Tiller
    #[value(name = "3")]
    Real,
}

/// The crates of ring 1: no I/O, no sandbox, no cluster.
const PURE: [&str; 9] = [
    "charts",
    "client",
    "grpc-web",
    "releases",
    "rest",
    "rules",
    "tiller-api",
    "webhooks",
    "xtask",
];

/// Runs one ring, or everything.
pub(crate) fn test(ring: Option<Ring>) -> Result<()> {
    let wants = |this| ring.is_none_or(|ring| ring == this);
    let mut parts = Parts::new();

    if ring.is_none() {
        parts.run("format", &[], || {
            run(cargo("fmt").args(["--all", "--check"]))
        });
        deny(&mut parts);
    }
    if wants(Ring::Pure) {
        parts.run("ring 1", &[], || {
            run(cargo("test").args(PURE.iter().flat_map(|name| ["--package", name])))
        });
    }
    if ring != Some(Ring::Pure) {
        parts.run("wasm target", &[], wasm::target);
        parts.run("components", &["wasm target"], || {
            wasm::build(&wasm::COMPONENTS)
        });
    }
    if wants(Ring::Simulated) {
        parts.run("guests", &["wasm target"], || wasm::build(&wasm::GUESTS));
    }
    if ring.is_none() {
        lints(&mut parts);
    }
    if wants(Ring::Simulated) {
        parts.run("ring 2", &["components", "guests"], || {
            run(cargo("test").args(["--package", "tiller-edge", "--package", "tests"]))
        });
        // It takes all there is of the machine, which tests of time limits do not bear beside them.
        parts.run("survival", &["components", "guests"], || {
            let survival = ["survival::", "--", "--ignored", "--nocapture"];
            run(cargo("test")
                .args(["--package", "tests", "--test", "ring2"])
                .args(survival))
        });
    }
    if wants(Ring::Real) {
        real(&mut parts);
    }
    parts.finish()
}

fn lints(parts: &mut Parts) {
    parts.run("clippy", &[], || {
        run(cargo("clippy").args(["--all-targets", "--", "-D", "warnings"]))
    });
    parts.run("clippy (wasm)", &["wasm target"], wasm::clippy);
    parts.run("docs", &[], || {
        run(cargo("doc")
            .arg("--no-deps")
            .env("RUSTDOCFLAGS", "-D warnings"))
    });
}

fn deny(parts: &mut Parts) {
    let name = "licences and bans";
    if present("cargo-deny") {
        parts.run(name, &[], || {
            run(cargo("deny").args(["check", "bans", "licenses", "sources"]))
        });
    } else {
        parts.skip(
            name,
            "cargo-deny is not installed (`cargo install cargo-deny --locked`)",
        );
    }
}

fn real(parts: &mut Parts) {
    parts.run("real programs", &[], || programs::build().map(drop));
    parts.run("host", &[], launch::build_host);
    for (part, variable) in [
        ("ring 3, under Spin", "SPIN"),
        ("ring 3, under wasmtime", "WASMTIME"),
    ] {
        if env::var_os(variable).is_none_or(|path| !Path::new(&path).is_file()) {
            parts.skip(part, format!("${variable} names no program"));
        }
    }
    parts.run("charts against Helm", &[], || {
        run(cargo("test").args(["--package", "charts", "--", "--ignored"]))
    });
    parts.run("requests against Helm", &[], || {
        run(cargo("test")
            .args(["--package", "tiller-edge", "--lib"])
            .args(["relay::facts::oracle", "--", "--ignored"]))
    });
    parts.run("signatures against Helm", &["real programs"], || {
        let mut test = cargo("test");
        test.args(["--package", "tiller-edge", "--lib"]);
        test.args(["provenance::", "--", "--ignored", "--skip", "gnupg"]);
        run(programs::build()?.on_path(&mut test)?)
    });
    let gnupg = "signatures against GnuPG";
    if present("gpg") {
        parts.run(gnupg, &[], || {
            run(cargo("test")
                .args(["--package", "tiller-edge", "--lib"])
                .args(["gnupg", "--", "--ignored"]))
        });
    } else {
        parts.skip(gnupg, "gpg is not installed");
    }
    parts.run("ring 3", &["components", "real programs", "host"], || {
        let mut test = cargo("test");
        test.args(["--package", "tests", "--test", "ring3"]);
        run(programs::build()?.in_namespace(&mut test)?)
    });
}
