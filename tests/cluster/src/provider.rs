//! A certified OpenID provider's library as a process, and users who sign in to
//! it as with a browser.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION};
use hyper::{HeaderMap, Method, Request, StatusCode};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::http::{self, Client};
use crate::pki::{Pki, Subject};
use crate::process::Process;

/// Where clients want their users back. Nobody listens there.
const CALLBACK: &str = "http://localhost:9999/auth/callback";

/// What the provider's clients log in with.
const SECRET: &str = "secret";

/// The password of its users.
const PASSWORD: &str = "verysecure";

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A provider as a process, over TLS; it ends when it is dropped. Its clients
/// are `tiller-edge` and `other`; its users are `alice`, who is in the groups
/// `deployers` and `everybody`, and `bob`, who is in `everybody` and whose
/// address is not verified.
pub struct Provider {
    process: Process,
    address: String,
    ca: PathBuf,
    client: Client,
}

/// What a client gets for a user who has signed in.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// The ID token.
    pub id: String,
    /// The access token, a JWT.
    pub access: String,
}

impl Provider {
    /// Starts one on that port of loopback.
    ///
    /// # Errors
    ///
    /// When it does not start; the end of its log is part of the error.
    pub async fn start(folder: &Path, port: u16) -> Result<Self> {
        let provider = Self::new(folder, port)?;
        provider.heal().await?;
        Ok(provider)
    }

    /// The same, not started yet.
    ///
    /// # Errors
    ///
    /// When its files cannot be written.
    pub fn new(folder: &Path, port: u16) -> Result<Self> {
        let home = folder.join(format!("provider-{port}"));
        let pki = Pki::create(&home.join("pki"))?;
        let alternatives = &["127.0.0.1", "localhost"];
        pki.issue(
            "provider",
            Subject {
                name: "provider",
                alternatives,
            },
        )?;
        let users = home.join("users.json");
        let user = |name: &str, verified: bool| {
            json!({
                "ID": format!("id-{name}"),
                "Username": name,
                "Password": PASSWORD,
                "Email": format!("{name}@example.com"),
                "EmailVerified": verified,
            })
        };
        let known = json!({ "id-alice": user("alice", true), "id-bob": user("bob", false) });
        fs::write(&users, known.to_string())?;
        let address = format!("127.0.0.1:{port}");
        let process = Process::new("oidc", "oidc", &home)
            .argument(&address)
            .arguments([pki.path("provider.crt"), pki.path("provider.key"), users]);
        let ca = pki.path("ca.crt");
        Ok(Self {
            process,
            address,
            client: http::client(&ca)?,
            ca,
        })
    }

    /// Starts it if it does not run, with a new key, and waits until it
    /// answers.
    ///
    /// # Errors
    ///
    /// When it ends, or takes more than two minutes.
    pub async fn heal(&self) -> Result<()> {
        if !self.process.runs().await {
            self.process.start().await?;
        }
        self.process
            .ready(async || http::listens(&self.address).await)
            .await
    }

    /// Its issuer URL.
    pub fn issuer(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The file with its authority, as PEM.
    pub fn ca(&self) -> &Path {
        &self.ca
    }

    /// The process, to be killed and looked into.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Has a user sign in for that client: the authorization code flow, with
    /// the login form that the provider shows.
    ///
    /// # Errors
    ///
    /// When the provider lets the user not in, or does not do as the protocol
    /// says.
    pub async fn sign_in(&self, client: &str, user: &str) -> Result<Tokens> {
        let start = format!(
            "{}/auth?client_id={client}&response_type=code&scope=openid%20profile%20email\
             &redirect_uri={CALLBACK}&state=here",
            self.issuer()
        );
        let form = self.redirected(&start).await?;
        let (_, id) = form.split_once("authRequestID=").context("no request")?;
        let filled_in = format!("id={id}&username={user}&password={PASSWORD}");
        let login = format!("{}/login/username", self.issuer());
        let (head, _) = self.post(&login, filled_in, None).await?;
        let back = self.redirected(&location(&head)?).await?;
        let query = back
            .strip_prefix(CALLBACK)
            .with_context(|| format!("sent to {back}"))?;
        let mut answers = query.trim_start_matches('?').split('&');
        let code = answers.find_map(|answer| answer.strip_prefix("code="));
        let code = code.with_context(|| format!("no code: {back}"))?;
        let grant = format!("grant_type=authorization_code&code={code}&redirect_uri={CALLBACK}");
        let url = format!("{}/oauth/token", self.issuer());
        let (_, body) = self.post(&url, grant, Some(client)).await?;
        let tokens: Value = serde_json::from_slice(&body)?;
        let token = |name: &str| {
            let token = tokens[name].as_str();
            token
                .map(str::to_owned)
                .with_context(|| format!("no {name}"))
        };
        Ok(Tokens {
            id: token("id_token")?,
            access: token("access_token")?,
        })
    }

    /// Where a page leads.
    async fn redirected(&self, url: &str) -> Result<String> {
        let request = Request::get(url).body(Full::default())?;
        let (status, headers, _) = self.exchange(request).await?;
        ensure!(status.is_redirection(), "GET {url}: {status}");
        location(&headers)
    }

    async fn post(
        &self,
        url: &str,
        form: String,
        client: Option<&str>,
    ) -> Result<(HeaderMap, Bytes)> {
        let kind = "application/x-www-form-urlencoded";
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(url)
            .header(CONTENT_TYPE, kind);
        if let Some(client) = client {
            let login = BASE64_STANDARD.encode(format!("{client}:{SECRET}"));
            request = request.header(AUTHORIZATION, format!("Basic {login}"));
        }
        let request = request.body(Full::new(form.into()))?;
        let (status, headers, body) = self.exchange(request).await?;
        ensure!(
            status.is_success() || status.is_redirection(),
            "POST {url}: {status} {}",
            String::from_utf8_lossy(&body)
        );
        Ok((headers, body))
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, HeaderMap, Bytes)> {
        let exchange = async {
            let (head, body) = self.client.request(request).await?.into_parts();
            anyhow::Ok((head.status, head.headers, body.collect().await?.to_bytes()))
        };
        let exchanged = timeout(PATIENCE, exchange).await;
        exchanged.context("the provider does not answer in time")?
    }
}

/// The absolute URL or path that an answer leads to; paths begin at the root.
fn location(headers: &HeaderMap) -> Result<String> {
    let location = headers.get(LOCATION).context("it leads nowhere")?;
    Ok(location.to_str()?.to_owned())
}
