//! What Tiller does to the cluster for a release: create, update, delete, wait.

use std::{cmp::Reverse, collections::BTreeMap, future, time::Duration};

use tiller_api::hapi::release::Release;

use super::{
    Tiller,
    manifest::{self, Document},
    objects::{Object, Objects},
    order,
};

/// Of an upgrade or a rollback.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Update {
    pub(super) cleanup_on_fail: bool,
    pub(super) timeout: i64,
    pub(super) wait: bool,
}

impl Tiller {
    /// Creates a manifest's objects, and the namespace if it is not there.
    pub(super) async fn create_objects(
        &self,
        namespace: &str,
        manifest: &str,
        timeout: i64,
        wait: bool,
    ) -> Result<(), String> {
        let objects = {
            let mut state = self.state();
            state.objects.ensure_namespace(namespace)?;
            let objects = Objects::build(namespace, manifest)?;
            if objects.is_empty() {
                return Err(no_objects());
            }
            objects
                .iter()
                .try_for_each(|object| state.objects.create(object))?;
            objects
        };
        if wait {
            self.wait_for(&objects, timeout).await
        } else {
            Ok(())
        }
    }

    /// Makes the cluster agree with a new manifest: creates, changes, and deletes what the old one
    /// had and the new one has not.
    pub(super) async fn update_objects(
        &self,
        namespace: &str,
        old: &str,
        new: &str,
        options: Update,
    ) -> Result<(), String> {
        let build = |manifest: &str| {
            Objects::build(namespace, manifest)
                .map_err(|error| format!("failed decoding reader into objects: {error}"))
        };
        let (old, new) = (build(old)?, build(new)?);
        let mut created = Vec::new();
        let updated = self.create_or_update(&old, &new, &mut created);
        if updated.is_err() && options.cleanup_on_fail {
            self.delete_all(&created);
        }
        updated?;

        let gone = old
            .iter()
            .filter(|old| !new.iter().any(|new| new.key == old.key));
        let dropped: Vec<_> = gone.filter(|object| !is_kept(object)).cloned().collect();
        self.delete_all(&dropped);

        if !options.wait {
            return Ok(());
        }
        let ready = self.wait_for(&new, options.timeout).await;
        if ready.is_err() && options.cleanup_on_fail {
            self.delete_all(&created);
        }
        ready
    }

    fn create_or_update(
        &self,
        old: &[Object],
        new: &[Object],
        created: &mut Vec<Object>,
    ) -> Result<(), String> {
        let objects = &mut self.state().objects;
        let mut errors = Vec::new();
        for object in new {
            let key = &object.key;
            if objects.get(key).is_none() {
                let made = objects.create(object);
                made.map_err(|error| format!("failed to create resource: {error}"))?;
                created.push(object.clone());
            } else if old.iter().any(|old| old.key == *key) {
                errors.extend(objects.update(object).err());
            } else {
                return Err(format!(
                    "kind {} with the name {:?} in {:?} already exists in the cluster and wasn't \
                     defined in the previous release. Before upgrading, please either delete the \
                     resource from the cluster or remove it from the chart",
                    key.kind.name, key.name, key.namespace
                ));
            }
        }
        if errors.is_empty() {
            Ok(())
        } else {
            Err(errors.join(" && "))
        }
    }

    /// Deletes a release's objects. What its policy keeps is listed, what went wrong too.
    pub(super) fn delete_objects(&self, release: &Release) -> (String, Vec<String>) {
        let file = ("manifest".to_owned(), release.manifest.clone());
        let mut documents = match manifest::sort(&BTreeMap::from([file])) {
            Ok((_, documents)) => documents,
            Err(error) => {
                let error = format!(
                    "corrupted release record. You must manually delete the resources: {error}"
                );
                return (release.manifest.clone(), vec![error]);
            }
        };
        documents.sort_by(|a, b| {
            let key = |document: &Document| Reverse(order::install(&document.head.kind).0);
            key(a).cmp(&key(b))
        });
        let mut kept = String::new();
        let mut errors = Vec::new();
        for Document { content, head, .. } in &documents {
            match Objects::build(&release.namespace, content) {
                Ok(objects) if head.is_kept() => {
                    if objects
                        .iter()
                        .all(|object| self.state().objects.get(&object.key).is_some())
                    {
                        kept.push_str(&format!("[{}] {}\n", head.kind, head.name));
                    }
                }
                Ok(objects) => self.delete_all(&objects),
                Err(error) => errors.push(error),
            }
        }
        if !kept.is_empty() {
            kept.insert_str(0, "These resources were kept due to the resource policy:\n");
        }
        (kept, errors)
    }

    /// Those that are not there are passed over.
    pub(super) fn delete_all(&self, objects: &[Object]) {
        let mut state = self.state();
        for object in objects {
            state.objects.delete(&object.key);
        }
    }

    async fn wait_for(&self, objects: &[Object], timeout: i64) -> Result<(), String> {
        let controllers = self.0.options.controllers;
        if objects.iter().all(|object| object.is_ready(controllers)) {
            return Ok(());
        }
        Err(timed_out(timeout).await)
    }
}

/// Lets the time pass; 0 is for ever, as Tiller takes it.
pub(super) async fn timed_out(timeout: i64) -> String {
    match u64::try_from(timeout) {
        Ok(0) => future::pending().await,
        Ok(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
        Err(_) => {}
    }
    "timed out waiting for the condition".to_owned()
}

pub(super) fn no_objects() -> String {
    "no objects visited".to_owned()
}

fn is_kept(object: &Object) -> bool {
    let policy = object.annotation("helm.sh/resource-policy");
    policy.is_some_and(|policy| policy.trim().to_lowercase() != "delete")
}
