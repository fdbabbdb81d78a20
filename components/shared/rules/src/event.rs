//! What happened, whoever says so.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::compile::Change;

/// One thing that happened. Rules see it as `event`; what a provider does not say is absent there.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// What happened.
    pub kind: Kind,
    /// The provider's own word for it, such as `registry_package` or `PUSH_ARTIFACT`.
    pub name: String,
    /// The image or chart in a registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Image>,
    /// The source repository, as `group/project`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// The branch, without `refs/heads/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The tag of the image, chart, release or commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The environment of a deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// By what it is known again within its hook; none if the provider gives nothing to go by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What of the payload is about this event; all of it where it is about one only.
    #[serde(default)]
    pub payload: Value,
}

impl Event {
    /// It in a few words, for people: `image-pushed quay.io/shop/web:1.2`.
    pub fn summary(&self) -> String {
        let mut summary = self.kind.to_string();
        let mut add = |separator: char, part: &str| {
            summary.push(separator);
            summary.push_str(part);
        };
        match (&self.image, &self.repository) {
            (Some(image), _) => {
                add(' ', &image.name);
                match (&self.tag, &image.digest) {
                    (Some(tag), _) => add(':', tag),
                    (None, Some(digest)) => add('@', digest),
                    (None, None) => (),
                }
            }
            (None, Some(repository)) => {
                add(' ', repository);
                if let Some(name) = self.tag.as_ref().or(self.branch.as_ref()) {
                    add(' ', name);
                }
            }
            (None, None) => add(' ', &self.name),
        }
        if let Some(environment) = &self.environment {
            add(' ', environment);
        }
        summary
    }

    /// As much of it as a rule looks at once it knows the release.
    pub(crate) fn for_discovery(&self, change: &Change) -> Self {
        let payload = if change.uses_payload() {
            self.payload.clone()
        } else {
            Value::Null
        };
        Self {
            kind: self.kind,
            name: self.name.clone(),
            image: self.image.clone(),
            repository: self.repository.clone(),
            branch: self.branch.clone(),
            tag: self.tag.clone(),
            commit: self.commit.clone(),
            environment: self.environment.clone(),
            key: self.key.clone(),
            payload,
        }
    }
}

/// What happened.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A chart came to a repository.
    ChartPushed,
    /// Somebody wants something deployed.
    Deployment,
    /// An image came to a registry.
    ImagePushed,
    /// Something that has no name here; rules tell it by its own name and payload.
    #[default]
    Other,
    /// A test whether the hook is there.
    Ping,
    /// A pipeline ended.
    Pipeline,
    /// Commits came to a branch.
    Pushed,
    /// A release was published.
    Released,
    /// A tag came to a source repository.
    Tagged,
}

impl Kind {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ChartPushed => "chart-pushed",
            Self::Deployment => "deployment",
            Self::ImagePushed => "image-pushed",
            Self::Other => "other",
            Self::Ping => "ping",
            Self::Pipeline => "pipeline",
            Self::Pushed => "pushed",
            Self::Released => "released",
            Self::Tagged => "tagged",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An image or a chart in a registry.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// Registry and repository, such as `harbor.example.com/shop/web` or `docker.io/library/nginx`.
    pub name: String,
    /// The digest, as `sha256:…`, where the provider says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// What the manifest is, where the provider says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
}
