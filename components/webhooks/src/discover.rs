//! Which releases of a cluster a rule is about.

use std::collections::BTreeSet;

use bytes::Bytes;
use charts::{Limits, values};
use client::{Edge, Relay, Tiller};
use http::Response;
use http_body_util::Full;
use rest::{
    problem::{Code, Problem},
    relay::Target,
};
use rules::{Candidate, Finder, Found, MAX_WANTED, Quest, QuestError};
use tiller_api::hapi::release::Release;

use crate::{
    answer::{self, problem},
    deliver::senseless,
    list::Releases,
};

/// Answers which releases a rule is about.
pub(crate) async fn find<R: Relay>(
    edge: &Edge<R>,
    body: &[u8],
) -> Result<Response<Full<Bytes>>, Problem> {
    let quest: Quest = serde_json::from_slice(body).map_err(|error| {
        problem(
            Code::InvalidRequest,
            format!("the body is no question for releases: {error}"),
        )
    })?;
    let finder = Finder::new(&quest).map_err(|error| match error {
        QuestError::Rule(error) => senseless(&[error]),
        error => problem(Code::InvalidRequest, error.to_string()),
    })?;
    let tiller = Tiller {
        edge: edge.clone(),
        target: Target {
            cluster: quest.cluster,
            tiller: None,
        },
    };
    let mut releases = Releases::new(&tiller);
    let mut found = Found::default();
    let mut seen = BTreeSet::new();
    while let Some(release) = releases.next().await? {
        if !finder.is_meant(&release.name) || !seen.insert(release.name.clone()) {
            continue;
        }
        found.looked += 1;
        look(&finder, &release, &mut found);
        if found.releases.len() > MAX_WANTED {
            return Err(problem(
                Code::InvalidRequest,
                format!(
                    "more than {MAX_WANTED} releases of the cluster have something to do with the image"
                ),
            ));
        }
    }
    Ok(answer::json(&found))
}

fn look(finder: &Finder, release: &Release, found: &mut Found) {
    let Some(chart) = &release.chart else {
        return;
    };
    let name = chart
        .metadata
        .as_ref()
        .map(|metadata| metadata.name.as_str())
        .unwrap_or_default();
    // A release without values has an empty configuration; only the relay leaves it out.
    let Some(config) = &release.config else {
        found.looked -= 1;
        found.withheld += 1;
        return;
    };
    let values = match values::coalesce(chart, Some(config), &Limits::default()) {
        Ok(values) => values,
        Err(error) => {
            found.releases.push(Candidate {
                release: release.name.clone(),
                fits: false,
                why: format!("its values cannot be computed: {error}"),
            });
            return;
        }
    };
    if let Some(look) = finder.look(&release.name, name, &values) {
        found.releases.push(look.candidate);
        found.wanted.extend(look.wanted);
    }
}
