//! Charts on their way to Tiller.

use charts::Limits;
use client::{Failure, Relay, Tiller};
use rest::{
    body::ChartRef,
    problem::{Code, Problem},
    repositories::{Ask, Source},
};
use sha2::{Digest, Sha256};
use tiller_api::hapi::chart::Chart;

use crate::{archive::fetch, values::chain};

/// The chart that a body asks for, and where it came from. What is not in the body is fetched for the cluster it goes to.
pub(crate) async fn obtain<R: Relay>(
    tiller: &Tiller<R>,
    chart: ChartRef,
) -> Result<(Chart, Source), Failure> {
    let cluster = ("cluster", tiller.target.cluster.as_str());
    let (archive, source) = match chart {
        ChartRef::Archive(archive) => {
            let chart = load(&archive)?;
            let source = Source {
                digest: format!("sha256:{:x}", Sha256::digest(&archive)),
                ..Source::default()
            };
            return Ok((chart, source));
        }
        ChartRef::Repository {
            repository,
            name,
            version,
        } => {
            let ask = Ask::Archive {
                repository,
                chart: name,
            };
            let version = ("version", version.as_deref().unwrap_or_default());
            fetch(&tiller.edge, &ask, &[version, cluster]).await?
        }
        ChartRef::Deployed => {
            return Err(Problem::new(
                Code::NoDeployedRelease,
                "there is no release yet whose chart could be kept",
            )
            .into());
        }
        ChartRef::Url(url) => fetch(&tiller.edge, &Ask::Url, &[("url", &url), cluster]).await?,
    };
    Ok((load_fetched(&archive, &source)?, source))
}

/// Unpacks an archive that the caller has never seen.
pub(crate) fn load_fetched(archive: &[u8], source: &Source) -> Result<Chart, Problem> {
    load(archive).map_err(|problem| match origin(source) {
        None => problem,
        Some(origin) => problem.with_hint(format!("the archive is that of {origin}")),
    })
}

/// What the description of a release says that is made from a chart of that source, if it is made from another one: what the caller said, or Tiller
/// would say, and which archive it was. Nothing, where there is no more to say than Tiller says.
pub(crate) fn description(
    source: Option<&Source>,
    said: Option<String>,
    otherwise: &str,
) -> String {
    let Some((source, origin)) = source.and_then(|source| Some((source, origin(source)?))) else {
        return said.unwrap_or_default();
    };
    let said = said.as_deref().unwrap_or(otherwise);
    let signed = source
        .provenance
        .as_ref()
        .map_or_else(String::new, |it| format!(", signed by {}", it.signer));
    format!("{said} (chart {origin}{signed})")
}

/// The archive in a few words; none of one that was sent.
fn origin(source: &Source) -> Option<String> {
    let Source {
        repository,
        name,
        version,
        url,
        digest,
        provenance: _,
    } = source;
    let name = match (repository, url) {
        (Some(repository), _) => format!(
            "{repository}/{} {}",
            name.as_deref().unwrap_or_default(),
            version.as_deref().unwrap_or_default()
        ),
        (None, Some(url)) => url.clone(),
        (None, None) => return None,
    };
    Some(format!("{name} {digest}"))
}

/// Unpacks an archive.
pub(crate) fn load(archive: &[u8]) -> Result<Chart, Problem> {
    let chart = charts::load(archive, &Limits::default()).map_err(|error| {
        let code = if error.is_limit().is_some() {
            Code::ChartLimitExceeded
        } else {
            Code::InvalidChart
        };
        Problem::new(code, chain(&error))
    })?;
    require_metadata(&chart)?;
    Ok(chart)
}

/// A chart without metadata, at any depth, ends the Tiller that renders it.
pub(crate) fn require_metadata(chart: &Chart) -> Result<(), Problem> {
    if chart.metadata.is_none() {
        return Err(Problem::new(
            Code::InvalidChart,
            "chart metadata (Chart.yaml) missing",
        ));
    }
    chart.dependencies.iter().try_for_each(require_metadata)
}

/// Whether an install may make CRDs before Tiller asks the cluster to validate the rest.
pub(crate) fn installs_crds(chart: &Chart) -> bool {
    const HOOK: &[u8] = b"crd-install";
    let names_hook = |data: &[u8]| data.windows(HOOK.len()).any(|window| window == HOOK);
    chart
        .templates
        .iter()
        .any(|template| names_hook(&template.data))
        || chart.dependencies.iter().any(installs_crds)
}

#[cfg(test)]
mod tests {
    use rest::repositories::Provenance;
    use tiller_api::hapi::chart::{Metadata, Template};

    use super::*;

    fn named(name: &str) -> Chart {
        Chart {
            metadata: Some(Metadata {
                name: name.into(),
                ..Metadata::default()
            }),
            ..Chart::default()
        }
    }

    #[test]
    fn p3_a_chart_needs_metadata() {
        let problem = require_metadata(&Chart::default()).unwrap_err();
        assert_eq!(problem.code, Code::InvalidChart);
        assert_eq!(require_metadata(&named("web")), Ok(()));
    }

    #[test]
    fn p4_so_does_every_sub_chart_at_any_depth() {
        let mut middle = named("middle");
        middle.dependencies.push(Chart::default());
        let mut top = named("top");
        top.dependencies.push(named("fine"));
        assert_eq!(require_metadata(&top), Ok(()));
        top.dependencies.push(middle);
        assert_eq!(require_metadata(&top).unwrap_err().code, Code::InvalidChart);
    }

    #[test]
    fn an_archive_of_a_chart_without_metadata_is_refused() {
        let mut top = named("top");
        top.templates.push(Template {
            name: "templates/a.yaml".into(),
            data: "a: 1".into(),
        });
        assert_eq!(
            load(&charts::pack(&top).unwrap()).unwrap().templates.len(),
            1
        );
        for archive in [&b""[..], b"not gzip", b"\x1f\x8b\x08garbage"] {
            assert_eq!(load(archive).unwrap_err().code, Code::InvalidChart);
        }
    }

    #[test]
    fn crds_are_seen_at_any_depth() {
        let mut sub = named("sub");
        sub.templates.push(Template {
            name: "templates/crd.yaml".into(),
            data: "annotations: {helm.sh/hook: crd-install}".into(),
        });
        let mut top = named("top");
        assert!(!installs_crds(&top));
        top.dependencies.push(sub);
        assert!(installs_crds(&top));
    }

    fn from_repository() -> Source {
        Source {
            repository: Some("stable".into()),
            name: Some("web".into()),
            version: Some("1.2.3".into()),
            url: Some("https://charts.example.com/web-1.2.3.tgz".into()),
            digest: "sha256:00".into(),
            provenance: None,
        }
    }

    #[test]
    fn a_description_tells_the_archive_after_what_is_said() {
        let mut source = from_repository();
        assert_eq!(
            description(Some(&source), None, "Install complete"),
            "Install complete (chart stable/web 1.2.3 sha256:00)"
        );
        assert_eq!(
            description(Some(&source), Some("by me".into()), "Install complete"),
            "by me (chart stable/web 1.2.3 sha256:00)"
        );
        source.provenance = Some(Provenance {
            signer: "Zoë <z@example.com>".into(),
            fingerprint: "AB".into(),
        });
        assert_eq!(
            description(Some(&source), None, "Upgrade complete"),
            "Upgrade complete (chart stable/web 1.2.3 sha256:00, signed by Zoë <z@example.com>)"
        );
        source = Source {
            url: source.url,
            digest: source.digest,
            ..Source::default()
        };
        assert_eq!(
            description(Some(&source), None, "Install complete"),
            "Install complete (chart https://charts.example.com/web-1.2.3.tgz sha256:00)"
        );
    }

    #[test]
    fn an_archive_that_was_sent_leaves_the_description_alone() {
        let source = Source {
            digest: "sha256:00".into(),
            ..Source::default()
        };
        assert_eq!(description(Some(&source), None, "Install complete"), "");
        assert_eq!(
            description(Some(&source), Some("by me".into()), "Install complete"),
            "by me"
        );
    }

    #[test]
    fn a_fetched_archive_that_is_no_chart_says_which_it_was() {
        let problem = load_fetched(b"", &from_repository()).unwrap_err();
        assert_eq!(problem.code, Code::InvalidChart);
        assert_eq!(
            problem.hint.as_deref(),
            Some("the archive is that of stable/web 1.2.3 sha256:00")
        );
        assert_eq!(
            load_fetched(b"", &Source::default()).unwrap_err().hint,
            None
        );
    }
}
