//! One long conversation that the real Tiller and this one must have alike.
//!
//! `golden/conversation.txt` is what Tiller 2.17 with `-storage=secret` said, on Kubernetes 1.35
//! without controllers. To have it said again:
//!
//! ```text
//! TILLER=127.0.0.1:44134 UPDATE=1 cargo test -p tests --lib conversation
//! ```
//!
//! With `TILLER` and without `UPDATE` the real one is compared with the file instead of this one.

mod requests;
mod script;
mod trouble;

use std::{env, fmt::Write as _, fs, net::SocketAddr, path::Path};

use bytes::Bytes;
use prost::Message;
use regex::Regex;
use tiller_api::{
    Method,
    hapi::{
        release::{Release, test_run},
        services::tiller::{
            GetHistoryResponse, GetReleaseContentResponse, GetReleaseStatusResponse,
            GetVersionResponse, InstallReleaseResponse, ListReleasesResponse, TestReleaseResponse,
            UninstallReleaseResponse,
        },
    },
};

use super::{Server, Tiller, client::Client};

const GOLDEN: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/sim/tiller/golden/conversation.txt"
);

struct Conversation {
    client: Client,
    transcript: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn conversation_is_the_real_tillers() {
    let tiller = Tiller::default();
    let server = Server::start(&tiller, None).await.expect("a free port");
    let real: Option<SocketAddr> = env::var("TILLER")
        .ok()
        .map(|addr| addr.parse().expect("an address"));
    let mut conversation = Conversation {
        client: Client::connect(real.unwrap_or_else(|| server.addr())).await,
        transcript: String::new(),
    };
    conversation.hold().await;
    let golden = Path::new(GOLDEN);
    if env::var_os("UPDATE").is_some() {
        assert!(
            real.is_some(),
            "only the real Tiller may write the transcript"
        );
        fs::write(golden, &conversation.transcript).expect("writable");
    }
    let expected = fs::read_to_string(golden).expect("readable");
    if conversation.transcript != expected {
        let said = env::temp_dir().join("conversation.txt");
        fs::write(&said, &conversation.transcript).expect("writable");
        panic!("diff {GOLDEN} {}", said.display());
    }
}

impl Conversation {
    fn title(&mut self, title: &str) {
        self.line(&format!("\n# {title}"));
    }

    async fn say(&mut self, method: Method, request: &impl Message) {
        let reply = self.client.call(method, request).await;
        self.line(&format!("> {method}"));
        for message in reply.messages {
            let text = describe(method, message);
            self.line(text.trim_end_matches('\n'));
        }
        self.end(&reply.status, reply.trailers_only);
    }

    fn end(&mut self, status: &Option<(u32, String)>, trailers_only: bool) {
        let place = if trailers_only { " (in headers)" } else { "" };
        match status {
            Some((0, _)) => self.line(&format!("< ok{place}")),
            Some((code, message)) => self.line(&format!("< {code}{place} {message}")),
            None => self.line("< broke off"),
        }
    }

    fn line(&mut self, text: &str) {
        self.transcript.push_str(&normalised(text));
        self.transcript.push('\n');
    }
}

fn describe(method: Method, message: Bytes) -> String {
    const READABLE: &str = "what Tiller sends is readable";
    match method {
        Method::GetHistory => {
            let history = GetHistoryResponse::decode(message).expect(READABLE);
            history.releases.iter().map(summary).collect()
        }
        Method::GetReleaseStatus => {
            let status = GetReleaseStatusResponse::decode(message).expect(READABLE);
            let info = status.info.unwrap_or_default();
            let status = info.status.unwrap_or_default();
            let mut text = format!(
                "{:?} {}\n{}",
                status.code(),
                info.description,
                status.resources
            );
            if let Some(suite) = status.last_test_suite_run {
                for run in suite.results {
                    _ = writeln!(text, "test {} {:?} {}", run.name, run.status(), run.info);
                }
            }
            text
        }
        Method::GetVersion => format!("{:?}", GetVersionResponse::decode(message).expect(READABLE)),
        Method::ListReleases => {
            let list = ListReleasesResponse::decode(message).expect(READABLE);
            let mut text = format!(
                "count {} total {} next {:?}\n",
                list.count, list.total, list.next
            );
            list.releases
                .iter()
                .for_each(|release| text.push_str(&summary(release)));
            text
        }
        Method::RunReleaseTest => {
            let line = TestReleaseResponse::decode(message).expect(READABLE);
            format!(
                "{:?} {:?}",
                line.msg,
                test_run::Status::try_from(line.status)
            )
        }
        Method::UninstallRelease => {
            let answer = UninstallReleaseResponse::decode(message).expect(READABLE);
            format!(
                "{}info {:?}",
                summary(&answer.release.unwrap_or_default()),
                answer.info
            )
        }
        Method::GetReleaseContent => {
            let answer = GetReleaseContentResponse::decode(message).expect(READABLE);
            whole(&answer.release.unwrap_or_default())
        }
        Method::InstallRelease | Method::RollbackRelease | Method::UpdateRelease => {
            let answer = InstallReleaseResponse::decode(message).expect(READABLE);
            whole(&answer.release.unwrap_or_default())
        }
    }
}

fn summary(release: &Release) -> String {
    let info = release.info.clone().unwrap_or_default();
    let status = info.status.unwrap_or_default();
    format!(
        "{} v{} in {}: {:?}, {}{}\n",
        release.name,
        release.version,
        release.namespace,
        status.code(),
        info.description,
        if info.deleted.is_some() {
            " (deleted)"
        } else {
            ""
        },
    )
}

fn whole(release: &Release) -> String {
    let mut text = summary(release);
    let chart = release.chart.clone().unwrap_or_default();
    // Writing to a string cannot fail.
    _ = writeln!(
        text,
        "config {:?}",
        release.config.as_ref().map(|config| &config.raw)
    );
    _ = writeln!(
        text,
        "chart values {:?}",
        chart.values.map(|values| values.raw)
    );
    for hook in &release.hooks {
        _ = writeln!(
            text,
            "hook {} {} {} {:?} {} {:?} {} run {}",
            hook.name,
            hook.kind,
            hook.path,
            hook.events,
            hook.weight,
            hook.delete_policies,
            hook.delete_timeout,
            hook.last_run.is_some(),
        );
    }
    let status = release
        .info
        .clone()
        .and_then(|info| info.status)
        .unwrap_or_default();
    _ = writeln!(text, "notes {:?}", status.notes);
    text.push_str(&release.manifest);
    text
}

/// Without what differs from run to run: ages and addresses, and with them the widths of columns.
fn normalised(text: &str) -> String {
    let age = Regex::new(r"(?m)\s+\d+[smh](\d+s)?$").expect("a constant");
    let address = Regex::new(r"\b10\.0\.0\.\d+ +").expect("a constant");
    let heading = Regex::new(r"CLUSTER-IP +").expect("a constant");
    let text = age.replace_all(text, "  AGE");
    let text = address.replace_all(&text, "ADDRESS  ");
    heading.replace_all(&text, "CLUSTER-IP  ").into_owned()
}
