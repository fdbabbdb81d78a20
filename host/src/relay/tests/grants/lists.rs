//! Lists: what is shown of them, and how they page.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures::stream;
use tiller_api::hapi::services::tiller::{ListReleasesRequest, ListReleasesResponse};

use super::super::apiserver::{ApiServer, grpc, streamed};
use super::tiller::SECRET;
use super::*;

fn everything() -> ListReleasesRequest {
    ListReleasesRequest::default()
}

fn in_namespace(namespace: &str) -> ListReleasesRequest {
    ListReleasesRequest {
        namespace: namespace.into(),
        ..ListReleasesRequest::default()
    }
}

fn mixed() -> Vec<tiller_api::hapi::release::Release> {
    vec![
        release("one", "a", 1),
        release("two", "b", 1),
        release("three", "a", 1),
        release("four", "", 1),
    ]
}

async fn chunks(answer: Response<Body>) -> Vec<ListReleasesResponse> {
    let messages = messages(answer).await;
    let decoded = messages.into_iter().map(ListReleasesResponse::decode);
    decoded.collect::<Result<_, _>>().unwrap()
}

fn names(chunks: &[ListReleasesResponse]) -> Vec<&str> {
    let releases = chunks.iter().flat_map(|chunk| &chunk.releases);
    releases.map(|release| release.name.as_str()).collect()
}

#[tokio::test]
async fn a_list_has_what_its_reader_may_read_and_says_nothing_of_the_rest() {
    let tiller = FakeTiller::with(mixed()).await;
    let relay = Rig::new(&tiller.server).granting(A).relay();
    let chunks = chunks(send(&relay, &alice(), Rpc::ListReleases, &everything()).await).await;
    assert_eq!(names(&chunks), ["one", "three"]);
    for chunk in &chunks {
        assert_eq!((chunk.count, chunk.total), (0, 0));
        assert_eq!(chunk.next, "*", "that there is more, and not what");
    }
    assert_eq!(chunks[0].releases[0], release("one", "a", 1));
    assert_eq!(tiller.called(), ["ListReleases"]);
}

#[tokio::test]
async fn a_record_without_a_namespace_is_that_of_the_default_one() {
    let tiller = FakeTiller::with(mixed()).await;
    let rules = A.replace("\"a\"", "\"default\"");
    let relay = Rig::new(&tiller.server).granting(&rules).relay();
    let chunks = chunks(send(&relay, &alice(), Rpc::ListReleases, &everything()).await).await;
    assert_eq!(names(&chunks), ["four"]);
}

#[tokio::test]
async fn a_list_of_a_namespace_that_is_not_ones_own_is_refused() {
    let tiller = FakeTiller::with(mixed()).await;
    let relay = Rig::new(&tiller.server).granting(A).relay();
    let problem =
        refused(send(&relay, &alice(), Rpc::ListReleases, &in_namespace("b")).await).await;
    assert_eq!(
        problem.detail,
        "`alice` may not `read` in namespace `b` of cluster `prod`"
    );
    assert!(tiller.called().is_empty());
    // A Tiller that does not know the parameter sends the others as well.
    let chunks = chunks(send(&relay, &alice(), Rpc::ListReleases, &in_namespace("a")).await).await;
    assert_eq!(names(&chunks), ["one", "three"]);
}

#[tokio::test]
async fn who_may_read_everything_and_see_it_gets_what_tiller_sends() {
    let tiller = FakeTiller::with(mixed()).await;
    let relay = Rig::new(&tiller.server).granting(A).relay();
    let answer = send(&relay, &caller(), Rpc::ListReleases, &everything()).await;
    assert!(!answer.headers().contains_key("x-tiller-edge-withheld"));
    let chunks = chunks(answer).await;
    assert_eq!(names(&chunks), ["one", "two", "three", "four"]);
    assert_eq!((chunks[0].count, chunks[0].total), (7, 9));
    assert_eq!(chunks[0].next, "of-another");
}

#[tokio::test]
async fn values_are_left_out_of_releases_one_by_one() {
    let tiller = FakeTiller::with(mixed()).await;
    let rules = r#"
        [[grant]]
        principals = ["alice"]
        actions = ["read"]
        [[grant]]
        principals = ["alice"]
        actions = ["get-values"]
        namespaces = ["a"]
    "#;
    let relay = Rig::new(&tiller.server).granting(rules).relay();
    let answer = send(&relay, &alice(), Rpc::ListReleases, &everything()).await;
    assert_eq!(answer.headers()["x-tiller-edge-withheld"], "values");
    for release in chunks(answer)
        .await
        .iter()
        .flat_map(|chunk| &chunk.releases)
    {
        let shown = release.encode_to_vec();
        let is_secret = |window: &[u8]| window == SECRET.as_bytes();
        let shows = shown.windows(SECRET.len()).any(is_secret);
        assert_eq!(shows, release.namespace == "a", "{}", release.name);
        assert_eq!(release.manifest.is_empty(), !shows);
    }
}

#[tokio::test]
async fn native_grpc_is_looked_at_alike() {
    let chunk = |name: &str, namespace: &str| {
        let response = ListReleasesResponse {
            releases: vec![release(name, namespace, 1)],
            ..ListReleasesResponse::default()
        };
        &*Box::leak(response.encode_to_vec().into_boxed_slice())
    };
    let sent = [chunk("two", "b"), chunk("one", "a")];
    let server = ApiServer::start(move |_| async move { grpc(&sent, Some("0")) }).await;
    let relay = Rig::new(&server).granting(A).relay();
    let path = LIST.replace("prod/", "prod/tillers/secure/");
    let frame = grpc_web::encode_message(&[]);
    let answer = soon(relay.handle(&alice(), request(&path, frame))).await;
    let chunks = chunks(answer).await;
    assert_eq!(
        chunks.len(),
        1,
        "a message of which nothing is shown is left out"
    );
    assert_eq!(names(&chunks), ["one"]);
}

#[tokio::test]
async fn a_slow_reader_stops_the_cluster_and_one_message_is_held() {
    let produced = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&produced);
    let mut large = release("one", "a", 1);
    large.manifest = "x".repeat(1 << 20);
    let response = ListReleasesResponse {
        releases: vec![large],
        ..ListReleasesResponse::default()
    };
    let chunk = grpc_web::encode_message(&response.encode_to_vec());
    let server = ApiServer::start(move |_| {
        let (count, chunk) = (Arc::clone(&count), chunk.clone());
        async move {
            streamed(stream::repeat_with(move || {
                count.fetch_add(1, Ordering::Relaxed);
                Ok(chunk.clone())
            }))
        }
    })
    .await;
    let relay = Rig::new(&server).granting(A).relay();
    let places = relay.answers.available_permits();
    let answer = send(&relay, &alice(), Rpc::ListReleases, &everything()).await;
    let mut body = answer.into_body();
    for read in 1..=24 {
        let piece = soon(body.frame()).await.unwrap().unwrap();
        assert!(piece.into_data().unwrap().len() > 1 << 20);
        let ahead = produced.load(Ordering::Relaxed) - read;
        assert!(ahead < 6, "{ahead} messages ahead of the reader");
        assert!(places - relay.answers.available_permits() <= 1100);
    }
    drop(body);
    assert_eq!(relay.answers.available_permits(), places);
    assert_eq!(relay.stats().calls, 0);
}

#[tokio::test]
async fn a_list_that_breaks_off_breaks_and_one_that_cannot_be_read_as_well() {
    let whole = ListReleasesResponse {
        releases: vec![release("one", "a", 1)],
        ..ListReleasesResponse::default()
    };
    let whole = grpc_web::encode_message(&whole.encode_to_vec());
    for rest in [
        &b"\0\0\0\0\x09short"[..],
        b"\0\0\0\0\x02\x22\x05",
        b"\x03\0\0\0\0",
    ] {
        let body = [&whole[..], rest].concat();
        let server = ApiServer::start(move |_| {
            let body = body.clone();
            async move { super::super::apiserver::grpc_web(body) }
        })
        .await;
        let relay = Rig::new(&server).granting(A).relay();
        let answer = send(&relay, &alice(), Rpc::ListReleases, &everything()).await;
        let (data, broken) = read(answer).await;
        assert_eq!(data, whole, "what came before it is shown");
        assert!(broken.is_some(), "{rest:?}");
        assert_eq!(relay.stats().calls, 0);
    }
}

#[tokio::test]
async fn tillers_error_ends_a_list_as_it_is() {
    let server = ApiServer::start(|_| async {
        super::tiller::failure("error parsing regexp: missing closing ): `(`")
    })
    .await;
    let relay = Rig::new(&server).granting(A).relay();
    let answer = send(&relay, &alice(), Rpc::ListReleases, &everything()).await;
    let (messages, trailers) = frames(answer).await;
    assert!(messages.is_empty());
    let said = grpc_web::Status::from_trailers(&trailers).unwrap();
    assert_eq!(said.message, "error parsing regexp: missing closing ): `(`");
}
