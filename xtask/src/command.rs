//! Child processes: said before they run, streamed while they run, and a
//! missing program named with what to install.

use std::env;
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Runs a command with this process's input and output; an error if it fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    eprintln!("    $ {}", line(command));
    let status = command.status().map_err(|e| missing(command, e))?;
    if !status.success() {
        bail!("`{}` failed: {status}", line(command));
    }
    Ok(())
}

/// What a command prints, trimmed; its error output is part of the error.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|e| missing(command, e))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!(
            "`{}` failed: {}: {}",
            line(command),
            output.status,
            said.trim()
        );
    }
    let text = String::from_utf8(output.stdout)
        .with_context(|| format!("`{}` did not print text", line(command)))?;
    Ok(text.trim().to_owned())
}

/// Whether a program of this name is on the PATH.
pub(crate) fn present(program: &str) -> bool {
    let Some(path) = env::var_os("PATH") else {
        return false;
    };
    env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

/// `cargo SUBCOMMAND` in the workspace, with the very cargo that runs this
/// xtask. In CI the lock file must already be right.
pub(crate) fn cargo(subcommand: &str) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.arg(subcommand).current_dir(root());
    if env::var_os("CI").is_some() && subcommand != "fmt" {
        cargo.arg("--locked");
    }
    cargo
}

/// The workspace's folder.
pub(crate) fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_owned()
}

/// Where downloads and builds that outlive `target/` are kept:
/// `$XDG_CACHE_HOME/tiller-edge`, else `~/.cache/tiller-edge`.
pub(crate) fn cache() -> Result<PathBuf> {
    let absolute = |name| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|dir| dir.is_absolute())
    };
    let base = match absolute("XDG_CACHE_HOME") {
        Some(dir) => dir,
        None => absolute("HOME")
            .context("neither XDG_CACHE_HOME nor HOME names a folder to keep builds in")?
            .join(".cache"),
    };
    Ok(base.join("tiller-edge"))
}

fn missing(command: &Command, error: std::io::Error) -> anyhow::Error {
    let program = command.get_program().to_string_lossy().into_owned();
    if error.kind() != ErrorKind::NotFound {
        return anyhow::Error::new(error).context(format!("`{program}` does not start"));
    }
    let remedy = match program.as_str() {
        "go" => "install Go 1.26 or newer (the real cluster is built from Go modules)",
        "rustc" => "install Rust 1.95 or newer",
        "apt-get" | "apt-cache" | "dpkg" => "it is part of Debian's apt and dpkg",
        _ => "install it and put it on the PATH",
    };
    anyhow::anyhow!("`{program}` is missing: {remedy}")
}

fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let mut line = String::new();
    for word in words.map(OsStr::to_string_lossy) {
        if !line.is_empty() {
            line.push(' ');
        }
        if word.is_empty() || word.contains([' ', '"', '\'']) {
            line.push_str(&format!("{word:?}"));
        } else {
            line.push_str(&word);
        }
    }
    // The path of cargo itself says nothing to a reader.
    match line.split_once(' ') {
        Some((program, rest)) if program.ends_with("/cargo") => format!("cargo {rest}"),
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_named_with_what_to_install() {
        let error = missing(&Command::new("go"), ErrorKind::NotFound.into());
        assert_eq!(
            error.to_string(),
            "`go` is missing: install Go 1.26 or newer (the real cluster is built from Go modules)"
        );
    }

    #[test]
    fn a_failing_command_is_repeated_in_its_error() {
        let error = output(Command::new("sh").args(["-c", "echo why >&2; exit 3"])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`sh -c \"echo why >&2; exit 3\"` failed: exit status: 3: why"
        );
    }
}
