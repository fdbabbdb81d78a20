//! What Tiller stores of an install through the edge, and what it gives back.

use std::fs;

use anyhow::{Context, Result};
use serde_json::json;

use super::helms::charts;
use super::{Given, by_edge, by_helm};
use crate::stage::{Stage, chart, expect, purge, together};

/// A chart with requirements, conditions, tags and imported values, at several depths.
const SUBPOP: &str = "pkg/chartutil/testdata/subpop";

#[test]
fn values_are_stored_byte_by_byte_as_helm_stores_them() {
    together(async |stage| {
        let charts = charts(stage).await?;
        let alpine = charts
            .iter()
            .find(|chart| chart.name == "docs/examples/alpine");
        let alpine = &alpine.context("Helm has no such chart")?.archive;
        let archive = fs::read(alpine)?;
        for (number, given) in given().iter().enumerate() {
            let (helms, ours) = (format!("raw-{number}-helm"), format!("raw-{number}-edge"));
            let mut arguments = vec!["--name".to_owned(), helms.clone()];
            arguments.extend(given.arguments(stage.cluster.folder(), &helms)?);
            let installed = by_helm(stage, alpine, &arguments).await?;
            installed.check("helm install")?;
            let fields = given.fields(json!({ "name": ours }));
            expect(201, &by_edge(stage, &archive, &fields).await?);
            let (helms_raw, ours_raw) = (raw(stage, &helms).await?, raw(stage, &ours).await?);
            assert_eq!(ours_raw, helms_raw, "{given:?}");
            purge(&stage.caller(), &helms).await?;
            purge(&stage.caller(), &ours).await?;
        }
        Ok(())
    });
}

#[test]
fn a_chart_that_is_given_back_installs_to_the_same_manifest() {
    together(async |stage| {
        let charts = charts(stage).await?;
        let subpop = charts.iter().find(|chart| chart.name == SUBPOP);
        let subpop = fs::read(&subpop.context("Helm has no such chart")?.archive)?;
        let aliased = chart("aliased")?.to_vec();
        for (name, archive) in [("subpop", subpop), ("aliased", aliased)] {
            let release = "given-back";
            let given = Given {
                set: vec![
                    "tags.front-end=true,subchart2.enabled=true,second.size=3,colour=red,global.a=b",
                ],
                ..Given::default()
            };
            let fields = given.fields(json!({ "name": release, "namespace": "charts" }));
            expect(201, &by_edge(stage, &archive, &fields).await?);
            let manifest = manifest(stage, release).await?;
            assert!(manifest.matches("\n---\n").count() > 2, "{manifest}");

            let path = format!("/v1/clusters/real/releases/{release}/chart");
            let given_back = stage.caller().get(&path).await?;
            expect(200, &given_back);
            purge(&stage.caller(), release).await?;

            let mut arguments = ["--name", release, "--namespace", "charts"]
                .map(str::to_owned)
                .to_vec();
            arguments.extend(given.arguments(stage.cluster.folder(), release)?);
            for (which, archive) in [("own", &archive[..]), ("given-back", &given_back.body)] {
                let file = stage.cluster.folder().join(format!("{name}-{which}.tgz"));
                fs::write(&file, archive)?;
                let installed = by_helm(stage, &file, &arguments).await?;
                installed
                    .check("helm install")
                    .with_context(|| format!("{name} {which}"))?;
                let helms = self::manifest(stage, release).await?;
                assert_eq!(helms, manifest, "{name} {which}");
                purge(&stage.caller(), release).await?;
            }
        }
        Ok(())
    });
}

fn given() -> Vec<Given> {
    vec![
        Given::default(),
        Given {
            set: vec![
                "a=1,b=true,c=null,d=0755,e=1e3,f={x,1,~}",
                "g.h[2].i=j,k=a\\,b,l=",
            ],
            set_string: vec!["m=1,n=true", "o.p=0x10"],
            ..Given::default()
        },
        Given {
            files: vec![
                "z: yes\ny: 0755\nx: 1e3\nw: 2020-01-01\nv: &a [1, 1.0, .5]\nu: *a\nt: |\n  two\n  lines\n",
                "z: {q: no}\ns: \"1\"\nr: ~\nlong: a text that is long enough to be folded by whoever folds long \
                 texts at eighty columns or so\nunicode: \"\\u00e9 \\u2028 \\U0001F600\"\n",
            ],
            set: vec!["y=2"],
            ..Given::default()
        },
        Given {
            files: vec!["{}"],
            ..Given::default()
        },
    ]
}

/// The values as they are stored.
async fn raw(stage: &Stage, release: &str) -> Result<String> {
    let got = stage
        .cluster
        .tiller()
        .helm(&["get", "values", release])
        .await?;
    got.check("helm get values")
}

async fn manifest(stage: &Stage, release: &str) -> Result<String> {
    let got = stage
        .cluster
        .tiller()
        .helm(&["get", "manifest", release])
        .await?;
    got.check("helm get manifest")
}
