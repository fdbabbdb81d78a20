//! Hooks: objects created at a point in a release's life, in order, and waited for.

use tiller_api::hapi::release::{
    Hook, Release,
    hook::{DeletePolicy, Event},
};

use super::{
    Tiller,
    apply::timed_out,
    clock,
    objects::{Object, Objects},
};

impl Tiller {
    /// Runs the hooks of one event. The first that fails ends it with its error.
    pub(super) async fn run_hooks(
        &self,
        release: &mut Release,
        event: Event,
        timeout: i64,
    ) -> Result<(), String> {
        let namespace = release.namespace.clone();
        let here = release
            .hooks
            .iter_mut()
            .filter(|hook| hook.events.contains(&event.into()));
        let mut hooks: Vec<_> = here.collect();
        hooks.sort_by(|a, b| (a.weight, &a.name).cmp(&(b.weight, &b.name)));
        for hook in &hooks {
            self.delete_hook(hook, &namespace, DeletePolicy::BeforeHookCreation)?;
            self.create_objects(&namespace, &hook.manifest, timeout, false)
                .await?;
            let objects = Objects::build(&namespace, &hook.manifest)?;
            if let Err(error) = self.watch(&objects, timeout).await {
                self.delete_hook(hook, &namespace, DeletePolicy::Failed)?;
                return Err(error);
            }
        }
        for hook in hooks {
            self.delete_hook(hook, &namespace, DeletePolicy::Succeeded)?;
            hook.last_run = Some(clock::now());
        }
        Ok(())
    }

    /// Jobs are waited for until they end; of all else it is enough that they are there.
    async fn watch(&self, objects: &[Object], timeout: i64) -> Result<(), String> {
        for object in objects
            .iter()
            .filter(|object| object.key.kind.name == "Job")
        {
            match (self.0.options.controllers, object.annotation("sim/phase")) {
                (true, Some("Failed")) => {
                    return Err("Job failed: BackoffLimitExceeded".to_owned());
                }
                (true, _) => {}
                (false, _) => return Err(timed_out(timeout).await),
            }
        }
        Ok(())
    }

    fn delete_hook(
        &self,
        hook: &Hook,
        namespace: &str,
        policy: DeletePolicy,
    ) -> Result<(), String> {
        if hook.delete_policies.contains(&policy.into()) {
            self.delete_all(&Objects::build(namespace, &hook.manifest)?);
        }
        Ok(())
    }
}
