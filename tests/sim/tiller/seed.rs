//! Releases made up for tests.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use prost_types::{Any, Timestamp};
use tiller_api::hapi::{
    chart::{Chart, Config, Metadata, Template},
    release::{Info, Release, Status, status::Code},
};

/// A release with one ConfigMap, as [`super::Tiller::seed`] stores it.
#[derive(Clone, Debug)]
pub struct Seed {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its revision, from 1.
    pub revision: i32,
    /// Its status.
    pub status: Code,
    /// Chart's name and version.
    pub chart: (String, String),
    /// When it was last deployed.
    pub deployed: SystemTime,
    /// Bytes that a file of the chart adds, for lists that must weigh something. They are not subject
    /// to storage's limits.
    pub padding: usize,
}

impl Seed {
    /// Revision 1, deployed in namespace `default` on 2020-09-13.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            namespace: "default".to_owned(),
            revision: 1,
            status: Code::Deployed,
            chart: ("seed".to_owned(), "0.1.0".to_owned()),
            deployed: SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000),
            padding: 0,
        }
    }

    pub(super) fn release(&self) -> Release {
        let (chart, version) = &self.chart;
        let object = format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {}\n",
            self.name
        );
        let deployed = Timestamp::from(self.deployed);
        let padding = Any {
            type_url: "padding".to_owned(),
            value: vec![b'.'; self.padding],
        };
        Release {
            name: self.name.clone(),
            namespace: self.namespace.clone(),
            version: self.revision,
            info: Some(Info {
                status: Some(Status {
                    code: self.status.into(),
                    ..Status::default()
                }),
                first_deployed: Some(deployed),
                last_deployed: Some(deployed),
                deleted: None,
                description: "Install complete".to_owned(),
            }),
            chart: Some(Chart {
                metadata: Some(Metadata {
                    name: chart.clone(),
                    version: version.clone(),
                    ..Metadata::default()
                }),
                templates: vec![Template {
                    name: "templates/map.yaml".to_owned(),
                    data: Bytes::from(object.clone()),
                }],
                files: if self.padding > 0 {
                    vec![padding]
                } else {
                    Vec::new()
                },
                ..Chart::default()
            }),
            config: Some(Config {
                raw: "{}\n".to_owned(),
                ..Config::default()
            }),
            manifest: format!("\n---\n# Source: {chart}/templates/map.yaml\n{object}"),
            hooks: Vec::new(),
        }
    }
}
