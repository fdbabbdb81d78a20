//! Users of a real OpenID provider in front of the real cluster: they sign in there, and the edge knows them by what they
//! come back with.

use std::time::Duration;

use anyhow::{Result, ensure};
use real::{Edge, Provider};
use serde_json::json;
use sim::scenario::{Answer, Body, Client};
use tokio::time::{Instant, sleep};

use crate::stage::{Stage, caller, chart, configuration, expect, expect_problem, text, together};

// Below 32768: above, the system hands ports out to outgoing connections.
const PORT: u16 = 15010;
const LATE_PORT: u16 = 15011;

/// How long the edge may take to see that the provider changed; it asks again after ten seconds.
const PATIENCE: Duration = Duration::from_secs(60);

const RELEASES: &str = "/v1/clusters/real/releases";

/// An edge where the provider's group `deployers` may do everything and `everybody` may look.
async fn edge(
    stage: &Stage,
    name: &'static str,
    address: &str,
    provider: &Provider,
    more: &str,
) -> Result<Edge> {
    let access = format!(
        r#"
[[oidc]]
issuer = "{issuer}"
audiences = ["tiller-edge"]
ca_file = {ca:?}
{more}

[[grant]]
name = "deployers"
groups = ["oidc:deployers"]
actions = ["*"]

[[grant]]
name = "everybody"
groups = ["oidc:everybody"]
actions = ["read"]
"#,
        issuer = provider.issuer(),
        ca = provider.ca(),
    );
    let config = configuration(&stage.cluster.contexts(), &access);
    stage.cluster.edge(name, "serve", address, &config).await
}

async fn send(
    caller: &Client,
    method: &str,
    path: &str,
    token: &str,
    body: Option<Body>,
) -> Result<Answer> {
    let authorization = format!("Bearer {token}");
    let headers = [("authorization", &*authorization)];
    caller.send(method, path, &headers, body).await
}

async fn list(caller: &Client, token: &str) -> Result<Answer> {
    send(caller, "GET", RELEASES, token, None).await
}

/// Insists that the token is refused, and gives back why.
fn unauthenticated(answer: &Answer) -> &str {
    expect(401, answer);
    expect_problem(answer, "unauthenticated", "caller", "not_applied");
    text(answer, "/detail")
}

/// Waits until the edge has asked the provider again and answers so.
async fn until(status: u16, caller: &Client, token: &str) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = list(caller, token).await?;
        if answer.status == status {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "{answer}");
        sleep(Duration::from_millis(250)).await;
    }
}

#[test]
fn users_who_sign_in_may_do_what_their_groups_may_until_the_keys_change() {
    together(async |stage| {
        let provider = Provider::start(stage.cluster.folder(), PORT).await?;
        let edge = edge(stage, "oidc-edge", "127.0.0.1:8084", &provider, "").await?;
        let caller = caller(&edge);
        let alice = provider.sign_in("tiller-edge", "alice").await?;
        let bob = provider.sign_in("tiller-edge", "bob").await?;

        // Whatever of the two a client sends is good.
        for token in [&alice.id, &alice.access, &bob.id, &bob.access] {
            expect(200, &list(&caller, token).await?);
        }
        let fields = json!({ "name": "signed-in" });
        let archive = chart("web")?;
        let install = || Some(Body::form(&archive, Some(&fields)));
        let refused = send(&caller, "POST", RELEASES, &bob.id, install()).await?;
        expect(403, &refused);
        expect_problem(&refused, "not_allowed", "caller", "not_applied");
        assert!(
            text(&refused, "/detail").contains("oidc:id-bob"),
            "{refused}"
        );
        let installed = send(&caller, "POST", RELEASES, &alice.id, install()).await?;
        expect(201, &installed);
        let release = format!("{RELEASES}/signed-in?purge=true");
        expect(
            403,
            &send(&caller, "DELETE", &release, &bob.access, None).await?,
        );
        expect(
            200,
            &send(&caller, "DELETE", &release, &alice.access, None).await?,
        );

        // One that was made for another client is not for this edge, and nobody is let in without one.
        let other = provider.sign_in("other", "alice").await?;
        for token in [&other.id, &other.access] {
            let refused = list(&caller, token).await?;
            let why = unauthenticated(&refused);
            assert!(why.ends_with("it is for another audience"), "{why}");
        }
        unauthenticated(&caller.get(RELEASES).await?);
        let (message, signature) = alice.id.rsplit_once('.').unwrap_or_default();
        let (_, of_another) = bob.id.rsplit_once('.').unwrap_or_default();
        assert_ne!(signature, of_another);
        let mixed = list(&caller, &format!("{message}.{of_another}")).await?;
        let why = unauthenticated(&mixed);
        assert!(
            why.ends_with("a signature that is not the provider's"),
            "{why}"
        );

        // While the provider is away its tokens are as good as before; when it comes back with another key they are not.
        provider.process().kill().await?;
        expect(200, &list(&caller, &alice.id).await?);
        provider.heal().await?;
        let again = provider.sign_in("tiller-edge", "alice").await?;
        until(200, &caller, &again.id).await?;
        let why = list(&caller, &alice.id).await?;
        let why = unauthenticated(&why);
        assert!(
            why.ends_with("a key that the provider does not have"),
            "{why}"
        );
        expect(200, &list(&caller, &again.access).await?);

        let log = edge.process().log();
        for token in [&alice.id, &alice.access, &again.id, &other.id] {
            let signature = token.rsplit('.').next().unwrap_or_default();
            assert!(!log.contains(signature), "a token is in the log");
        }
        Ok(())
    });
}

#[test]
fn an_edge_waits_for_its_provider_and_takes_verified_addresses_for_names() {
    together(async |stage| {
        let provider = Provider::new(stage.cluster.folder(), LATE_PORT)?;
        let more = "name_claim = \"email\"\nrequired_claims = { azp = \"tiller-edge\" }";
        let edge = edge(stage, "late-edge", "127.0.0.1:8085", &provider, more).await?;
        let caller = caller(&edge);
        provider.heal().await?;
        let early = provider.sign_in("tiller-edge", "alice").await?;
        provider.process().kill().await?;

        let unavailable = list(&caller, &early.id).await?;
        expect(503, &unavailable);
        expect_problem(&unavailable, "identity_unavailable", "edge", "not_applied");
        provider.heal().await?;
        let alice = provider.sign_in("tiller-edge", "alice").await?;
        let bob = provider.sign_in("tiller-edge", "bob").await?;
        until(200, &caller, &alice.id).await?;
        let refused = list(&caller, &bob.id).await?;
        let why = unauthenticated(&refused);
        assert!(why.contains("`email` is verified"), "{why}");
        // This provider's access tokens say neither who asked for them nor what the address is.
        let refused = list(&caller, &alice.access).await?;
        let why = unauthenticated(&refused);
        assert!(why.contains("`azp`"), "{why}");
        Ok(())
    });
}
