//! A private view of the machine's Debian mirror: apt's own tools with lists
//! and cache in a folder of ours, so that neither root nor a change to the
//! machine is needed. The mirror's address and key are read from apt's own
//! sources, in both formats that they are written in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow};

use crate::command::{output, run};

const SOURCES: &str = "/etc/apt";

/// apt's default when a source names no key.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// What Debian calls the releases in use.
const SUITES: [&str; 9] = [
    "bullseye",
    "bookworm",
    "trixie",
    "forky",
    "sid",
    "oldstable",
    "stable",
    "testing",
    "unstable",
];

/// apt, reading one suite of the machine's mirror.
pub(super) struct Apt {
    folder: PathBuf,
}

impl Apt {
    /// Fetches the suite's package lists into `folder`.
    pub(super) fn private(folder: &Path, suite: &str) -> Result<Self> {
        for needed in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(folder.join(needed))
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        fs::write(folder.join("apt.conf"), configuration(folder))?;
        let apt = Self {
            folder: folder.to_owned(),
        };
        let mut last = anyhow!("{SOURCES} names no Debian mirror with the component `main`");
        for mirror in Mirror::of_machine(Path::new(SOURCES)) {
            fs::write(folder.join("sources.list"), mirror.line(suite))?;
            match run(apt.tool("apt-get").arg("update")) {
                Ok(()) => return Ok(apt),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// The versions of a package, newest first.
    pub(super) fn versions(&self, package: &str) -> Result<Vec<String>> {
        let table = output(self.tool("apt-cache").args(["madison", package]))?;
        let version = |line: &str| Some(line.split('|').nth(1)?.trim().to_owned());
        Ok(table.lines().filter_map(version).collect())
    }

    /// Downloads `name` or `name=version`, and tells where the `.deb` is.
    pub(super) fn download(&self, package: &str) -> Result<PathBuf> {
        let into = self
            .folder
            .join(package.split('=').next().unwrap_or(package));
        fs::create_dir_all(&into)?;
        run(self
            .tool("apt-get")
            .current_dir(&into)
            .args(["download", package]))?;
        let file = fs::read_dir(&into)?
            .next()
            .context("apt-get left no file")??;
        Ok(file.path())
    }

    fn tool(&self, name: &str) -> Command {
        let mut tool = Command::new(name);
        tool.arg("-c").arg(self.folder.join("apt.conf"));
        tool
    }
}

fn configuration(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        r#"// What the machine does after its own updates.
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Dir::Etc::SourceList "{folder}/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::State::Lists "{folder}/lists";
Dir::Cache "{folder}/cache";
Acquire::Languages "none";
// Else a mirror that does not answer is only a warning.
APT::Update::Error-Mode "any";
// As root apt would drop to a user that cannot read the folder.
APT::Sandbox::User "root";
Debug::NoLocking "1";
quiet "1";
"#
    )
}

/// The Debian mirror of this machine: where it is, and the key of its lists.
#[derive(Debug, PartialEq)]
struct Mirror {
    uri: String,
    key: String,
}

impl Mirror {
    /// Every source that may be one, in the order of their files' names:
    /// other people's repositories may call their suites as Debian does.
    fn of_machine(folder: &Path) -> Vec<Self> {
        let mut files = vec![folder.join("sources.list")];
        if let Ok(entries) = fs::read_dir(folder.join("sources.list.d")) {
            files.extend(entries.flatten().map(|entry| entry.path()));
        }
        files.sort();
        let mirrors = |file: PathBuf| {
            let text = fs::read_to_string(&file).unwrap_or_default();
            match file.extension().and_then(|extension| extension.to_str()) {
                Some("sources") => Self::from_stanzas(&text),
                Some("list") => Self::from_lines(&text),
                _ => Vec::new(),
            }
        };
        let mut found: Vec<_> = files.into_iter().flat_map(mirrors).collect();
        found.dedup();
        found
    }

    /// The deb822 format: stanzas of `Field: value`, values continued on
    /// indented lines.
    fn from_stanzas(text: &str) -> Vec<Self> {
        let mirror = |stanza: &str| {
            let field = |name: &str| {
                let mut words = Vec::new();
                let mut inside = false;
                for line in stanza.lines().filter(|line| !line.starts_with('#')) {
                    let value = if line.starts_with([' ', '\t']) {
                        inside.then_some(line)
                    } else {
                        let field = line.split_once(':');
                        inside =
                            field.is_some_and(|(key, _)| key.trim().eq_ignore_ascii_case(name));
                        field.filter(|_| inside).map(|(_, value)| value)
                    };
                    words.extend(value.into_iter().flat_map(str::split_whitespace));
                }
                words
            };
            if field("Enabled") == ["no"] {
                return None;
            }
            let types = field("Types");
            // A key may also stand in the file itself; apt's default serves then.
            let key = field("Signed-By")
                .into_iter()
                .find(|word| word.starts_with('/'));
            Self::choose(
                &types,
                field("URIs").first()?,
                &field("Suites"),
                &field("Components"),
                key,
            )
        };
        text.split("\n\n").filter_map(mirror).collect()
    }

    /// The one-line format: `deb [options] uri suite component…`.
    fn from_lines(text: &str) -> Vec<Self> {
        let mirror = |line: &str| {
            let line = line.split('#').next()?.trim();
            let (kind, rest) = line.split_once(char::is_whitespace)?;
            let rest = rest.trim_start();
            let (options, rest) = match rest.strip_prefix('[') {
                Some(rest) => rest.split_once(']')?,
                None => ("", rest),
            };
            let key = options
                .split_whitespace()
                .find_map(|option| option.strip_prefix("signed-by="));
            let words: Vec<_> = rest.split_whitespace().collect();
            let (uri, words) = words.split_first()?;
            let (suite, components) = words.split_first()?;
            Self::choose(&[kind], uri, &[suite], components, key)
        };
        text.lines().filter_map(mirror).collect()
    }

    /// Security updates, with suites of other names, lie elsewhere than the
    /// archive that has backports.
    fn choose(
        types: &[&str],
        uri: &str,
        suites: &[&str],
        components: &[&str],
        key: Option<&str>,
    ) -> Option<Self> {
        let debian = suites.iter().any(|suite| SUITES.contains(suite));
        let fits = types.contains(&"deb") && debian && components.contains(&"main");
        fits.then(|| Self {
            uri: uri.to_owned(),
            key: key.unwrap_or(KEYRING).to_owned(),
        })
    }

    fn line(&self, suite: &str) -> String {
        let Self { uri, key } = self;
        format!("deb [signed-by={key}] {uri} {suite} main\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mirror(uri: &str, key: &str) -> Vec<Mirror> {
        vec![Mirror {
            uri: uri.to_owned(),
            key: key.to_owned(),
        }]
    }

    #[test]
    fn the_mirror_is_read_from_stanzas() {
        let text = "# comment\nTypes: deb\nURIs: http://security.test/debian-security\n\
                    Suites: bookworm-security\nComponents: main\n\n\
                    Types: deb\n# another comment\nURIs: http://mirror.test/debian\n\
                    Suites: bookworm\n bookworm-updates\nComponents: main contrib\n\
                    Signed-By: /keys/debian.gpg\n";
        let expected = mirror("http://mirror.test/debian", "/keys/debian.gpg");
        assert_eq!(Mirror::from_stanzas(text), expected);
    }

    #[test]
    fn the_mirror_is_read_from_lines() {
        let text = "# deb http://old.test/debian bookworm main\n\
                    deb-src http://source.test/debian bookworm main\n\
                    deb http://other.test/tool bookworm tool\n\
                    deb [arch=amd64 signed-by=/k.asc] http://mirror.test/debian bookworm main # own\n";
        assert_eq!(
            Mirror::from_lines(text),
            mirror("http://mirror.test/debian", "/k.asc")
        );
    }

    #[test]
    fn a_source_without_a_key_uses_debians_own() {
        let text = "deb http://mirror.test/debian trixie main\n";
        assert_eq!(
            Mirror::from_lines(text),
            mirror("http://mirror.test/debian", KEYRING)
        );
        let text = "Types: deb\nURIs: http://mirror.test/debian\nSuites: trixie\n\
                    Components: main\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQ\n";
        assert_eq!(
            Mirror::from_stanzas(text),
            mirror("http://mirror.test/debian", KEYRING)
        );
    }

    #[test]
    fn disabled_and_foreign_sources_are_passed_over() {
        let text = "Enabled: no\nTypes: deb\nURIs: http://mirror.test/debian\n\
                    Suites: trixie\nComponents: main\n";
        assert_eq!(Mirror::from_stanzas(text), []);
        assert_eq!(Mirror::from_lines("deb http://flat.test/ ./\n"), []);
        assert_eq!(
            Mirror::from_lines("deb http://other.test/ nodistro main\n"),
            []
        );
    }

    #[test]
    fn a_machine_without_sources_has_no_mirror() {
        assert_eq!(Mirror::of_machine(Path::new("/nonexistent")), []);
    }
}
