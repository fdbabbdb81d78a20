//! Asking the cluster whether the caller may.
//!
//! Where the APIServer knows the caller by its own credentials or because the edge acts as it, the caller asks for
//! itself, and what is heard is what a call of its own would have met. Elsewhere the edge asks about the caller by name.

use std::collections::{BTreeMap, BTreeSet};

use futures::stream::{self, StreamExt, TryStreamExt};
use rest::problem::Refused;
use tokio::time::Instant;

use super::ManifestError;
use super::needs::Need;
use crate::clusters::{Attributes, Behalf, Cluster, Permission, Subject};
use crate::config::CredentialSource;

/// How many reviews are asked for at once.
const AT_ONCE: usize = 16;

/// Which of `needs` the cluster refuses.
pub(super) async fn refused(
    cluster: &Cluster,
    behalf: &Behalf<'_>,
    needs: &BTreeSet<Need>,
    deadline: Instant,
) -> Result<Vec<Refused>, ManifestError> {
    let reviewer = Reviewer::new(cluster, behalf)?;
    let different: BTreeSet<&Attributes> = needs.iter().map(|need| &need.attributes).collect();
    let asked: Vec<_> = different
        .into_iter()
        .map(|attributes| reviewer.ask(attributes, deadline))
        .collect();
    let verdicts: BTreeMap<&Attributes, Permission> = stream::iter(asked)
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    let refused = needs.iter().filter_map(|need| {
        let Permission::Denied { reason } = verdicts.get(&need.attributes)? else {
            return None;
        };
        let attributes = &need.attributes;
        Some(Refused {
            api_version: need.api_version.clone(),
            kind: need.kind.clone(),
            namespace: Some(attributes.namespace.clone()).filter(|namespace| !namespace.is_empty()),
            name: Some(attributes.name.clone()).filter(|name| !name.is_empty()),
            verb: attributes.verb.clone(),
            reason: reason.clone(),
        })
    });
    Ok(refused.collect())
}

/// Who asks.
enum Reviewer<'a> {
    /// The caller, about itself.
    Caller(&'a Cluster, &'a Behalf<'a>),
    /// The edge, about the caller.
    Edge(&'a Cluster, Subject),
}

impl<'a> Reviewer<'a> {
    fn new(cluster: &'a Cluster, behalf: &'a Behalf<'a>) -> Result<Self, ManifestError> {
        match cluster.credentials() {
            CredentialSource::Caller | CredentialSource::Impersonate => {
                Ok(Self::Caller(cluster, behalf))
            }
            CredentialSource::Kubeconfig => cluster
                .subject(behalf.principal)
                .map(|subject| Self::Edge(cluster, subject))
                .map_err(ManifestError::Unsendable),
        }
    }

    async fn ask<'n>(
        &self,
        attributes: &'n Attributes,
        deadline: Instant,
    ) -> Result<(&'n Attributes, Permission), ManifestError> {
        let answer = match self {
            Self::Caller(cluster, behalf) => cluster.may(behalf, attributes, deadline).await,
            Self::Edge(cluster, subject) => {
                cluster.may_subject(subject, attributes, deadline).await
            }
        };
        Ok((attributes, answer.map_err(ManifestError::Review)?))
    }
}
