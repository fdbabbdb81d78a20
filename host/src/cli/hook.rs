//! Trying a hook's rules on a delivery, without an edge that runs.

use std::fmt::Write as _;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use clap::{Args, Subcommand};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};
use rules::{Seen, Wanted};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::CheckFormat;
use crate::config::Config;
use crate::hooks::{Granted, Sample, Trial, try_out};

/// The status where nothing can be said.
const UNANSWERED: u8 = 2;

/// How much of a request's body is shown, in characters.
const MAX_SHOWN: usize = 2000;

#[derive(Debug, Subcommand)]
pub(super) enum HookCommand {
    /// Say what a delivery would lead to, and why
    Test(Box<TestArgs>),
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tiller-edge --config edge.toml hook test harbor --delivery push.json
  tiller-edge --config edge.toml hook test github --delivery push.json --header 'X-GitHub-Event: registry_package'
  curl -s …/v1/hooks/harbor/deliveries/dl-… | jq -r .payload | tiller-edge -c edge.toml hook test harbor --delivery -

The component, the rules, the clusters' names and the grants are the real ones. Nothing is stored and no cluster is asked
anything: releases that would have to be searched for are not.
Ends with status 0 if something would be done, 1 if nothing would, and 2 if the delivery or the configuration cannot be used.")]
pub(super) struct TestArgs {
    /// The hook's name
    #[arg(value_name = "NAME")]
    name: String,
    /// The file with the payload; - is standard input
    #[arg(long, value_name = "FILE")]
    delivery: PathBuf,
    /// A header of the delivery, as `Name: value`; may be given several times. Content-Type is application/json unless given
    #[arg(long = "header", value_name = "HEADER")]
    headers: Vec<String>,
    /// What follows the question mark in the delivery's URL
    #[arg(long, value_name = "QUERY", hide_env_values = true)]
    query: Option<String>,
    /// How the answer is printed
    #[arg(long, value_enum, default_value_t = CheckFormat::Human)]
    format: CheckFormat,
}

impl HookCommand {
    /// Answers on standard output.
    pub(super) async fn run(self, config: Config) -> anyhow::Result<ExitCode> {
        let Self::Test(args) = self;
        let format = args.format;
        match args.run(config).await {
            Ok(trial) => {
                match format {
                    CheckFormat::Human => print!("{}", text(&trial)),
                    CheckFormat::Json => println!("{:#}", document(&trial)),
                }
                Ok(if would_do(&trial) {
                    ExitCode::SUCCESS
                } else {
                    ExitCode::FAILURE
                })
            }
            Err(error) => {
                eprintln!("tiller-edge: {error:#}");
                Ok(ExitCode::from(UNANSWERED))
            }
        }
    }
}

impl TestArgs {
    async fn run(self, config: Config) -> anyhow::Result<Trial> {
        let (headers, authorization) = headers(&self.headers)?;
        let sample = Sample {
            headers,
            authorization,
            query: self.query,
            payload: payload(&self.delivery)?.into(),
        };
        Ok(try_out(config, &self.name, sample).await?)
    }
}

fn payload(path: &Path) -> anyhow::Result<Vec<u8>> {
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        let read = io::stdin().lock().read_to_end(&mut bytes);
        read.context("cannot read the payload from standard input")?;
        return Ok(bytes);
    }
    std::fs::read(path).with_context(|| format!("cannot read the payload {}", path.display()))
}

/// The headers as an edge would have them, and `Authorization` by itself.
fn headers(lines: &[String]) -> anyhow::Result<(HeaderMap, Option<SecretString>)> {
    let mut headers = HeaderMap::new();
    for line in lines {
        let Some((name, value)) = line.split_once(':') else {
            bail!("a header is written as `Name: value`");
        };
        let name: HeaderName = name.trim().parse().context("a header has no usable name")?;
        let value = HeaderValue::from_str(value.trim())
            .with_context(|| format!("the header {name} has no usable value"))?;
        headers.append(name, value);
    }
    let authorization = headers.remove(AUTHORIZATION);
    ensure!(
        !headers.contains_key(AUTHORIZATION),
        "there are several Authorization headers"
    );
    let authorization = match authorization {
        Some(value) => Some(
            value
                .to_str()
                .context("the Authorization header is not ASCII text")?
                .into(),
        ),
        None => None,
    };
    let json = HeaderValue::from_static("application/json");
    headers.entry(CONTENT_TYPE).or_insert(json);
    Ok((headers, authorization))
}

fn would_do(trial: &Trial) -> bool {
    let mut grants = trial.grants.iter().flatten();
    grants.any(|granted| !matches!(granted, Granted::No(_)))
}

/// The answer for eyes.
fn text(trial: &Trial) -> String {
    let mut text = String::new();
    let proof = match &trial.refused {
        None => "it proves to be the provider's".to_owned(),
        Some(why) => format!("an edge would refuse it as it is here: {why}"),
    };
    line(&mut text, 0, &proof);
    for (event, granted) in trial.outcome.events.iter().zip(&trial.grants) {
        line(&mut text, 0, &event.summary);
        if let Some(key) = &event.key {
            line(&mut text, 1, &format!("known again as {key}"));
        }
        for verdict in &event.verdicts {
            let sign = if verdict.fits { "fits" } else { "does not fit" };
            let said = format!("rule {} {sign}: {}", verdict.rule, verdict.why);
            line(&mut text, 1, &said);
        }
        for (wanted, granted) in event.wanted.iter().zip(granted) {
            tell_wanted(&mut text, wanted, granted);
        }
    }
    if let Some(reason) = &trial.outcome.reason {
        line(&mut text, 0, &format!("nothing would be done: {reason}"));
    }
    text
}

fn tell_wanted(text: &mut String, wanted: &Wanted, granted: &Granted) {
    match wanted {
        Wanted::Discovery { rule, cluster, .. } => {
            let said = format!("would look for releases in {cluster} by rule {rule}");
            line(text, 1, &said);
        }
        Wanted::Request {
            rule,
            method,
            target,
            body,
            plan,
            coalesce,
            approve,
        } => {
            line(text, 1, &format!("would send, by rule {rule}:"));
            line(text, 2, &format!("{method} {target}"));
            let body: String = body.to_string().chars().take(MAX_SHOWN).collect();
            line(text, 2, &body);
            if plan.dry_run {
                line(text, 2, "only to see what it would do");
            }
            if *approve {
                line(text, 2, "once somebody has approved it");
            }
            if *coalesce {
                line(text, 2, "unless a newer one comes first");
            }
            let said = match granted {
                Granted::Yes => "a grant allows it".to_owned(),
                Granted::Depends => {
                    "whether a grant allows it depends on what the cluster knows".to_owned()
                }
                Granted::No(why) => format!("it would be refused: {why}"),
            };
            line(text, 2, &said);
        }
    }
}

/// One line, without whatever a terminal would take for a command.
fn line(text: &mut String, depth: usize, said: &str) {
    let clean: String = said
        .chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    let indent = "  ".repeat(depth);
    writeln!(text, "{indent}{clean}").expect("a text can be written to");
}

/// The answer for programs.
fn document(trial: &Trial) -> Value {
    let events = trial.outcome.events.iter().zip(&trial.grants);
    let events: Vec<Value> = events
        .map(|(event, granted)| view(event, granted))
        .collect();
    json!({
        "verified": trial.refused.is_none(),
        "refused": trial.refused,
        "reason": trial.outcome.reason,
        "events": events,
    })
}

fn view(event: &Seen, granted: &[Granted]) -> Value {
    let wanted = event.wanted.iter().zip(granted).map(|(wanted, granted)| {
        let (decision, why) = match granted {
            Granted::Yes => ("allowed", None),
            Granted::Depends => ("depends", None),
            Granted::No(why) => ("refused", Some(why)),
        };
        json!({ "wanted": wanted, "decision": decision, "why": why })
    });
    json!({
        "kind": event.kind,
        "summary": event.summary,
        "key": event.key,
        "verdicts": event.verdicts,
        "wanted": wanted.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use rest::plan::Plan;
    use rules::{Kind, Outcome, Verdict};

    use super::*;

    fn trial(granted: Granted) -> Trial {
        let wanted = Wanted::Request {
            rule: "web".to_owned(),
            method: "PUT".to_owned(),
            target: "/v1/clusters/prod/releases/web".to_owned(),
            body: json!({ "values": { "image": { "tag": "1.2\u{1b}[31m" } } }),
            plan: Plan::default(),
            coalesce: true,
            approve: true,
        };
        Trial {
            refused: Some("`x` is missing".to_owned()),
            outcome: Outcome {
                reason: None,
                events: vec![Seen {
                    kind: Kind::ImagePushed,
                    summary: "image-pushed a/b:1\u{7}".to_owned(),
                    key: None,
                    verdicts: vec![Verdict {
                        rule: "web".to_owned(),
                        fits: true,
                        why: "upgrade".to_owned(),
                    }],
                    wanted: vec![wanted],
                }],
            },
            grants: vec![vec![granted]],
        }
    }

    #[test]
    fn what_would_be_sent_is_told_with_what_stands_in_the_way() {
        let no = Granted::No("no grant".to_owned());
        for (granted, said, does) in [
            (Granted::Yes, "a grant allows it", true),
            (Granted::Depends, "depends on what the cluster knows", true),
            (no, "it would be refused: no grant", false),
        ] {
            let trial = trial(granted);
            let text = text(&trial);
            for part in [
                "PUT /v1/clusters/prod/releases/web",
                "approved",
                "newer",
                said,
            ] {
                assert!(text.contains(part), "{part}: {text}");
            }
            assert_eq!(would_do(&trial), does);
            let document = document(&trial);
            assert_eq!(document["verified"], false);
            assert_eq!(document["events"][0]["wanted"][0]["wanted"]["rule"], "web");
        }
    }

    #[test]
    fn nothing_in_a_payload_moves_the_cursor() {
        let text = text(&trial(Granted::Yes));
        assert!(
            text.chars().all(|c| c == '\n' || !c.is_control()),
            "{text:?}"
        );
    }

    #[test]
    fn headers_are_read_as_curl_takes_them() {
        let lines = ["X-GitHub-Event: push", "authorization:  Bearer a b "].map(str::to_owned);
        let (headers, authorization) = headers(&lines).expect("good");
        assert_eq!(headers["x-github-event"], "push");
        assert_eq!(headers["content-type"], "application/json");
        assert!(authorization.is_some());
        for bad in ["nothing", " : x", "a b: x", "a: \u{1}"] {
            assert!(super::headers(&[bad.to_owned()]).is_err(), "{bad:?}");
        }
    }
}
