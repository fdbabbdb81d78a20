//! What a host that something is fetched from is shown: a login, a token, nothing.
//!
//! Files are read when their content is sent, so that a rotated password needs no restart; environment variables cannot
//! change and are read at the start. Nothing here shows a secret in `Debug`.

use std::env;
use std::io;
use std::path::PathBuf;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

/// What a host is shown.
#[derive(Clone, Debug, Default)]
pub(crate) enum Credentials {
    /// Nothing.
    #[default]
    Anonymous,
    /// A user and password.
    Basic {
        /// The user.
        username: String,
        /// The password.
        password: Secret,
    },
    /// A token.
    Bearer(Secret),
}

impl Credentials {
    /// The value of `Authorization` for the host itself.
    pub(super) async fn header(&self) -> Result<Option<HeaderValue>, CredentialsError> {
        match self {
            Self::Anonymous => Ok(None),
            Self::Basic { .. } => self.login().await,
            Self::Bearer(token) => bearer(&token.read().await?).map(Some),
        }
    }

    /// The same for one that takes a login only, such as a registry's token service.
    pub(super) async fn login(&self) -> Result<Option<HeaderValue>, CredentialsError> {
        let Self::Basic { username, password } = self else {
            return Ok(None);
        };
        let password = password.read().await?;
        let pair = SecretString::from(format!("{username}:{}", password.expose_secret()));
        let encoded = BASE64_STANDARD.encode(pair.expose_secret());
        sensitive(&SecretString::from(format!("Basic {encoded}"))).map(Some)
    }
}

/// `token` as the value of `Authorization`.
pub(super) fn bearer(token: &SecretString) -> Result<HeaderValue, CredentialsError> {
    sensitive(&SecretString::from(format!(
        "Bearer {}",
        token.expose_secret()
    )))
}

fn sensitive(text: &SecretString) -> Result<HeaderValue, CredentialsError> {
    let mut value =
        HeaderValue::from_str(text.expose_secret()).map_err(|_| CredentialsError::Unprintable)?;
    value.set_sensitive(true);
    Ok(value)
}

/// A password or token, or the file it is in.
#[derive(Clone, Debug)]
pub(crate) enum Secret {
    /// In a file that is read whenever it is needed.
    File(PathBuf),
    /// At hand.
    Text(SecretString),
}

impl Secret {
    /// The one in `file`, or in the environment's `variable`.
    pub(crate) fn load(
        file: &Option<PathBuf>,
        variable: &Option<String>,
    ) -> Result<Option<Self>, CredentialsError> {
        let Some(name) = variable else {
            return Ok(file.clone().map(Self::File));
        };
        match env::var(name) {
            Ok(text) if !text.is_empty() => Ok(Some(Self::Text(text.into()))),
            _ => Err(CredentialsError::Environment(name.clone())),
        }
    }

    /// The secret as it is now.
    pub(crate) async fn read(&self) -> Result<SecretString, CredentialsError> {
        let path = match self {
            Self::Text(text) => return Ok(text.clone()),
            Self::File(path) => path,
        };
        let text = tokio::fs::read_to_string(path)
            .await
            .map(SecretString::from)
            .map_err(|source| CredentialsError::Read {
                path: path.clone(),
                source,
            })?;
        // `echo password > file` leaves a line break that is not part of it.
        match text.expose_secret().trim_end_matches(['\r', '\n']) {
            "" => Err(CredentialsError::Empty { path: path.clone() }),
            text => Ok(text.into()),
        }
    }
}

/// Why there is no credential to send.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The file holds nothing.
    #[error("{path} is empty", path = path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The environment variable is not set, empty or not UTF-8.
    #[error("the environment variable `{0}` is not set")]
    Environment(String),
    /// The file is missing or may not be read.
    #[error("cannot read {path}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// No header can carry it.
    #[error("the credential holds characters that no header can carry")]
    Unprintable,
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test]
    async fn a_file_is_read_anew_each_time_without_its_line_break() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("password");
        let credentials = Credentials::Basic {
            username: "edge".to_owned(),
            password: Secret::File(path.clone()),
        };
        for (content, header) in [
            ("s3cret\n", "Basic ZWRnZTpzM2NyZXQ="),
            ("other", "Basic ZWRnZTpvdGhlcg=="),
        ] {
            fs::write(&path, content).unwrap();
            assert_eq!(credentials.header().await.unwrap().unwrap(), header);
        }
        fs::write(&path, "\n").unwrap();
        assert!(matches!(
            credentials.header().await,
            Err(CredentialsError::Empty { .. })
        ));
    }

    #[tokio::test]
    async fn a_token_is_no_login_and_nothing_shows_it() {
        let credentials = Credentials::Bearer(Secret::Text("s3cret".into()));
        let header = credentials.header().await.unwrap().unwrap();
        assert_eq!(header, "Bearer s3cret");
        assert!(credentials.login().await.unwrap().is_none());
        let shown = format!("{credentials:?} {header:?}");
        assert!(!shown.contains("s3cret"), "{shown}");
        let broken = Credentials::Bearer(Secret::Text("s3\ncret".into()));
        let error = broken.header().await.unwrap_err();
        assert!(!format!("{error:?}").contains("cret\""), "{error:?}");
    }
}
