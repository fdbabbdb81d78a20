//! Charts on their way to Tiller.

use charts::Limits;
use rest::problem::{Code, Problem};
use tiller_api::hapi::chart::Chart;

use crate::values::chain;

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
fn require_metadata(chart: &Chart) -> Result<(), Problem> {
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
}
