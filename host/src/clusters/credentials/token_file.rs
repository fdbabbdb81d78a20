//! A bearer token in a file.
//!
//! Kubelets rewrite projected tokens well before they expire, so a minute of delay is harmless, and a file that has
//! vanished leaves the last token in use: some agents remove what they wrote (kubernetes/kubernetes#68164).

use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tracing::warn;

use super::{Credential, CredentialsError};

/// How long what was read is good.
const FRESH: Duration = Duration::from_secs(60);

/// A token file and what was last read from it.
#[derive(Debug)]
pub(crate) struct TokenFile {
    path: PathBuf,
    last: Mutex<Option<Read>>,
}

#[derive(Debug)]
struct Read {
    credential: Credential,
    at: Instant,
}

impl TokenFile {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path,
            last: Mutex::new(None),
        }
    }

    /// The token, read again when what was read is a minute old.
    pub(super) async fn current(&self) -> Result<Credential, CredentialsError> {
        let mut last = self.last.lock().await;
        if let Some(read) = last.as_ref().filter(|read| read.at.elapsed() < FRESH) {
            return Ok(read.credential.clone());
        }
        self.read(&mut last).await
    }

    /// The token as the file has it now.
    pub(super) async fn renew(&self) -> Result<Credential, CredentialsError> {
        self.read(&mut *self.last.lock().await).await
    }

    async fn read(&self, last: &mut Option<Read>) -> Result<Credential, CredentialsError> {
        let read = tokio::fs::read_to_string(&self.path)
            .await
            .map(SecretString::from)
            .map_err(|source| CredentialsError::TokenFile {
                path: self.path.clone(),
                source,
            })
            // `echo token > file` leaves a line break that no header can carry.
            .and_then(|token| Credential::from_token(token.expose_secret().trim()));
        let credential = match (read, last.as_ref()) {
            (Ok(credential), _) => credential,
            (Err(error), Some(last)) => {
                warn!(path = %self.path.display(), %error, "keeping the last token of an unreadable token file");
                last.credential.clone()
            }
            (Err(error), None) => return Err(error),
        };
        *last = Some(Read {
            credential: credential.clone(),
            at: Instant::now(),
        });
        Ok(credential)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::Credentials;
    use super::*;

    fn token_of(credential: &Credential) -> &str {
        credential.authorization.as_ref().unwrap().to_str().unwrap()
    }

    #[tokio::test]
    async fn a_token_is_trimmed_and_kept_for_a_minute() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        fs::write(&path, "one\n").unwrap();
        let file = TokenFile::new(path.clone());
        assert_eq!(token_of(&file.current().await.unwrap()), "Bearer one");

        fs::write(&path, "two").unwrap();
        assert_eq!(token_of(&file.current().await.unwrap()), "Bearer one");
        tokio::time::pause();
        tokio::time::advance(FRESH).await;
        assert_eq!(token_of(&file.current().await.unwrap()), "Bearer two");
    }

    #[tokio::test]
    async fn after_a_refusal_the_file_is_read_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        fs::write(&path, "one").unwrap();
        let credentials = Credentials::TokenFile(TokenFile::new(path.clone()));
        let refused = credentials.current().await.unwrap();
        assert_eq!(
            credentials.renew(&refused).await.unwrap(),
            None,
            "the same token would be refused again"
        );

        fs::write(&path, "two").unwrap();
        let renewed = credentials.renew(&refused).await.unwrap().unwrap();
        assert_eq!(token_of(&renewed), "Bearer two");
    }

    #[tokio::test]
    async fn a_vanished_file_leaves_its_last_token_in_use() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        fs::write(&path, "one").unwrap();
        let file = TokenFile::new(path.clone());
        file.current().await.unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!(token_of(&file.renew().await.unwrap()), "Bearer one");
    }

    #[tokio::test]
    async fn a_file_that_never_was_is_named_in_the_error() {
        let file = TokenFile::new(PathBuf::from("/nowhere/token"));
        let error = file.current().await.unwrap_err();
        assert!(error.to_string().contains("/nowhere/token"), "{error}");
    }
}
