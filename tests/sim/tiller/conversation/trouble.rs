//! What goes wrong in charts, and on the wire.

use bytes::Bytes;
use prost_types::Any;
use tiller_api::{
    Method,
    hapi::{chart::Config, services::tiller::InstallReleaseRequest},
};

use super::{
    Conversation,
    requests::{chart, install, maps, status, upgrade},
};
use crate::{scenario::fixture::noise, tiller::client::framed};

impl Conversation {
    pub(super) async fn failures(&mut self) {
        self.title("failures");
        let object = |rest: &str| chart("broken", &[("templates/x.yaml", rest)]);
        for (at, text) in [
            "apiVersion: v1\nmetadata: {name: x}\n",
            "apiVersion: v1\nkind: Nope\nmetadata: {name: x}\n",
            "apiVersion: v1\nkind: A\n---\napiVersion: v2\nkind: B\n",
            "apiVersion: v1\nkind: ConfigMap\ndata: {a: b}\n",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: Bad_Name}\n",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: number}\ndata: {a: 1}\n",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web2}\n",
            "just text\n",
            "[1, 2]\n",
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a: b\n",
            "",
            "# nothing but a comment\n",
        ]
        .into_iter()
        .enumerate()
        {
            self.install(&format!("broken-{at}"), object(text)).await;
        }
        let dry = InstallReleaseRequest {
            dry_run: true,
            ..install(
                "broken",
                object("just {{ .Values.x | default \"text\" }}\n"),
            )
        };
        self.say(Method::InstallRelease, &dry).await;
        let dry = InstallReleaseRequest {
            dry_run: true,
            ..install("broken", object("apiVersion: v1\nkind: Nope\n"))
        };
        self.say(Method::InstallRelease, &dry).await;
        self.say(Method::GetReleaseStatus, &status("broken-4", 0))
            .await;
        let replace = InstallReleaseRequest {
            reuse_name: true,
            ..install("broken-4", maps(&["fixed"]))
        };
        self.say(Method::InstallRelease, &replace).await;
        for constraint in [">=2.0.0", ">=3.0.0"] {
            let mut chart = maps(&["gate"]);
            chart.metadata.get_or_insert_default().tiller_version = constraint.to_owned();
            let dry = InstallReleaseRequest {
                dry_run: true,
                ..install("gate", chart)
            };
            self.say(Method::InstallRelease, &dry).await;
        }
        let mut chart = maps(&["gate"]);
        chart.metadata.get_or_insert_default().kube_version = "<1.16.0".to_owned();
        self.install("gate", chart).await;
        // Over a mebibyte however it is compressed: installed, and not stored.
        let mut large = maps(&["large"]);
        large.files.push(Any {
            type_url: "noise".to_owned(),
            value: noise(1 << 20),
        });
        self.install("large", large.clone()).await;
        self.say(Method::GetReleaseStatus, &status("large", 0))
            .await;
        self.say(Method::UpdateRelease, &upgrade("web2", large.clone()))
            .await;
        large.files.push(Any {
            type_url: "more".to_owned(),
            value: noise(4 << 20),
        });
        self.say(Method::UpdateRelease, &upgrade("web2", large))
            .await;
    }

    pub(super) async fn templates(&mut self) {
        self.title("templates");
        for text in [
            "a: {{ .Values.big }} {{ .Values.small }} {{ .Values.float }} {{ .Values.nested }} {{ .Values.list }}",
            "a: {{ .Values.big | quote }} {{ quote .Values.none .Values.yes }} {{ .Values.none }}",
            "a: {{ default \"d\" .Values.zero }} {{ .Values.text | default \"d\" }}",
            "a: {{ if eq .Values.text \"t\" }}one{{ else if .Values.yes }}two{{ else }}three{{ end }}",
            "a:\n  {{- if not .Values.yes }}\n  b: 1\n  {{- else }}\n  c: {{ .Chart.AppVersion }}\n  {{- end }}",
            "a: {{/* comment */}}{{- \"x\" -}} {{ `y` }} # {{ \"q\\\"q\" }}",
            "{{ required \"need it\" .Values.none }}",
            "{{ .Values.none.b.c }}",
            "{{ .Release.Name.x }}",
            "{{ .Chart.Nope }}",
            "{{ .Values.text.x }}",
            "a\n{{ nope \"a\" }}",
            "{{ .Values",
            "{{ if .Values.yes }}",
            "{{ end }}",
            "{{ else }}",
            "{{ | }}",
            "{{ }}",
            "{{ .Values.yes | .Values.none }}",
            "{{ \"a\" \"b\" }}",
            "{{ fail }}",
            "{{ (fail \"in a group\") | quote }}",
        ] {
            let values = "big: 1234567\nsmall: 0.000012\nfloat: 1.5\nnested: {b: 1, a: x}\nlist: [1, a]\nnone: null\nyes: true\nzero: 0\ntext: t\n";
            let document = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: t}\ndata:\n";
            let text = format!("{document}  # {}\n", text.replace('\n', "\n  # "));
            let mut chart = chart("t", &[("templates/x.yaml", &text)]);
            chart.values = Some(Config {
                raw: values.to_owned(),
                ..Default::default()
            });
            let dry = InstallReleaseRequest {
                dry_run: true,
                ..install("t", chart)
            };
            self.say(Method::InstallRelease, &dry).await;
        }
    }

    pub(super) async fn protocol(&mut self) {
        self.title("protocol");
        let mut gzip = http::HeaderMap::new();
        gzip.insert("grpc-encoding", http::HeaderValue::from_static("gzip"));
        let compressed = Bytes::from_static(&[1, 0, 0, 0, 1, 0]);
        let get_version = Method::GetVersion.path();
        for (path, body, headers) in [
            (
                "/hapi.services.tiller.ReleaseService/Nope",
                framed(&[]),
                Default::default(),
            ),
            ("/hapi.Nope/GetVersion", framed(&[]), Default::default()),
            ("/nope", framed(&[]), Default::default()),
            (get_version, compressed.clone(), gzip),
            (get_version, compressed, Default::default()),
            (
                get_version,
                framed(&vec![0; (20 << 20) + 1]),
                Default::default(),
            ),
            (
                "/grpc.health.v1.Health/Check",
                framed(b"\x0a\x06Tiller"),
                Default::default(),
            ),
            (
                "/grpc.health.v1.Health/Check",
                framed(&[]),
                Default::default(),
            ),
            (
                "/grpc.health.v1.Health/Check",
                framed(b"\x0a\x06tiller"),
                Default::default(),
            ),
        ] {
            let reply = self.client.send(path, body, headers).await;
            self.line(&format!("> {path}"));
            for message in &reply.messages {
                self.line(&format!("{message:?}"));
            }
            self.end(&reply.status, reply.trailers_only);
        }
    }
}
