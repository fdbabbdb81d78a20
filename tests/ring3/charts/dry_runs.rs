//! Dry runs by Helm's client and through the edge.

use std::fs;

use anyhow::{Context, Result, bail};
use futures::StreamExt;
use futures::stream;
use real::Output;
use serde_json::{Value, json};
use sim::scenario::Answer;

use super::helms::{Helms, charts};
use super::{Given, by_edge, by_helm};
use crate::stage::{Stage, together};

/// How many at a time.
const ABREAST: usize = 4;

/// What Helm's charts note the time of the release with.
const CREATED: &str = "\"helm.sh/created\": ";

/// What came of an install: what Tiller rendered, or why it was refused.
#[derive(Debug, PartialEq)]
enum End {
    Refused(String),
    /// Hooks in no order: Tiller's is another each time.
    Rendered {
        hooks: Vec<String>,
        manifest: String,
    },
}

#[test]
fn dry_runs_agree_with_helms() {
    together(async |stage| {
        let charts = charts(stage).await?;
        assert!(charts.len() > 100, "{} charts", charts.len());
        let given = given();
        let pairs = charts
            .iter()
            .flat_map(|chart| given.iter().map(move |given| (chart, given)));
        let differences: Vec<_> = stream::iter(pairs.enumerate())
            .map(|(number, (chart, given))| async move {
                let compared = compare(stage, number, chart, given).await;
                compared.with_context(|| format!("{} with {given:?}", chart.name))
            })
            .buffer_unordered(ABREAST)
            .collect()
            .await;
        let (mut rendered, mut refused, mut failures) = (0, 0, Vec::new());
        for compared in differences {
            match compared {
                Ok(End::Rendered { .. }) => rendered += 1,
                Ok(End::Refused(_)) => refused += 1,
                Err(error) => failures.push(format!("{error:#}")),
            }
        }
        println!(
            "{} charts: {rendered} dry runs agree, {refused} refusals",
            charts.len()
        );
        assert!(
            failures.is_empty(),
            "{} differ:\n{}",
            failures.len(),
            failures.join("\n\n")
        );
        assert!(rendered > refused && refused > 0);
        Ok(())
    });
}

/// Nothing, and values that Helm's charts look at, in the ways that they can be given.
fn given() -> [Given; 3] {
    [
        Given::default(),
        Given {
            set: vec![
                "Name=set,replicaCount=2,subchart1.enabled=false,tags.front-end=false,tags.back-end=true",
                "global.in=set,list[1].a={x,y},nothing=null,restartPolicy=Always",
            ],
            set_string: vec!["number=0755,scope=12"],
            ..Given::default()
        },
        Given {
            files: vec![
                "Name: first\nsubchart1: {enabled: yes}\nglobal: {a: 0755, b: 1e3}\nscope: one\n",
                "Name: second\nsubchart2: {enabled: on}\nglobal: {b: null, c: [~, 1.0]}\ntags: {back-end: true}\n",
            ],
            set: vec!["scope=three"],
            ..Given::default()
        },
    ]
}

async fn compare(stage: &Stage, number: usize, chart: &Helms, given: &Given) -> Result<End> {
    let name = format!("dry-{number}");
    let mut arguments: Vec<String> = [
        "--name",
        &name,
        "--namespace",
        "charts",
        "--dry-run",
        "--debug",
    ]
    .map(str::to_owned)
    .to_vec();
    arguments.extend(given.arguments(stage.cluster.folder(), &name)?);
    let fields = json!({ "name": name, "namespace": "charts", "dry_run": true });
    let archive = fs::read(&chart.archive)?;
    let fields = given.fields(fields);
    let (helms, ours) = tokio::join!(
        by_helm(stage, &chart.archive, &arguments),
        by_edge(stage, &archive, &fields),
    );
    let (helms, ours) = (helms_end(helms?)?, edges_end(&ours?)?);
    let agree = match (&helms, &ours) {
        (End::Refused(helms), End::Refused(ours)) => is_same_refusal(helms, ours),
        _ => helms == ours,
    };
    if !agree {
        bail!("Helm: {helms:#?}\nthe edge: {ours:#?}");
    }
    Ok(helms)
}

fn helms_end(output: Output) -> Result<End> {
    if !output.success {
        let said = output.stderr.lines().rev();
        let mut errors = said.filter_map(|line| line.strip_prefix("Error: "));
        let error = errors.next().with_context(|| output.stderr.clone())?;
        return Ok(End::Refused(error.to_owned()));
    }
    let (_, shown) = output.stdout.split_once("\nHOOKS:").context("no hooks")?;
    let (hooks, manifest) = shown.split_once("\nMANIFEST:\n").context("no manifest")?;
    // Nothing precedes the first.
    let hooks = hooks.split("\n---\n# ").skip(1).map(str::to_owned);
    // Helm ends it with a line.
    let manifest = manifest.strip_suffix('\n').unwrap_or(manifest);
    Ok(rendered(hooks.collect(), manifest))
}

/// In the form that Helm prints.
fn edges_end(answer: &Answer) -> Result<End> {
    let body = answer.json().with_context(|| answer.to_string())?;
    let text = |value: &Value, name: &str| -> Result<String> {
        let text = value[name].as_str().map(str::to_owned);
        text.with_context(|| format!("no {name}: {answer}"))
    };
    if answer.status != 200 {
        return Ok(End::Refused(text(body, "detail")?));
    }
    let hooks = body["hooks"].as_array().context("no hooks")?.iter();
    let hooks = hooks.map(|hook| {
        anyhow::Ok(format!(
            "{}\n{}",
            text(hook, "name")?,
            text(hook, "manifest")?
        ))
    });
    Ok(rendered(
        hooks.collect::<Result<_>>()?,
        &text(body, "manifest")?,
    ))
}

fn rendered(mut hooks: Vec<String>, manifest: &str) -> End {
    hooks.sort();
    let manifest = manifest.lines().map(|line| match line.split_once(CREATED) {
        // Seconds are not the same for both.
        Some((indent, _)) => format!("{indent}{CREATED}\n"),
        None => format!("{line}\n"),
    });
    End::Rendered {
        hooks,
        manifest: manifest.collect(),
    }
}

/// Whether ours says what Helm says: it may say more. The two have other words where an archive or YAML cannot be read,
/// and of several templates that are no YAML Tiller names any.
fn is_same_refusal(helms: &str, ours: &str) -> bool {
    for (helms_part, ours_start) in [
        (
            "does not appear to be a gzipped archive",
            "the chart archive cannot be read: ",
        ),
        (
            "cannot load requirements: error converting YAML",
            "cannot load requirements: malformed YAML: ",
        ),
    ] {
        if helms.contains(helms_part) {
            return ours.starts_with(ours_start);
        }
    }
    match helms.strip_prefix("YAML parse error on ") {
        Some(rest) => {
            let why = rest.split_once(": ").map_or(rest, |(_template, why)| why);
            ours.starts_with("YAML parse error on ") && ours.contains(why)
        }
        None => ours.contains(helms),
    }
}
