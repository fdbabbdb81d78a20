//! The secrets of a hook, as they are now.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rules::Provider;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use super::HooksError;
use crate::config::{HookConfig, check_secret};

/// How long what was read of a file is good.
const FRESH: Duration = Duration::from_secs(10);

/// All secrets of one hook.
#[derive(Debug)]
pub(super) struct Keyring {
    written: Vec<Arc<SecretString>>,
    files: Vec<SecretFile>,
}

impl Keyring {
    /// Those of `config`, whose files must be there.
    pub(super) fn load(config: &HookConfig) -> Result<Self, HooksError> {
        let files = config.secret_files.iter();
        Ok(Self {
            written: config.secrets.iter().cloned().map(Arc::new).collect(),
            files: files
                .map(|path| SecretFile::load(config, path.clone()))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Whether there is none and never will be.
    pub(super) const fn is_empty(&self) -> bool {
        self.written.is_empty() && self.files.is_empty()
    }

    /// Those that are good now.
    pub(super) async fn current(&self) -> Vec<Arc<SecretString>> {
        let mut secrets = self.written.clone();
        for file in &self.files {
            secrets.extend(file.current().await);
        }
        secrets
    }
}

/// A file with a secret and what was last read from it. One that cannot be read any more holds none: removing it is how one
/// withdraws a secret in a hurry.
#[derive(Debug)]
struct SecretFile {
    hook: String,
    provider: Provider,
    path: PathBuf,
    last: Mutex<Read>,
}

#[derive(Clone, Debug)]
struct Read {
    secret: Option<Arc<SecretString>>,
    at: Instant,
}

impl SecretFile {
    fn load(config: &HookConfig, path: PathBuf) -> Result<Self, HooksError> {
        let text = std::fs::read_to_string(&path).map_err(|source| HooksError::SecretFile {
            hook: config.name.clone(),
            path: path.clone(),
            source,
        })?;
        let secret = secret_in(config.provider, text).map_err(|why| HooksError::NoSecret {
            hook: config.name.clone(),
            path: path.clone(),
            why,
        })?;
        let last = Mutex::new(Read {
            secret: Some(secret),
            at: Instant::now(),
        });
        Ok(Self {
            hook: config.name.clone(),
            provider: config.provider,
            path,
            last,
        })
    }

    /// What the file holds, or held a moment ago.
    async fn current(&self) -> Option<Arc<SecretString>> {
        let before = {
            let mut last = self.lock();
            if last.at.elapsed() < FRESH {
                return last.secret.clone();
            }
            // Whoever comes while this is read makes do with what was there.
            last.at = Instant::now();
            last.secret.clone()
        };
        let read = match tokio::fs::read_to_string(&self.path).await {
            Ok(text) => secret_in(self.provider, text).map_err(str::to_owned),
            Err(error) => Err(error.to_string()),
        };
        if let (Err(why), Some(_)) = (&read, before) {
            tracing::warn!(
                hook = self.hook,
                path = %self.path.display(),
                why,
                "a secret of a hook is accepted no more"
            );
        }
        let secret = read.ok();
        self.lock().secret.clone_from(&secret);
        secret
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Read> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The secret in a file's text, which may end in a line break.
fn secret_in(provider: Provider, text: String) -> Result<Arc<SecretString>, &'static str> {
    let text = SecretString::from(text);
    let secret = SecretString::from(text.expose_secret().trim_end_matches(['\r', '\n']));
    check_secret(provider, &secret)?;
    Ok(Arc::new(secret))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const ONE: &str = "first-secret-of-the-hook";
    const TWO: &str = "second-secret-of-the-hook";

    fn keyring(path: &std::path::Path) -> Result<Keyring, HooksError> {
        let text = format!(
            "[[hook]]\nname = \"h\"\nprovider = \"harbor\"\nsecret_files = [{:?}]\n",
            path.display().to_string()
        );
        let config = Config::parse(&text, std::path::Path::new("/edge.toml")).expect("valid");
        let [hook] = &config.hooks[..] else {
            panic!("one hook");
        };
        Keyring::load(hook)
    }

    async fn texts(keyring: &Keyring) -> Vec<String> {
        let current = keyring.current().await;
        let texts = current.iter().map(|one| one.expose_secret().to_owned());
        texts.collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_changes_is_read_again_and_one_that_goes_takes_its_secret_along() {
        let home = tempfile::tempdir().expect("a directory");
        let path = home.path().join("secret");
        std::fs::write(&path, format!("{ONE}\n")).expect("written");
        let keyring = keyring(&path).expect("loads");
        assert_eq!(texts(&keyring).await, [ONE]);
        std::fs::write(&path, TWO).expect("written");
        tokio::time::advance(FRESH).await;
        assert_eq!(texts(&keyring).await, [TWO]);
        std::fs::remove_file(&path).expect("removed");
        assert_eq!(texts(&keyring).await, [TWO]);
        tokio::time::advance(FRESH).await;
        assert_eq!(texts(&keyring).await, Vec::<String>::new());
    }

    #[tokio::test]
    async fn an_edge_does_not_start_without_the_secret_that_it_was_told_of() {
        let home = tempfile::tempdir().expect("a directory");
        let path = home.path().join("secret");
        let error = keyring(&path).expect_err("not there").to_string();
        assert!(error.contains("secret"), "{error}");
        std::fs::write(&path, "short").expect("written");
        let error = keyring(&path).expect_err("too short").to_string();
        assert!(
            error.contains("at least 16") && !error.contains("short:"),
            "{error}"
        );
    }
}
