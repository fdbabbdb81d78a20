//! The target's standard library from Debian's source packages.
//!
//! Debian packages the sources of the newer compilers (`rust-src`) and the C
//! library of WASI (`wasi-libc`) in the backports suite. Both fit any machine,
//! so the mirror that this machine uses already has them, whatever release it
//! runs. The machine's own apt is left as it is: lists, cache and unpacked
//! files lie in a folder of ours, and nothing needs root but a sysroot that
//! belongs to root.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::TARGET;
use super::apt::Apt;
use crate::command::{cache, output, run};

/// The suite that carries the newest compilers' sources.
const SUITE: &str = "trixie-backports";

/// What the linker takes from wasi-libc.
const SELF_CONTAINED: [&str; 3] = ["crt1-command.o", "crt1-reactor.o", "libc.a"];

/// Builds the target's libraries for the rustc in use, and puts them where it
/// looks for them. What was built once for a compiler is kept and only copied.
pub(super) fn install(libraries: &Path) -> Result<()> {
    let compiler = Compiler::in_use()?;
    let folder = cache()?.join(TARGET);
    let kept = folder.join(&compiler.identity);
    if !kept.is_dir() {
        let work = folder.join(format!("{}.work", compiler.identity));
        clear(&work)?;
        build(&compiler, &work)?;
        fs::rename(work.join("lib"), &kept)
            .with_context(|| format!("cannot keep {}", kept.display()))?;
        clear(&work)?;
    }
    place(&kept, libraries)
}

/// The rustc in use: its release, and what no other build of it shares.
struct Compiler {
    release: String,
    identity: String,
}

impl Compiler {
    fn in_use() -> Result<Self> {
        let text = output(Command::new("rustc").arg("-vV"))?;
        let field = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
                .with_context(|| format!("`rustc -vV` names no {name}"))
        };
        let release = field("release")?;
        let commit = field("commit-hash")?;
        let host = field("host")?;
        let identity = format!("{release}-{}-{host}", commit.get(..9).unwrap_or(commit));
        Ok(Self {
            release: release.to_owned(),
            identity,
        })
    }
}

/// Leaves the finished library folder in `work/lib`.
fn build(compiler: &Compiler, work: &Path) -> Result<()> {
    let apt = Apt::private(&work.join("apt"), SUITE)?;
    let release = format!("{}+", compiler.release);
    let sources = apt
        .versions("rust-src")?
        .into_iter()
        .find(|version| version.starts_with(&release));
    let Some(sources) = sources else {
        bail!("{SUITE} has no rust-src of {}", compiler.release);
    };

    let unpacked = work.join("unpacked");
    for package in [format!("rust-src={sources}"), "wasi-libc".to_owned()] {
        let file = apt.download(&package)?;
        run(Command::new("dpkg").arg("-x").arg(file).arg(&unpacked))?;
    }

    let libc = unpacked.join("usr/lib").join(TARGET);
    let library = unpacked.join(format!("usr/src/rustc-{}/library", compiler.release));
    let built = compile(&library, &libc, &work.join("target"))?;

    let lib = work.join("lib");
    copy(&built, &lib, |name| name.ends_with(".rlib"))?;
    copy(&libc, &lib.join("self-contained"), |name| {
        SELF_CONTAINED.contains(&name)
    })
}

/// Compiles the standard library as rustc's own build does, and tells where
/// its `.rlib` files are.
fn compile(library: &Path, libc: &Path, target: &Path) -> Result<PathBuf> {
    let flags = format!(
        "-Zforce-unstable-if-unmarked -Cembed-bitcode=yes -Lnative={}",
        libc.display()
    );
    run(Command::new("cargo")
        .current_dir(library)
        .args(["build", "--locked", "--release", "--target", TARGET])
        .args(["--package", "sysroot", "--no-default-features"])
        .args(["--features", "panic-unwind,compiler-builtins-mem"])
        .env("CARGO_TARGET_DIR", target)
        .env("RUSTFLAGS", flags)
        // The released compiler refuses the standard library's own features otherwise.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("__CARGO_DEFAULT_LIB_METADATA", "stablestd")
        .env_remove("CARGO_ENCODED_RUSTFLAGS"))?;
    Ok(target.join(TARGET).join("release/deps"))
}

/// Copies the kept folder beside its place and renames it there, so that no
/// compiler ever sees half of it.
fn place(kept: &Path, libraries: &Path) -> Result<()> {
    let target = libraries
        .parent()
        .context("rustc names no library folder")?;
    let partial = target.join("lib.partial");
    let put = || -> Result<()> {
        clear(&partial)?;
        copy(kept, &partial, |name| name.ends_with(".rlib"))?;
        copy(
            &kept.join("self-contained"),
            &partial.join("self-contained"),
            |_| true,
        )?;
        clear(libraries)?;
        Ok(fs::rename(&partial, libraries)?)
    };
    put().with_context(|| {
        format!(
            "cannot write {}: run this as the owner of the Rust installation",
            target.display()
        )
    })
}

fn copy(from: &Path, to: &Path, wanted: impl Fn(&str) -> bool) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    let entries = fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        if entry.file_type()?.is_file() && name.to_str().is_some_and(&wanted) {
            fs::copy(entry.path(), to.join(&name))
                .with_context(|| format!("cannot copy {}", entry.path().display()))?;
        }
    }
    Ok(())
}

fn clear(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}
