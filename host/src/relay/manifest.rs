//! Whether the cluster lets a caller make what Tiller would make for it.
//!
//! Tiller may do everything, and does what a chart says, so whoever may install a chart may do everything that can be
//! written in one. Where a cluster is configured for it, every install, upgrade and rollback is first tried as a dry run
//! of the very message that is to be sent, and the cluster itself is asked of each object that comes out whether the
//! caller may make it. One refusal, one object that is not understood, and nothing is sent.
//!
//! What is checked is what Tiller rendered then. A template may render otherwise a moment later, by chance or by the
//! clock; the check keeps honest charts within their caller's rights and does not replace a choice of charts.

mod asked;
mod discovery;
mod documents;
mod error;
mod needs;
mod release;
mod reviews;

use std::collections::HashSet;

use bytes::Bytes;
use rest::problem::Refused;
use tokio::task::spawn_blocking;

use self::asked::Asked;
pub(super) use self::discovery::Discovery;
use self::documents::{Definition, Object, Reader};
pub(super) use self::error::ManifestError;
use self::needs::{Fate, Planned};
use self::release::Release;
use super::Relay;
use super::call::Call;
use super::facts::namespace_or_default;

/// An install, upgrade or rollback that is about to be sent.
pub(super) struct Proposal<'a> {
    pub(super) call: &'a Call<'a>,
    /// The message as it is to be sent.
    pub(super) message: Bytes,
}

/// Checks `proposal` if its cluster is configured to have it checked, and it is no dry run.
///
/// # Errors
///
/// When an object is refused or cannot be checked. Nothing has been changed then.
pub(super) async fn check(relay: &Relay, proposal: &Proposal<'_>) -> Result<(), ManifestError> {
    let call = proposal.call;
    if !call.cluster.checks_manifests() {
        return Ok(());
    }
    let Some(asked) = Asked::read(call.method, &proposal.message)? else {
        return Ok(());
    };
    let planned = release::planned(relay, proposal, asked.dry_run).await?;
    let current = asked.current(relay, proposal).await?;
    let releases = Releases { planned, current };
    let contents = spawn_blocking(move || releases.read())
        .await
        .map_err(|_| ManifestError::Ending)??;
    let behalf = call.caller.behalf(&call.principal);
    let (planned, mut refused) = contents.plan(relay, call, &asked).await?;
    let mut needs = needs::needs(&planned);
    if asked.recreates {
        needs.extend(needs::of_recreation(&planned));
    }
    refused.extend(reviews::refused(call.cluster, &behalf, &needs, call.deadline).await?);
    if refused.is_empty() {
        Ok(())
    } else {
        Err(ManifestError::Refused(refused))
    }
}

/// A release as it would be, and what it would replace.
struct Releases {
    planned: Release,
    current: Vec<Release>,
}

/// The objects of all those.
struct Contents {
    made: Vec<(Object, Role)>,
    /// Where objects go that name no namespace, those to be replaced included: Tiller reads both manifests so.
    namespace: String,
    replaces: bool,
    gone: Vec<Object>,
}

/// What an object is to a release.
#[derive(Clone, Copy)]
enum Role {
    Hook { deleted: bool },
    Part,
}

impl Releases {
    fn read(self) -> Result<Contents, ManifestError> {
        let Self { planned, current } = self;
        let mut reader = Reader::new();
        let mut made = Vec::new();
        let parts = read(&mut reader, &planned.manifest, "the manifest")?;
        made.extend(parts.into_iter().map(|object| (object, Role::Part)));
        for hook in &planned.hooks {
            let role = Role::Hook {
                deleted: !hook.delete_policies.is_empty(),
            };
            let origin = String::from_utf8_lossy(&hook.path);
            let objects = read(&mut reader, &hook.manifest, &origin)?;
            made.extend(objects.into_iter().map(|object| (object, role)));
        }
        let replaces = !current.is_empty();
        let mut gone = Vec::new();
        for release in current {
            let origin = "the manifest to be replaced";
            gone.extend(read(&mut Reader::new(), &release.manifest, origin)?);
        }
        Ok(Contents {
            made,
            namespace: namespace_or_default(&planned.namespace).to_owned(),
            replaces,
            gone,
        })
    }
}

fn read(reader: &mut Reader, text: &[u8], origin: &str) -> Result<Vec<Object>, ManifestError> {
    reader.read(text).map_err(|source| ManifestError::Document {
        origin: origin.to_owned(),
        source,
    })
}

impl Contents {
    /// What becomes of each object, and those of which nothing is known.
    async fn plan(
        self,
        relay: &Relay,
        call: &Call<'_>,
        asked: &Asked,
    ) -> Result<(Vec<Planned>, Vec<Refused>), ManifestError> {
        let Self {
            made,
            namespace,
            replaces,
            gone,
        } = self;
        let definitions: Vec<Definition> = made
            .iter()
            .filter_map(|(object, _)| object.defines.clone())
            .collect();
        let mut resolver = Resolver {
            relay,
            call,
            definitions,
            unknown: Vec::new(),
        };
        let mut planned = Vec::new();
        for (object, role) in made {
            let fate = match role {
                Role::Hook { deleted } => Fate::Hook { deleted },
                Role::Part if replaces => Fate::Updated {
                    forced: asked.forced,
                },
                Role::Part => Fate::Created,
            };
            planned.extend(resolver.resolve(object, &namespace, fate).await?);
        }
        // What becomes a hook is no part of the release any more.
        let kept: HashSet<_> = planned
            .iter()
            .filter(|planned| !matches!(planned.fate, Fate::Hook { .. }))
            .map(identity)
            .collect();
        let mut removed = Vec::new();
        for object in gone {
            let found = resolver.resolve(object, &namespace, Fate::Deleted).await?;
            // `force` may come to delete the whole release before it is made anew.
            removed.extend(found.filter(|found| asked.forced || !kept.contains(&identity(found))));
        }
        planned.extend(removed);
        Ok((planned, resolver.unknown))
    }
}

/// What Tiller tells objects apart by, and the group.
fn identity(planned: &Planned) -> (String, String, String, String) {
    (
        planned.object.group().to_owned(),
        planned.object.kind.clone(),
        planned.namespace.clone(),
        planned.object.name.clone(),
    )
}

/// Finds out which resource each object is.
struct Resolver<'a> {
    relay: &'a Relay,
    call: &'a Call<'a>,
    definitions: Vec<Definition>,
    unknown: Vec<Refused>,
}

impl Resolver<'_> {
    async fn resolve(
        &mut self,
        object: Object,
        namespace: &str,
        fate: Fate,
    ) -> Result<Option<Planned>, ManifestError> {
        let call = self.call;
        let found = self
            .relay
            .discovery
            .resource(
                call.cluster,
                &call.caller.behalf(&call.principal),
                &object.api_version,
                &object.kind,
                call.deadline,
            )
            .await
            .map_err(ManifestError::Discovery)?;
        let found = found.or_else(|| discovery::defined(&self.definitions, &object));
        let Some(resource) = found else {
            self.unknown.push(Refused {
                api_version: object.api_version,
                kind: object.kind,
                namespace: Some(object.namespace).filter(|namespace| !namespace.is_empty()),
                name: Some(object.name).filter(|name| !name.is_empty()),
                verb: match fate {
                    Fate::Deleted => "delete",
                    _ => "create",
                }
                .to_owned(),
                reason: Some("the cluster has no such kind".to_owned()),
            });
            return Ok(None);
        };
        let namespace = match (resource.namespaced, object.namespace.as_str()) {
            (false, _) => "",
            (true, "") => namespace,
            (true, written) => written,
        };
        Ok(Some(Planned {
            namespace: namespace.to_owned(),
            resource: resource.name,
            object,
            fate,
        }))
    }
}
