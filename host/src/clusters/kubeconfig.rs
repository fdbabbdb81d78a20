//! Kubeconfigs: which file, which context, and what it says about reaching a cluster.
//!
//! kube-client reads and merges the files (`$KUBECONFIG` may list several, the first to name a thing wins) and makes the
//! paths in them absolute. Contexts are resolved here, because kube-client's own way reads certificates, environment
//! and clock at once and gives up at the first context that does not fit; an edge goes on with the others.
//!
//! Errors of the YAML reader are not passed on: they quote the text they stumbled over, and kubeconfigs hold tokens.

use std::path::{Path, PathBuf};

use kube_client::config::{AuthInfo, Cluster, Context, Kubeconfig, KubeconfigError as ReadError};

/// Reads `path`, or with none `$KUBECONFIG`, then `~/.kube/config`.
pub(super) fn read(path: Option<&Path>) -> Result<Kubeconfig, KubeconfigError> {
    match path {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    }
    .map_err(|error| KubeconfigError::from_read(path, error))
}

/// What a context names.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) cluster: Cluster,
    pub(super) user: AuthInfo,
    pub(super) namespace: Option<String>,
}

/// The cluster and user of the context called `name`.
pub(super) fn entry(kubeconfig: &Kubeconfig, name: &str) -> Result<Entry, EntryError> {
    let context = kubeconfig
        .contexts
        .iter()
        .find(|named| named.name == name)
        .and_then(|named| named.context.as_ref())
        .ok_or_else(|| EntryError::NoContext(name.to_owned()))?;
    let cluster = kubeconfig
        .clusters
        .iter()
        .find(|named| named.name == context.cluster)
        .and_then(|named| named.cluster.clone())
        .ok_or_else(|| EntryError::NoCluster(context.cluster.clone()))?;
    Ok(Entry {
        cluster,
        user: user(kubeconfig, context)?,
        namespace: context
            .namespace
            .clone()
            .filter(|namespace| !namespace.is_empty()),
    })
}

fn user(kubeconfig: &Kubeconfig, context: &Context) -> Result<AuthInfo, EntryError> {
    match context.user.as_deref() {
        None | Some("") => Ok(AuthInfo::default()),
        Some(name) => kubeconfig
            .auth_infos
            .iter()
            .find(|named| named.name == name)
            .map(|named| named.auth_info.clone().unwrap_or_default())
            .ok_or_else(|| EntryError::NoUser(name.to_owned())),
    }
}

/// Why there is no kubeconfig.
#[derive(Debug, thiserror::Error)]
pub enum KubeconfigError {
    /// Neither a file was named nor is there a home directory to look in.
    #[error("there is no kubeconfig: set `kubeconfig` in the configuration, or KUBECONFIG")]
    Nowhere,
    /// It is not YAML, or not a kubeconfig.
    #[error("{origin} is not a kubeconfig{}", position(*at))]
    Parse {
        /// The file, or the list of them.
        origin: String,
        /// Line and column, where they are known.
        at: Option<(u64, u64)>,
    },
    /// A file is missing or may not be read.
    #[error("cannot read the kubeconfig {path}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The files that `KUBECONFIG` lists are of different kinds or versions.
    #[error("the kubeconfigs of KUBECONFIG differ in kind or version and cannot be merged")]
    Unmergeable,
}

impl KubeconfigError {
    fn from_read(path: Option<&Path>, error: ReadError) -> Self {
        match error {
            ReadError::ReadConfig(source, path) => Self::Read { path, source },
            ReadError::KindMismatch | ReadError::ApiVersionMismatch => Self::Unmergeable,
            ReadError::FindPath => Self::Nowhere,
            ReadError::Parse(error) => Self::Parse {
                origin: origin(path),
                at: error
                    .location()
                    .map(|location| (location.line(), location.column())),
            },
            _ => Self::Parse {
                origin: origin(path),
                at: None,
            },
        }
    }
}

fn origin(path: Option<&Path>) -> String {
    path.map_or_else(
        || "what KUBECONFIG names".to_owned(),
        |path| path.display().to_string(),
    )
}

fn position(at: Option<(u64, u64)>) -> String {
    at.map(|(line, column)| format!(" (line {line}, column {column})"))
        .unwrap_or_default()
}

/// Why a context cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// The context names a cluster that the kubeconfig does not have.
    #[error("the kubeconfig has no cluster `{0}`")]
    NoCluster(String),
    /// The kubeconfig has no such context.
    #[error("the kubeconfig has no context `{0}`")]
    NoContext(String),
    /// The context names a user that the kubeconfig does not have.
    #[error("the kubeconfig has no user `{0}`")]
    NoUser(String),
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const TWO: &str = "
clusters: [{name: c, cluster: {server: https://c.example}}]
users: [{name: u, user: {tokenFile: token}}]
contexts:
- {name: whole, context: {cluster: c, user: u, namespace: shop}}
- {name: anonymous, context: {cluster: c}}
- {name: astray, context: {cluster: nowhere, user: u}}
- {name: stranger, context: {cluster: c, user: nobody}}
";

    fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config");
        fs::write(&path, text).unwrap();
        (directory, path)
    }

    #[test]
    fn paths_are_relative_to_the_kubeconfig() {
        let (directory, path) = written(TWO);
        let entry = entry(&read(Some(&path)).unwrap(), "whole").unwrap();
        assert_eq!(entry.namespace.as_deref(), Some("shop"));
        assert_eq!(
            entry.user.token_file,
            Some(directory.path().join("token").display().to_string())
        );
    }

    #[test]
    fn a_context_without_a_user_is_anonymous() {
        let (_directory, path) = written(TWO);
        let entry = entry(&read(Some(&path)).unwrap(), "anonymous").unwrap();
        assert!(entry.user.token_file.is_none());
    }

    #[test]
    fn what_a_context_names_must_exist() {
        let (_directory, path) = written(TWO);
        let kubeconfig = read(Some(&path)).unwrap();
        let error = |name| entry(&kubeconfig, name).map(drop).unwrap_err().to_string();
        assert_eq!(error("astray"), "the kubeconfig has no cluster `nowhere`");
        assert_eq!(error("stranger"), "the kubeconfig has no user `nobody`");
        assert_eq!(error("other"), "the kubeconfig has no context `other`");
    }

    #[test]
    fn a_broken_kubeconfig_is_located_and_not_quoted() {
        let (_directory, path) = written("users:\n- name: u\n  user: {token: [s3cret]}\n");
        let error = read(Some(&path)).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("line 3"), "{shown}");
        assert!(!shown.contains("s3cret"), "{shown}");
    }

    #[test]
    fn a_missing_kubeconfig_is_named() {
        let error = read(Some(Path::new("/nowhere/config"))).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot read the kubeconfig /nowhere/config"
        );
    }
}
