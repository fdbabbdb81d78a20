//! Who sends deliveries.

use serde::{Deserialize, Serialize};

/// Who sends a hook its deliveries, which decides how they are verified and read.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Provider {
    /// Azure Container Registry.
    Acr,
    /// Bitbucket Server and Data Center.
    Bitbucket,
    /// CloudEvents over HTTP: binary, structured or in batches.
    Cloudevents,
    /// A registry of the CNCF's distribution, GitLab's among them.
    Distribution,
    /// Docker Hub.
    DockerHub,
    /// GitHub.
    Github,
    /// GitLab, with a token or signed.
    Gitlab,
    /// Harbor, in its own form or in CloudEvents'.
    Harbor,
    /// Anything that signs its JSON with an HMAC in a header.
    Hmac,
    /// JFrog Artifactory.
    Jfrog,
    /// Sonatype Nexus 3.
    Nexus,
    /// Google's registries, by a push subscription of Pub/Sub.
    Pubsub,
    /// Quay.
    Quay,
    /// Standard Webhooks.
    StandardWebhooks,
    /// A watch of this edge's own; no hook has it.
    Watch,
}
