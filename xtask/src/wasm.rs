//! The wasm32-wasip2 target and what is built for it.
//!
//! Where rustup cannot bring the target (no rustup, or no way to its server),
//! its standard library is built from Debian's source package of this very
//! rustc; see [`debian`].

mod apt;
mod debian;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail};

use crate::command::{cargo, output, present, root, run};

/// The target of every component.
pub(crate) const TARGET: &str = "wasm32-wasip2";

/// What `spin.toml` serves.
pub(crate) const COMPONENTS: [&str; 2] = ["releases", "webhooks"];

/// What only ring 2 serves.
pub(crate) const GUESTS: [&str; 1] = ["guests"];

/// Makes the target present, then builds the packages.
pub(crate) fn components(packages: &[&str]) -> Result<()> {
    target()?;
    build(packages)
}

/// Builds packages as components, into `target/wasm32-wasip2/component/`.
pub(crate) fn build(packages: &[&str]) -> Result<()> {
    let packages = packages.iter().flat_map(|name| ["--package", name]);
    run(wasm("build")
        .args(["--profile", "component"])
        .args(packages))
}

/// Lints everything that is built for the target, warnings as errors.
pub(crate) fn clippy() -> Result<()> {
    let packages = COMPONENTS
        .iter()
        .chain(&GUESTS)
        .flat_map(|name| ["--package", name]);
    run(wasm("clippy").args(packages).args(["--", "-D", "warnings"]))
}

/// Makes the target present: as it is, by rustup, or from Debian's sources.
///
/// # Errors
///
/// What each way said, and what to install.
pub(crate) fn target() -> Result<()> {
    let libraries = libraries()?;
    if installed(&libraries) {
        eprintln!("    {TARGET} is present in {}", libraries.display());
        return Ok(());
    }

    // Whatever was built for the target before is of another standard library, which cargo does not notice.
    let stale = folder().join(TARGET);
    if stale.exists() {
        fs::remove_dir_all(&stale).with_context(|| format!("cannot remove {}", stale.display()))?;
    }
    let rustup = match rustup() {
        Ok(()) if installed(&libraries) => return Ok(()),
        Ok(()) => anyhow!("added, but for another toolchain than the one in use"),
        Err(error) => error,
    };
    eprintln!("    rustup: {rustup:#}\n    building the target from Debian's sources instead");
    match debian::install(&libraries) {
        Ok(()) if installed(&libraries) => Ok(()),
        Ok(()) => bail!("{} still lacks the standard library", libraries.display()),
        Err(debian) => bail!(
            "the Rust target {TARGET} is missing and could not be made present\n  \
             by rustup: {rustup:#}\n  \
             from Debian's sources: {debian:#}\n\
             Install it with `rustup target add {TARGET}`, or run this on a machine with apt \
             and a Debian mirror"
        ),
    }
}

fn wasm(subcommand: &str) -> Command {
    let mut cargo = cargo(subcommand);
    cargo
        .args(["--target", TARGET, "--target-dir"])
        .arg(folder());
    cargo
}

/// `spin.toml` and the tests name this folder, whatever CARGO_TARGET_DIR says.
fn folder() -> PathBuf {
    root().join("target")
}

fn rustup() -> Result<()> {
    if !present("rustup") {
        bail!("not installed");
    }
    run(Command::new("rustup").args(["target", "add", TARGET]))
}

/// Where rustc looks for the target's libraries, there or not.
fn libraries() -> Result<PathBuf> {
    let path =
        output(Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]))?;
    Ok(PathBuf::from(path))
}

fn installed(libraries: &Path) -> bool {
    let Ok(entries) = fs::read_dir(libraries) else {
        return false;
    };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with("libstd-") && name.ends_with(".rlib")
    })
}
