//! Requests and charts of the conversation.

use bytes::Bytes;
use tiller_api::hapi::{
    chart::{Chart, Config, Metadata, Template},
    services::tiller::{
        GetHistoryRequest, GetReleaseContentRequest, GetReleaseStatusRequest,
        InstallReleaseRequest, UpdateReleaseRequest,
    },
};

/// Where all of it happens.
pub(super) const NAMESPACE: &str = "conversation";

pub(super) fn install(name: &str, chart: Chart) -> InstallReleaseRequest {
    InstallReleaseRequest {
        chart: Some(chart),
        values: Some(Config {
            raw: "{}\n".to_owned(),
            ..Default::default()
        }),
        name: name.to_owned(),
        namespace: NAMESPACE.to_owned(),
        timeout: 5,
        ..Default::default()
    }
}

pub(super) fn upgrade(name: &str, chart: Chart) -> UpdateReleaseRequest {
    UpdateReleaseRequest {
        name: name.to_owned(),
        chart: Some(chart),
        values: Some(Config {
            raw: "{}\n".to_owned(),
            ..Default::default()
        }),
        timeout: 5,
        ..Default::default()
    }
}

pub(super) fn status(name: &str, version: i32) -> GetReleaseStatusRequest {
    GetReleaseStatusRequest {
        name: name.to_owned(),
        version,
    }
}

pub(super) fn content(name: &str, version: i32) -> GetReleaseContentRequest {
    GetReleaseContentRequest {
        name: name.to_owned(),
        version,
    }
}

pub(super) fn history(name: &str, max: i32) -> GetHistoryRequest {
    GetHistoryRequest {
        name: name.to_owned(),
        max,
    }
}

pub(super) fn template(name: &str, text: &str) -> Template {
    Template {
        name: name.to_owned(),
        data: Bytes::from(text.to_owned()),
    }
}

pub(super) fn chart(name: &str, templates: &[(&str, &str)]) -> Chart {
    Chart {
        metadata: Some(Metadata {
            name: name.to_owned(),
            version: "1.2.3".to_owned(),
            app_version: "4.5".to_owned(),
            ..Default::default()
        }),
        templates: templates
            .iter()
            .map(|(name, text)| template(name, text))
            .collect(),
        ..Default::default()
    }
}

/// A chart of ConfigMaps with these names.
pub(super) fn maps(names: &[&str]) -> Chart {
    let map = |name: &&str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n");
    let maps: Vec<_> = names.iter().map(map).collect();
    chart("maps", &[("templates/maps.yaml", &maps.join("---\n"))])
}

/// A chart with values, notes, and an object of every kind that needs no controller.
pub(super) fn web() -> Chart {
    let map = "{{- /* A comment. */ -}}\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name | quote }}\n  \
               labels: {chart: \"{{ .Chart.Name }}-{{ .Chart.Version }}\", heritage: {{ .Release.Service }}}\ndata:\n  \
               greeting: {{ .Values.greeting | default \"none\" | quote }}\n  \
               a: {{ .Values.nested.a | quote }}\n  revision: {{ .Release.Revision | quote }}\n";
    let map = map.replace(
        "  a: {{ .Values.nested.a | quote }}\n",
        "{{- if .Values.nested }}\n  a: {{ .Values.nested.a | quote }}\n{{- end }}\n",
    );
    let rest = "apiVersion: v1\nkind: Service\nmetadata:\n  name: {{ .Release.Name | quote }}\nspec:\n  ports: [{name: http, port: 80}, {name: s, port: 8443}]\n\
                ---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: {{ .Release.Name | quote }}\nstringData:\n  a: b\n";
    let notes = "{{ .Release.Name }} says {{ .Values.greeting }} in {{ .Release.Namespace }}.\n";
    let mut chart = chart(
        "web",
        &[
            ("templates/map.yaml", &map),
            ("templates/rest.yaml", rest),
            ("templates/empty.yaml", "{{ if .Values.never }}x{{ end }}\n"),
            ("templates/_helpers.tpl", "{{/* Nothing. */}}\n"),
            ("templates/NOTES.txt", notes),
        ],
    );
    let values = "# A comment.\ngreeting: hello\nnested:\n  a: x\n  b: 2\n";
    chart.values = Some(Config {
        raw: values.to_owned(),
        ..Default::default()
    });
    chart
}

/// A chart of what only controllers make ready.
pub(super) fn workloads() -> Chart {
    let pods = "template:\n    metadata: {labels: {app: w}}\n    spec: {containers: [{name: c, image: none}]}\n";
    let selector = "selector: {matchLabels: {app: w}}";
    let deployment = format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: workload}}\nspec:\n  replicas: 2\n  {selector}\n  {pods}"
    );
    let set = format!(
        "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {{name: workload}}\nspec:\n  serviceName: w\n  {selector}\n  {pods}"
    );
    let account = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: workload}\n";
    chart(
        "workloads",
        &[
            ("templates/d.yaml", &deployment),
            ("templates/s.yaml", &set),
            ("templates/a.yaml", account),
        ],
    )
}
