//! RunReleaseTest.

use prost::Message;
use serde_json::Value;
use tiller_api::hapi::{
    release::{Release, TestRun, TestSuite, hook::Event, test_run::Status as Outcome},
    services::tiller::{TestReleaseRequest, TestReleaseResponse},
};

use super::{
    Tiller,
    apply::timed_out,
    clock,
    dispatch::{Fault, Sink},
    manifest, name,
    objects::{Object, Objects},
    yaml,
};

struct Test {
    manifest: String,
    name: String,
    succeeds_with: &'static str,
}

impl Tiller {
    /// Tests run one after the other, also where the request would have them in parallel: that only
    /// interleaves their messages.
    pub(super) async fn run_tests(
        &self,
        request: TestReleaseRequest,
        sink: &mut Sink<'_>,
    ) -> Result<(), Fault> {
        name::validate(&request.name)?;
        let mut release = self.state().store.last(&request.name)?;
        let started_at = Some(clock::now());
        let tests = tests(&release)?;
        if tests.is_empty() {
            say(sink, "No Tests Found", Outcome::Unknown).await?;
        }
        let mut results = Vec::new();
        for test in &tests {
            results.push(
                self.run_test(test, &release.namespace, request.timeout, sink)
                    .await?,
            );
        }
        let suite = TestSuite {
            started_at,
            completed_at: Some(clock::now()),
            results,
        };
        let info = release.info.get_or_insert_default();
        info.status.get_or_insert_default().last_test_suite_run = Some(suite);
        if request.logs {
            for test in &tests {
                self.send_log(test, sink).await?;
            }
        }
        if request.cleanup {
            for test in &tests {
                self.delete_all(&Objects::build(&release.namespace, &test.manifest)?);
            }
        }
        self.record(&release, true);
        Ok(())
    }

    async fn run_test(
        &self,
        test: &Test,
        namespace: &str,
        timeout: i64,
        sink: &mut Sink<'_>,
    ) -> Result<TestRun, Fault> {
        let mut run = TestRun {
            name: test.name.clone(),
            started_at: Some(clock::now()),
            ..TestRun::default()
        };
        say(sink, &format!("RUNNING: {}", test.name), Outcome::Running).await?;
        let created = self
            .create_objects(namespace, &test.manifest, timeout, false)
            .await;
        let phase = match created {
            Err(error) => Err((error, Outcome::Failure)),
            Ok(()) => {
                let objects = Objects::build(namespace, &test.manifest)?;
                let phase = self.await_phase(&objects, timeout).await;
                phase.map_err(|error| (error, Outcome::Unknown))
            }
        };
        match phase {
            Err((error, outcome)) => {
                say(sink, &format!("ERROR: {error}"), Outcome::Failure).await?;
                run.info = error;
                run.set_status(outcome);
            }
            Ok(phase) if phase == test.succeeds_with => {
                say(sink, &format!("PASSED: {}", test.name), Outcome::Success).await?;
                run.set_status(Outcome::Success);
            }
            Ok(_) => {
                let name = &test.name;
                let text = format!(
                    "FAILED: {name}, run `kubectl logs {name} --namespace {namespace}` for more info"
                );
                say(sink, &text, Outcome::Failure).await?;
                run.set_status(Outcome::Failure);
            }
        }
        run.completed_at = Some(clock::now());
        Ok(run)
    }

    /// How the pod ended. Its annotation `sim/phase` says, where there are kubelets.
    async fn await_phase(&self, objects: &[Object], timeout: i64) -> Result<String, String> {
        if !self.0.options.controllers {
            return Err(timed_out(timeout).await);
        }
        let pod = objects.first().and_then(|pod| pod.annotation("sim/phase"));
        let phase = pod.unwrap_or("Succeeded").to_owned();
        if let Some(pod) = objects.first() {
            let mut ended = pod.clone();
            ended.body["status"] = serde_json::json!({"phase": phase});
            self.state().objects.update(&ended)?;
        }
        Ok(phase)
    }

    async fn send_log(&self, test: &Test, sink: &mut Sink<'_>) -> Result<(), Fault> {
        if !self.0.options.controllers {
            let text = "ERROR: error in opening log stream, got: the pod has not been scheduled";
            return say(sink, text, Outcome::Failure).await;
        }
        // Tiller doubles each percent sign, since its own client prints the text as a format.
        let log = format!(
            "\nPOD LOGS: {}\n100%% of {} is done\n",
            test.name, test.name
        );
        say(sink, &log, Outcome::Running).await
    }
}

/// The tests among a release's hooks.
fn tests(release: &Release) -> Result<Vec<Test>, Fault> {
    let mut tests = Vec::new();
    for hook in &release.hooks {
        let event = hook
            .events
            .iter()
            .find_map(|event| match Event::try_from(*event) {
                Ok(Event::ReleaseTestSuccess) => Some("Succeeded"),
                Ok(Event::ReleaseTestFailure) => Some("Failed"),
                _ => None,
            });
        let Some(succeeds_with) = event else { continue };
        for document in manifest::split(&hook.manifest) {
            let body = yaml::parse(document)?;
            let text = |pointer: &str| {
                body.pointer(pointer)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
            };
            let name = text("/metadata/name");
            if text("/kind") != "Pod" {
                return Err(format!("{name} is not a pod").into());
            }
            tests.push(Test {
                manifest: document.to_owned(),
                name: name.to_owned(),
                succeeds_with,
            });
        }
    }
    Ok(tests)
}

async fn say(sink: &mut Sink<'_>, text: &str, outcome: Outcome) -> Result<(), Fault> {
    let message = TestReleaseResponse {
        msg: text.to_owned(),
        status: outcome.into(),
    };
    sink.send(message.encode_to_vec().into()).await
}
