//! What tags stand for, whatever they are tags of.

use bytes::Bytes;
use http::StatusCode;
use tokio::time::Instant;

use super::manifest::{ACCEPT, MANIFEST};
use super::reference::{Digest, Mark, Tag};
use super::session::Question;
use super::{MANIFEST_NAME, OciError, Registry, TAGS, scope, verify};

impl Registry {
    /// All tags of the repository `name`, in the registry's order.
    pub(crate) async fn tags(
        &self,
        name: &str,
        deadline: Instant,
    ) -> Result<Vec<String>, OciError> {
        let name = self.name(name)?;
        let path = format!("/v2/{}/tags/list", name.as_str());
        self.session
            .list(TAGS, path, &scope(&name), deadline, |page| page.tags)
            .await
    }

    /// The digest of what `tag` stands for in the repository `name`; none if there is no such tag any more. It is not
    /// fetched if it is still `known`.
    pub(crate) async fn digest(
        &self,
        name: &str,
        tag: &str,
        known: Option<&str>,
        deadline: Instant,
    ) -> Result<Option<String>, OciError> {
        let name = self.name(name)?;
        let Some(tag) = Tag::parse(tag) else {
            return Ok(None);
        };
        let mark = Mark::Tag(tag);
        let unless = known.map(|digest| format!("\"{digest}\""));
        let scope = scope(&name);
        let asked = self.session.ask(Question {
            what: MANIFEST_NAME,
            path: format!("/v2/{}/manifests/{mark}", name.as_str()),
            query: None,
            accept: ACCEPT,
            unless: unless.as_deref(),
            scope: &scope,
            limit: MANIFEST,
            deadline,
        });
        let fetched = match asked.await {
            Ok(fetched) => fetched,
            Err(OciError::NotFound) => return Ok(None),
            Err(error) => return Err(error),
        };
        if fetched.status == StatusCode::NOT_MODIFIED {
            return Ok(known.map(ToOwned::to_owned));
        }
        verify(&mark, &fetched)?;
        Ok(Some(of(&fetched.body)))
    }
}

fn of(manifest: &Bytes) -> String {
    Digest::of(manifest).to_string()
}
