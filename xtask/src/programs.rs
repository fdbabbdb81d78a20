//! The real cluster's programs, built from their Go modules once and kept
//! outside `target/` until a module or this list changes.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::command::{cache, root, run};

/// The folders that hold the programs.
pub(crate) struct Programs {
    folders: Vec<PathBuf>,
}

/// Builds whatever is not built yet.
pub(crate) fn build() -> Result<Programs> {
    let modules = root().join("tests/cluster");
    let mut folders = Vec::new();
    for module in &MODULES {
        let source = modules.join(module.folder);
        let text = fs::read_to_string(source.join("go.mod"))
            .with_context(|| format!("cannot read {}", source.join("go.mod").display()))?;
        let flags = link_flags(module, &text);
        let key = key(&source, &flags)?;
        let folder = cache()?
            .join("programs")
            .join(format!("{}-{key:016x}", module.folder));
        for (name, package) in module.programs {
            compile(&source, package, &flags, &folder.join(name))?;
        }
        folders.push(folder);
    }
    folders.push(senders(&modules.join("senders"))?);
    Ok(Programs { folders })
}

/// The public SDKs of webhooks' senders, with the program that uses them.
fn senders(source: &Path) -> Result<PathBuf> {
    const PROGRAM: &str = "sender";
    let key = key(source, "")?;
    let folder = cache()?
        .join("programs")
        .join(format!("senders-{key:016x}"));
    let program = folder.join(PROGRAM);
    if program.is_file() {
        eprintln!("    {} is there", program.display());
        return Ok(folder);
    }
    run(Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--no-warn-conflicts"])
        .args(["--disable-pip-version-check", "--root-user-action=ignore"])
        .arg("--target")
        .arg(folder.join("packages"))
        .arg("--requirement")
        .arg(source.join("requirements.txt")))?;
    fs::copy(source.join(PROGRAM), &program)
        .with_context(|| format!("cannot keep {}", program.display()))?;
    Ok(folder)
}

impl Programs {
    /// Gives a command the programs on the PATH.
    pub(crate) fn on_path<'c>(&self, command: &'c mut Command) -> Result<&'c mut Command> {
        let path = env::var_os("PATH").unwrap_or_default();
        let folders = self.folders.iter().cloned().chain(env::split_paths(&path));
        let path = env::join_paths(folders).context("the cache's path holds a colon")?;
        Ok(command.env("PATH", path))
    }

    /// Makes cargo run what it builds inside a network namespace that has
    /// loopback and the cluster's address and ends with the program, with the
    /// programs on the PATH.
    pub(crate) fn in_namespace<'c>(&self, cargo: &'c mut Command) -> Result<&'c mut Command> {
        self.on_path(cargo.args(["--config", "target.'cfg(unix)'.runner = 'netns'"]))
    }
}

/// One Go module under `tests/cluster/` and what is built from it.
struct Module {
    folder: &'static str,
    /// The file name of each program, and its package.
    programs: &'static [(&'static str, &'static str)],
    /// The module whose version the programs report, and the variables that
    /// hold it.
    version: Option<(&'static str, &'static [&'static str])>,
}

const MODULES: [Module; 7] = [
    Module {
        folder: "netns",
        programs: &[("netns", ".")],
        version: None,
    },
    Module {
        folder: "helm2",
        programs: &[
            ("helm", "k8s.io/helm/cmd/helm"),
            ("tiller", "k8s.io/helm/cmd/tiller"),
        ],
        version: Some(("k8s.io/helm", &["k8s.io/helm/pkg/version.Version"])),
    },
    Module {
        folder: "helm3",
        programs: &[("helm3", "helm.sh/helm/v3/cmd/helm")],
        version: None,
    },
    Module {
        folder: "kubernetes",
        programs: &[
            ("etcd", "go.etcd.io/etcd/server/v3"),
            ("kubectl", "k8s.io/kubernetes/cmd/kubectl"),
            ("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
        ],
        version: Some((
            "k8s.io/kubernetes",
            &[
                "k8s.io/component-base/version.gitVersion",
                "k8s.io/client-go/pkg/version.gitVersion",
            ],
        )),
    },
    Module {
        folder: "nats",
        programs: &[("nats-server", "github.com/nats-io/nats-server/v2")],
        version: None,
    },
    Module {
        folder: "oidc",
        programs: &[("oidc", ".")],
        version: None,
    },
    Module {
        folder: "registry",
        programs: &[(
            "registry",
            "github.com/distribution/distribution/v3/cmd/registry",
        )],
        version: None,
    },
];

fn compile(module: &Path, package: &str, link: &str, program: &Path) -> Result<()> {
    if program.is_file() {
        eprintln!("    {} is built", program.display());
        return Ok(());
    }
    let partial = program.with_extension("partial");
    run(Command::new("go")
        .current_dir(module)
        .args([
            "build",
            "-trimpath",
            "-buildvcs=false",
            "-mod=readonly",
            "-ldflags",
            link,
            "-o",
        ])
        .args([partial.as_os_str(), package.as_ref()])
        .env("CGO_ENABLED", "0")
        .env_remove("GOFLAGS"))?;
    fs::rename(&partial, program).with_context(|| format!("cannot keep {}", program.display()))
}

/// The programs are told their version by the linker, as their own builds do.
fn link_flags(module: &Module, go_mod: &str) -> String {
    let mut flags = "-s -w".to_owned();
    if let Some((name, variables)) = module.version
        && let Some(version) = version(go_mod, name)
    {
        let (major, minor) = version
            .trim_start_matches('v')
            .split_once('.')
            .unwrap_or((version, ""));
        let minor = minor.split('.').next().unwrap_or_default();
        for variable in variables {
            flags.push_str(&format!(" -X {variable}={version}"));
            if let Some(package) = variable.strip_suffix(".gitVersion") {
                flags.push_str(&format!(
                    " -X {package}.gitMajor={major} -X {package}.gitMinor={minor}"
                ));
            } else if let Some(package) = variable.strip_suffix(".Version") {
                flags.push_str(&format!(" -X {package}.BuildMetadata="));
            }
        }
    }
    flags
}

fn version<'m>(go_mod: &'m str, module: &str) -> Option<&'m str> {
    go_mod
        .lines()
        .find_map(|line| {
            let mut words = line
                .trim()
                .trim_start_matches("require ")
                .split_whitespace();
            let found = words.next() == Some(module);
            words.next().filter(|word| found && word.starts_with('v'))
        })
        .map(|version| version.trim_end_matches("+incompatible"))
}

/// Names one state of a module's files and flags (64-bit FNV-1a: stable, and
/// nobody gains by a collision).
fn key(module: &Path, flags: &str) -> Result<u64> {
    let mut files: Vec<_> = fs::read_dir(module)
        .with_context(|| format!("cannot read {}", module.display()))?
        .collect::<std::io::Result<Vec<_>>>()?
        .into_iter()
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |bytes: &[u8]| {
        for byte in bytes.iter().chain(&[0]) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    add(flags.as_bytes());
    for file in files {
        let name = file.file_name().unwrap_or_default();
        add(name.as_encoded_bytes());
        add(&fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?);
    }
    Ok(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GO_MOD: &str = "module m\n\nrequire (\n\tk8s.io/helm v2.17.0+incompatible // indirect\n\
                          \tk8s.io/kubernetes v1.35.4\n)\n";

    #[test]
    fn programs_are_told_the_version_their_module_has() {
        let flags = |module: &Module| link_flags(module, GO_MOD);
        let [netns, helm, helm3, kubernetes, nats, oidc, registry] = &MODULES;
        assert_eq!(flags(netns), "-s -w");
        assert_eq!(flags(helm3), "-s -w");
        assert_eq!(flags(nats), "-s -w");
        assert_eq!(flags(oidc), "-s -w");
        assert_eq!(flags(registry), "-s -w");
        assert_eq!(
            flags(helm),
            "-s -w -X k8s.io/helm/pkg/version.Version=v2.17.0 -X k8s.io/helm/pkg/version.BuildMetadata="
        );
        assert!(flags(kubernetes).contains("version.gitVersion=v1.35.4"));
        assert!(
            flags(kubernetes)
                .contains("version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=35")
        );
    }

    #[test]
    fn another_flag_or_file_is_another_key() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let one = key(folder, "-s").unwrap();
        assert_eq!(one, key(folder, "-s").unwrap());
        assert_ne!(one, key(folder, "-w").unwrap());
        assert_ne!(one, key(&folder.join("src"), "-s").unwrap());
    }
}
