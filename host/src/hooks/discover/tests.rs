//! Searches, with a component that answers as the test says.

use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use http::Response;
use http_body_util::BodyExt;
use jiff::Timestamp;
use rest::plan::Plan;
use rules::Candidate;
use serde_json::{Value, json};

use super::*;
use crate::access::Principal;
use crate::audit::Audit;
use crate::config::Config;
use crate::hooks::Parts;
use crate::operations::{Actor, Approval, Ids, Lane, Origin, State};
use crate::relay::Body;
use crate::relay::tests::soon;

/// A component that has one answer, and remembers who asked and what.
struct Component {
    status: StatusCode,
    answer: Value,
    asked: Mutex<Vec<(String, String, Quest)>>,
}

impl Serve for Component {
    fn serve(&self, caller: Caller, request: Request<Body>) -> BoxFuture<'_, Response<Body>> {
        Box::pin(async move {
            assert!(caller.session.hook().is_some() && caller.operation.is_none());
            let Identity::Known(principal) = &caller.identity else {
                panic!("somebody in particular asks");
            };
            let path = request.uri().path().to_owned();
            let body = request
                .into_body()
                .collect()
                .await
                .expect("a body")
                .to_bytes();
            let quest = serde_json::from_slice(&body).expect("a question");
            let mut asked = self.asked.lock().expect("unharmed");
            asked.push((path, principal.name.clone(), quest));
            let mut response = Response::new(whole(self.answer.to_string().into()));
            *response.status_mut() = self.status;
            response
        })
    }
}

const HOOK: &str = "[[hook]]\nname = \"ci\"\nprovider = \"harbor\"\nsecrets = [\"s3cret-of-the-registry\"]\n\
    [[hook.rule]]\nname = \"all\"\ndiscover = {}\n";

fn upgrade(cluster: &str, release: &str) -> Wanted {
    Wanted::Request {
        rule: "all".to_owned(),
        method: "PUT".to_owned(),
        target: format!("/v1/clusters/{cluster}/releases/{release}"),
        body: json!({ "reuse_values": true }),
        plan: Plan {
            action: "upgrade".to_owned(),
            cluster: cluster.to_owned(),
            release: Some(release.to_owned()),
            timeout: 300,
            ..Plan::default()
        },
        coalesce: false,
        approve: false,
    }
}

fn found(wanted: Vec<Wanted>) -> Value {
    let found = Found {
        looked: 7,
        withheld: 1,
        releases: vec![Candidate {
            release: "web".to_owned(),
            fits: true,
            why: "it runs quay.io/shop/web".to_owned(),
        }],
        wanted,
    };
    serde_json::to_value(found).expect("JSON")
}

/// The search for the releases of `prod` that a rule of a hook is about.
fn claim(hook: &str, rule: &str) -> Claim {
    let at = Timestamp::UNIX_EPOCH;
    let event = Event {
        name: "push".to_owned(),
        ..Event::default()
    };
    Claim {
        operation: Operation {
            id: OperationId::new(at, [7; 10]),
            state: State::Running,
            job: Job::Discovery {
                hook: hook.to_owned(),
                rule: rule.to_owned(),
                cluster: "prod".to_owned(),
                event: serde_json::to_value(event).expect("JSON"),
            },
            lane: Lane::other("discovery", &[hook, rule, "prod"]),
            actor: Actor {
                principal: Principal::hook(hook),
                cluster: None,
            },
            origin: Some(Origin {
                hook: hook.to_owned(),
                delivery: "1f2e".to_owned(),
                rule: rule.to_owned(),
                parent: None,
            }),
            request_id: "r-1".to_owned(),
            coalesce: false,
            approval: Approval::None,
            accepted_at: at,
            started_at: Some(at),
            finished_at: None,
            not_before: None,
            expires_at: at,
            attempts: 1,
            steps: Vec::new(),
            reconciled: false,
            answer: None,
            note: None,
            superseded_by: None,
            children: Vec::new(),
        },
        lease: Duration::from_secs(30),
        fence: 1,
    }
}

async fn run(status: StatusCode, answer: Value, claim: &Claim) -> (Run, Arc<Component>) {
    let config = Config::parse(HOOK, Path::new("/edge.toml")).expect("valid");
    let component = Arc::new(Component {
        status,
        answer,
        asked: Mutex::default(),
    });
    let server = Arc::clone(&component) as Arc<dyn Serve>;
    let parts = Parts {
        server: Arc::clone(&server),
        store: None,
        ids: Arc::new(Ids::after(None)),
        audit: Arc::new(Audit::off()),
    };
    let hooks = Arc::new(Hooks::load(&config, parts).expect("loads"));
    let discoverer = Discoverer::new(hooks, server);
    (soon(discoverer.run(claim)).await, component)
}

fn over(run: Run) -> (Answer, Vec<New>) {
    match run {
        Run::Over { answer, children } => (answer, children),
        Run::Postponed { why } => panic!("it was postponed: {why}"),
    }
}

#[tokio::test]
async fn what_is_found_becomes_operations_of_the_hook() {
    let claim = claim("ci", "all");
    let wanted = vec![upgrade("prod", "web"), upgrade("prod", "api")];
    let (done, component) = run(StatusCode::OK, found(wanted.clone()), &claim).await;
    let (answer, children) = over(done);
    let names: Vec<_> = children
        .iter()
        .map(|child| child.operation.lane.as_str())
        .collect();
    assert_eq!(
        names,
        ["release/prod/default/web", "release/prod/default/api"]
    );
    for child in &children {
        assert_eq!(child.operation.actor.principal.name, "hook:ci");
        let origin = child.operation.origin.as_ref().expect("it has one");
        assert_eq!(origin.parent.as_ref(), Some(&claim.operation.id));
        assert_eq!(
            (origin.delivery.as_str(), origin.rule.as_str()),
            ("1f2e", "all")
        );
    }
    let told: Found = serde_json::from_str(&answer.body).expect("what was found");
    assert_eq!((told.looked, told.withheld, told.wanted.len()), (7, 1, 0));
    {
        let asked = component.asked.lock().expect("unharmed");
        let (path, name, quest) = asked.first().expect("asked");
        assert_eq!((path.as_str(), name.as_str()), ("/discover", "hook:ci"));
        assert_eq!(
            (quest.cluster.as_str(), quest.rule.name.as_str()),
            ("prod", "all")
        );
    }
    // Made twice, it leads to the same.
    let (again, _) = run(StatusCode::OK, found(wanted), &claim).await;
    let ids = |children: &[New]| -> Vec<OperationId> {
        children
            .iter()
            .map(|child| child.operation.id.clone())
            .collect()
    };
    assert_eq!(ids(&over(again).1), ids(&children));
}

#[tokio::test]
async fn a_cluster_that_cannot_be_asked_is_asked_again() {
    let problem = Problem::new(Code::ClusterUnreachable, "no route to host")
        .with_outcome(rest::problem::Outcome::NotApplied);
    let answer = serde_json::to_value(&problem).expect("JSON");
    let (run, _) = run(problem.status(), answer, &claim("ci", "all")).await;
    let Run::Postponed { why } = run else {
        panic!("it is over");
    };
    assert!(why.contains("no route to host"), "{why}");
}

#[tokio::test]
async fn what_no_time_heals_is_over() {
    let problem = Problem::new(Code::NotAllowed, "hook:ci may not read there")
        .with_outcome(rest::problem::Outcome::NotApplied);
    let refused = serde_json::to_value(&problem).expect("JSON");
    let (refused, _) = run(problem.status(), refused, &claim("ci", "all")).await;
    assert_eq!(over(refused).0.status, problem.status().as_u16());
    for (hook, rule) in [("gone", "all"), ("ci", "gone")] {
        let (run, component) = run(StatusCode::OK, found(Vec::new()), &claim(hook, rule)).await;
        let (answer, children) = over(run);
        assert_eq!(answer.status, StatusCode::NOT_FOUND.as_u16());
        assert!(children.is_empty());
        assert!(component.asked.lock().expect("unharmed").is_empty());
    }
}

#[tokio::test]
async fn a_component_that_is_out_of_hand_leads_to_nothing() {
    let of_rule = |name: &str| match upgrade("prod", "web") {
        Wanted::Request {
            method,
            target,
            body,
            plan,
            ..
        } => Wanted::Request {
            rule: name.to_owned(),
            method,
            target,
            body,
            plan,
            coalesce: false,
            approve: false,
        },
        other => other,
    };
    let search = Wanted::Discovery {
        rule: "all".to_owned(),
        cluster: "prod".to_owned(),
        event: Value::Null,
    };
    for wanted in [
        vec![upgrade("other", "web")],
        vec![upgrade("prod", "web"), upgrade("prod", "web")],
        vec![of_rule("another")],
        vec![search],
        vec![upgrade("prod", "web"); MAX_WANTED + 1],
    ] {
        let (run, _) = run(StatusCode::OK, found(wanted), &claim("ci", "all")).await;
        let (answer, children) = over(run);
        assert!(!answer.status().is_success());
        assert!(children.is_empty());
    }
    let (run, _) = run(StatusCode::OK, json!("nonsense"), &claim("ci", "all")).await;
    assert!(!over(run).0.status().is_success());
}
