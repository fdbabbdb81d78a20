//! A chart as Tiller should get it.
//!
//! Tiller deploys whatever it is sent: which sub-charts there are and what they are called is the client's to decide.
//! Helm's decides by the values of the request alone, also where Tiller will use those of the last revision.

use charts::{
    Limits,
    requirements::{RequirementsError, check, process},
    values::{self, ValuesError},
};
use rest::problem::{Code, Problem};
use tiller_api::hapi::chart::{Chart, Config};

use crate::values::chain;

/// Refuses a chart whose requirements are not met, or that Tiller would not survive with these values, and processes
/// the requirements of any other.
pub(crate) fn prepare(chart: &mut Chart, values: &Config) -> Result<(), Problem> {
    let limits = Limits::default();
    check(chart, &limits)
        .and_then(|()| process(chart, values, &limits))
        .map_err(|error| problem(&error))?;
    // Whatever else is wrong with the values is Tiller's to say.
    match values::coalesce(chart, Some(values), &limits) {
        Err(error @ ValuesError::Globals(_)) => Err(problem(&RequirementsError::Values(error))),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn problem(error: &RequirementsError) -> Problem {
    let problem = Problem::new(code(error), chain(error));
    match error {
        RequirementsError::Missing(_) => problem.with_hint(
            "pack the chart again after `helm dependency update`, which puts what it requires into charts/",
        ),
        _ => problem,
    }
}

fn code(error: &RequirementsError) -> Code {
    if error.is_limit().is_some() {
        return Code::ChartLimitExceeded;
    }
    match error {
        // The caller's, or the chart's under the caller's: Tiller would say no more.
        RequirementsError::Values(
            ValuesError::Config(_)
            | ValuesError::Globals(_)
            | ValuesError::NotATable
            | ValuesError::TypeMismatch(_),
        ) => Code::InvalidValues,
        _ => Code::InvalidChart,
    }
}

#[cfg(test)]
mod tests {
    use prost_types::Any;
    use tiller_api::hapi::chart::Metadata;

    use super::*;

    fn named(name: &str, requirements: &str, dependencies: Vec<Chart>) -> Chart {
        Chart {
            metadata: Some(Metadata {
                name: name.into(),
                version: "1.0.0".into(),
                ..Metadata::default()
            }),
            files: vec![Any {
                type_url: "requirements.yaml".into(),
                value: requirements.into(),
            }],
            dependencies,
            ..Chart::default()
        }
    }

    fn config(raw: &str) -> Config {
        Config {
            raw: raw.into(),
            ..Config::default()
        }
    }

    fn names(chart: &Chart) -> Vec<&str> {
        chart
            .dependencies
            .iter()
            .filter_map(|dependency| dependency.metadata.as_ref())
            .map(|metadata| metadata.name.as_str())
            .collect()
    }

    const TWICE: &str = "dependencies:\n\
        - {name: sub, version: ^1.0.0, condition: sub.enabled}\n\
        - {name: sub, version: ^1.0.0, alias: other, condition: other.enabled}\n";

    fn twice() -> Chart {
        named("web", TWICE, vec![named("sub", "", vec![])])
    }

    #[test]
    fn values_of_the_caller_decide_which_sub_charts_are_sent() {
        for (values, expected) in [
            ("{}\n", &["sub", "other"][..]),
            ("sub: {enabled: false}", &["other"]),
            ("{sub: {enabled: false}, other: {enabled: false}}", &[]),
        ] {
            let mut chart = twice();
            prepare(&mut chart, &config(values)).unwrap();
            assert_eq!(names(&chart), expected, "{values}");
        }
    }

    #[test]
    fn missing_sub_charts_are_refused_in_helms_words() {
        let mut chart = named("web", "dependencies: [{name: gone}, {name: too}]", vec![]);
        let problem = prepare(&mut chart, &config("{}\n")).unwrap_err();
        assert_eq!(problem.code, Code::InvalidChart);
        assert_eq!(
            problem.detail,
            "found in requirements.yaml, but missing in charts/ directory: gone, too"
        );
        assert!(problem.hint.is_some());
    }

    #[test]
    fn requirements_that_cannot_be_read_are_the_charts_fault() {
        let mut chart = named("web", "dependencies: 5", vec![]);
        let problem = prepare(&mut chart, &config("{}\n")).unwrap_err();
        assert_eq!(problem.code, Code::InvalidChart);
        assert!(problem.detail.starts_with("cannot load requirements: "));
    }

    #[test]
    fn values_that_the_chart_cannot_take_are_the_callers() {
        for values in ["sub: 5", "- a", "["] {
            let problem = prepare(&mut twice(), &config(values)).unwrap_err();
            assert_eq!(problem.code, Code::InvalidValues, "{values}");
        }
    }

    #[test]
    fn charts_that_multiply_are_refused_by_a_limit() {
        let requirements: String = (0..300)
            .map(|at| format!("- {{name: sub, version: 1.0.0, alias: a{at}}}\n"))
            .collect();
        let chart = (0..4).fold(named("sub", "", vec![]), |below, _| {
            named(
                "sub",
                &format!("dependencies:\n{requirements}"),
                vec![below],
            )
        });
        let problem = prepare(&mut chart.clone(), &config("{}\n")).unwrap_err();
        assert_eq!(problem.code, Code::ChartLimitExceeded);
        assert_eq!(problem.status(), 422);
    }

    #[test]
    fn p7_values_that_tiller_would_not_survive_are_not_sent() {
        let sub = named("sub", "", vec![named("deep", "", vec![])]);
        for requirements in ["", "dependencies: [{name: sub, version: 1.0.0}]"] {
            for values in ["sub: {global: 5}", "sub: {global: ~}"] {
                let mut chart = named("web", requirements, vec![sub.clone()]);
                let problem = prepare(&mut chart, &config(values)).unwrap_err();
                assert_eq!(problem.code, Code::InvalidValues, "{values}");
            }
        }
    }

    #[test]
    fn what_tiller_refuses_itself_is_left_to_it() {
        let mut chart = named("web", "", vec![named("sub", "", vec![])]);
        let before = chart.clone();
        assert_eq!(prepare(&mut chart, &config("sub: 5")), Ok(()));
        assert_eq!(chart, before);
    }
}
