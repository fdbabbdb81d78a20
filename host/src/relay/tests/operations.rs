//! Changes that are made for an operation: what is written down of them, when, and how they end. And the others, which
//! wait for their turn.

use std::sync::Mutex;

use futures::future::BoxFuture;
use prost::Message;
use rest::plan::{UNDO, Undo};
use rest::problem::{Code, Outcome};
use tiller_api::Method as Rpc;
use tiller_api::hapi::chart::{Chart, Config, Metadata};
use tiller_api::hapi::release::status::Code as Status;
use tiller_api::hapi::release::{self as proto, Info, Release};
use tiller_api::hapi::services::tiller::{
    GetReleaseContentResponse, InstallReleaseRequest, UpdateReleaseRequest,
};

use super::apiserver::{Answer, ApiServer, Seen, grpc_web, status};
use super::*;
use crate::operations::{Lane, Mark, Sqlite, Step, StepEnd, Store, StoreError};

const OPERATION: &str = "op-00000000000000000000000001";

/// What happens, in order.
#[derive(Clone, Debug, PartialEq)]
enum Event {
    Asked,
    Begun(Box<Step>),
    Sent,
    Ended(usize, StepEnd),
}

type Events = Arc<Mutex<Vec<Event>>>;

/// An operation of `lane`.
#[derive(Debug)]
struct Operation {
    lane: Lane,
    events: Events,
    /// Whether nothing can be written down.
    is_full: bool,
}

impl Journal for Operation {
    fn mark(&self) -> Mark {
        Mark {
            operation: OPERATION.parse().unwrap(),
            delivery: None,
        }
    }

    fn lane(&self) -> &Lane {
        &self.lane
    }

    fn begin(&self, step: Step) -> BoxFuture<'_, Result<usize, StoreError>> {
        Box::pin(async move {
            if self.is_full {
                return Err(StoreError::Unavailable {
                    what: "the disk is full".to_owned(),
                    source: None,
                });
            }
            let mut events = self.events.lock().unwrap();
            events.push(Event::Begun(Box::new(step)));
            Ok(5)
        })
    }

    fn end(&self, step: usize, end: StepEnd) {
        self.events.lock().unwrap().push(Event::Ended(step, end));
    }
}

/// A Tiller that has `web` at revision 7, and the operation that changes it.
struct Stage {
    server: ApiServer,
    rig: Rig,
    events: Events,
}

impl Stage {
    /// `answer` is what a change is answered with.
    async fn new(answer: impl Fn() -> Answer + Send + Sync + 'static) -> Self {
        let events = Events::default();
        let noted = Arc::clone(&events);
        let server = ApiServer::start(move |seen| {
            let is_read = seen.path.ends_with("/GetReleaseContent");
            let event = if is_read { Event::Asked } else { Event::Sent };
            noted.lock().unwrap().push(event);
            let answer = if is_read { current(&seen) } else { answer() };
            async move { answer }
        })
        .await;
        let rig = Rig::new(&server);
        Self {
            server,
            rig,
            events,
        }
    }

    fn caller(&self, lane: Lane) -> Caller {
        Caller {
            operation: Some(Arc::new(Operation {
                lane,
                events: Arc::clone(&self.events),
                is_full: false,
            })),
            ..caller()
        }
    }

    fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap().clone()
    }

    fn step(&self) -> Step {
        let steps: Vec<_> = self
            .events()
            .into_iter()
            .filter_map(|event| match event {
                Event::Begun(step) => Some(*step),
                _ => None,
            })
            .collect();
        assert_eq!(steps.len(), 1, "{steps:?}");
        steps.into_iter().next().unwrap()
    }

    /// How the one step ended.
    fn end(&self) -> StepEnd {
        match self.events().last() {
            Some(Event::Ended(5, end)) => *end,
            other => panic!("{other:?}"),
        }
    }
}

fn web() -> Lane {
    Lane::release("prod", None, "web")
}

fn current(seen: &Seen) -> Answer {
    let message = grpc_web::unary_message(&seen.body, usize::MAX).unwrap();
    let asked = tiller_api::request::GetRelease::decode(Bytes::copy_from_slice(message)).unwrap();
    if asked.name != "web" {
        return said(2, "release: \"new\" not found");
    }
    let release = Release {
        name: "web".into(),
        version: 7,
        info: Some(Info {
            status: Some(proto::Status {
                code: Status::Deployed.into(),
                ..proto::Status::default()
            }),
            ..Info::default()
        }),
        ..Release::default()
    };
    let message = GetReleaseContentResponse {
        release: Some(release),
    };
    answered(&message.encode_to_vec())
}

fn answered(message: &[u8]) -> Answer {
    let end = grpc_web::Status::new(grpc_web::Code::Ok, "").to_trailers();
    grpc_web([grpc_web::encode_message(message), end.encode()].concat())
}

fn said(code: u32, text: &str) -> Answer {
    let mut trailers = grpc_web::Trailers::new();
    trailers.append("grpc-status", Bytes::from(code.to_string()));
    trailers.append("grpc-message", Bytes::from(text.to_owned()));
    grpc_web(trailers.encode())
}

fn done() -> Answer {
    answered(b"")
}

fn upgrade(name: &str) -> UpdateReleaseRequest {
    UpdateReleaseRequest {
        name: name.into(),
        chart: Some(Chart {
            metadata: Some(Metadata {
                name: "nginx".into(),
                version: "1.2.3".into(),
                ..Metadata::default()
            }),
            ..Chart::default()
        }),
        values: Some(Config {
            raw: "a: 1\n".into(),
            ..Config::default()
        }),
        timeout: 30,
        ..UpdateReleaseRequest::default()
    }
}

fn to(method: Rpc, message: &impl Message) -> Request<Body> {
    let frame = grpc_web::encode_message(&message.encode_to_vec());
    request(&format!("/clusters/prod{}", method.path()), frame)
}

async fn change(relay: &Relay, caller: &Caller, name: &str) -> Response<Body> {
    soon(relay.handle(caller, to(Rpc::UpdateRelease, &upgrade(name)))).await
}

#[tokio::test]
async fn a_change_is_written_down_before_it_leaves_and_marked() {
    let stage = Stage::new(done).await;
    let undo = Undo {
        revision: Some(7),
        ..Undo::default()
    };
    let mut request = to(Rpc::UpdateRelease, &upgrade("web"));
    let header = undo.to_header().parse().unwrap();
    request.headers_mut().insert(UNDO, header);
    let relay = stage.rig.relay();
    let answer = soon(relay.handle(&stage.caller(web()), request)).await;
    assert_eq!(answer.status(), StatusCode::OK);
    read(answer).await;

    let step = stage.step();
    let events = [
        Event::Asked,
        Event::Begun(Box::new(step.clone())),
        Event::Sent,
        Event::Ended(5, StepEnd::Applied),
    ];
    assert_eq!(stage.events(), events);
    let expected = Step {
        rpc: "UpdateRelease".into(),
        release: Some("web".into()),
        sent_at: step.sent_at,
        revision: 7,
        status: Some("deployed".into()),
        chart: Some("nginx-1.2.3".into()),
        values: step.values.clone(),
        marked: true,
        longest: 30,
        timeout: 30,
        undo: Some(undo),
        ..Step::default()
    };
    assert_eq!(step, expected);
    assert!(
        step.values
            .is_some_and(|digest| digest.starts_with("sha256:"))
    );

    let seen = stage.server.seen();
    let sent = seen.last().unwrap();
    assert!(sent.headers.get(UNDO).is_none());
    let message = grpc_web::unary_message(&sent.body, usize::MAX).unwrap();
    let description = UpdateReleaseRequest::decode(message).unwrap().description;
    assert_eq!(description, format!("Upgrade complete ({OPERATION})"));
}

#[tokio::test]
async fn what_cannot_be_written_down_does_not_leave() {
    let stage = Stage::new(done).await;
    let full = Caller {
        operation: Some(Arc::new(Operation {
            lane: web(),
            events: Arc::clone(&stage.events),
            is_full: true,
        })),
        ..caller()
    };
    let problem = problem(change(&stage.rig.relay(), &full, "web").await).await;
    assert_eq!(problem.code, Code::OperationsUnavailable);
    assert_eq!(problem.outcome, Outcome::NotApplied);
    assert_eq!(stage.events(), [Event::Asked]);
}

#[tokio::test]
async fn how_a_change_ended_is_taken_note_of() {
    let cases: [(fn() -> Answer, StepEnd); 8] = [
        (done, StepEnd::Applied),
        (
            || said(2, "timed out waiting for the condition"),
            StepEnd::Failed,
        ),
        (
            || said(2, "\"web\" has no deployed releases"),
            StepEnd::NotApplied,
        ),
        (|| said(14, "transport is closing"), StepEnd::Lost),
        (
            || said(8, "grpc: received message larger than max"),
            StepEnd::NotApplied,
        ),
        (
            || {
                status(
                    503,
                    "error trying to reach service: dial tcp 10.0.0.1:1: connect: connection refused",
                )
            },
            StepEnd::NotApplied,
        ),
        (
            || status(503, "error trying to reach service: EOF"),
            StepEnd::Lost,
        ),
        // It breaks off.
        (|| grpc_web(frame(b"x")), StepEnd::Lost),
    ];
    for (answer, end) in cases {
        let stage = Stage::new(answer).await;
        let answer = change(&stage.rig.relay(), &stage.caller(web()), "web").await;
        read(answer).await;
        assert_eq!(stage.end(), end);
    }
}

#[tokio::test]
async fn who_does_not_wait_for_the_answer_never_knows() {
    let stage = Stage::new(done).await;
    let answer = change(&stage.rig.relay(), &stage.caller(web()), "web").await;
    drop(answer);
    assert_eq!(stage.end(), StepEnd::Lost);

    let stage = Stage::new(done).await;
    let relay = stage.rig.relay();
    let operation = stage.caller(web());
    let call = relay.handle(&operation, to(Rpc::UpdateRelease, &upgrade("web")));
    let begun = async {
        while !stage
            .events()
            .iter()
            .any(|it| matches!(it, Event::Begun(_)))
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        () = soon(begun) => {}
        _ = call => {}
    }
    assert_eq!(stage.end(), StepEnd::Lost);
}

#[tokio::test]
async fn a_release_that_is_not_the_operations_is_left_alone() {
    let stage = Stage::new(done).await;
    let relay = stage.rig.relay();
    let nameless = Lane::other("install", &["prod", "1"]);
    let others = [
        ("other", web()),
        ("web", Lane::release("prod", Some("secure"), "web")),
        ("web", Lane::release("dev", None, "web")),
        ("web", nameless.clone()),
    ];
    for (name, lane) in others {
        let problem = problem(change(&relay, &stage.caller(lane), name).await).await;
        assert_eq!(problem.code, Code::NotRelayed);
        assert_eq!(problem.outcome, Outcome::NotApplied);
    }
    let install = to(Rpc::InstallRelease, &InstallReleaseRequest::default());
    let refused = soon(relay.handle(&stage.caller(web()), install)).await;
    assert_eq!(problem(refused).await.code, Code::NotRelayed);
    assert_eq!(stage.events(), []);

    let install = to(Rpc::InstallRelease, &InstallReleaseRequest::default());
    let made = soon(relay.handle(&stage.caller(nameless), install)).await;
    assert_eq!(made.status(), StatusCode::OK);
    assert_eq!((stage.step().release, stage.step().revision), (None, 0));
}

#[tokio::test]
async fn a_release_that_is_not_there_is_at_revision_0() {
    let stage = Stage::new(done).await;
    let lane = Lane::release("prod", None, "new");
    change(&stage.rig.relay(), &stage.caller(lane), "new").await;
    let step = stage.step();
    assert_eq!((step.revision, step.status), (0, None));
}

#[tokio::test]
async fn what_changes_nothing_is_not_written_down() {
    let stage = Stage::new(done).await;
    let dry = UpdateReleaseRequest {
        dry_run: true,
        ..upgrade("other")
    };
    let request = to(Rpc::UpdateRelease, &dry);
    let answer = soon(stage.rig.relay().handle(&stage.caller(web()), request)).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(stage.events(), [Event::Sent]);
}

/// A relay whose changes wait for their turn, and the store that says whose it is.
async fn in_turn(stage: &Stage) -> (Relay, Arc<dyn Store>) {
    let path = stage.rig.file("operations.db");
    let store = tokio::task::spawn_blocking(move || Sqlite::open(&path)).await;
    let store: Arc<dyn Store> = Arc::new(store.unwrap().unwrap());
    let relay = stage.rig.relay();
    relay.keep_lanes(Arc::clone(&store));
    (relay, store)
}

#[tokio::test]
async fn a_change_of_nobodys_operation_waits_for_its_turn() {
    let stage = Stage::new(done).await;
    let (relay, store) = in_turn(&stage).await;
    let hold = store.hold(&web(), Duration::from_secs(60)).await;
    let hold = hold.unwrap().expect("nobody has it");
    let late = caller();
    let waiting = change(&relay, &late, "web");
    let mut waiting = std::pin::pin!(waiting);
    // Others are not in its way.
    tokio::select! {
        _ = &mut waiting => panic!("it is not its turn"),
        other = change(&relay, &late, "other") => assert_eq!(other.status(), StatusCode::OK),
    }
    store.free(hold).await.unwrap();
    let answer = waiting.await;
    assert_eq!(answer.status(), StatusCode::OK);
    // While the answer is not over, it is its turn.
    let taken = store.hold(&web(), Duration::from_secs(1)).await;
    assert!(taken.unwrap().is_none());
    read(answer).await;
    let next = change(&relay, &late, "web").await;
    assert_eq!(next.status(), StatusCode::OK);
}

#[tokio::test]
async fn who_waits_too_long_is_told_and_nothing_is_sent() {
    let stage = Stage::new(done).await;
    let (relay, store) = in_turn(&stage).await;
    let _hold = store.hold(&web(), Duration::from_secs(60)).await.unwrap();
    let mut request = to(Rpc::UpdateRelease, &upgrade("web"));
    let soon_over = "100m".parse().unwrap();
    request.headers_mut().insert("grpc-timeout", soon_over);
    let problem = problem(soon(relay.handle(&caller(), request)).await).await;
    assert_eq!(problem.code, Code::OperationInProgress);
    assert_eq!(problem.outcome, Outcome::NotApplied);
    assert!(problem.retry_after.is_some());
    assert_eq!(stage.events(), []);
}

#[tokio::test]
async fn a_store_that_is_gone_is_in_nobodys_way() {
    let stage = Stage::new(done).await;
    let (relay, store) = in_turn(&stage).await;
    store.close().await;
    let answer = change(&relay, &caller(), "web").await;
    assert_eq!(answer.status(), StatusCode::OK);
}
