//! What is said.

use prost::Message;
use tiller_api::{
    Method,
    hapi::{
        chart::{Chart, Config},
        release::status::Code,
        services::tiller::{
            GetHistoryRequest, GetVersionRequest, InstallReleaseRequest, ListReleasesRequest,
            ListReleasesResponse, RollbackReleaseRequest, TestReleaseRequest,
            UninstallReleaseRequest, UpdateReleaseRequest,
            list_sort::{SortBy, SortOrder},
        },
    },
};

use super::{
    Conversation,
    requests::{
        NAMESPACE, chart, content, history, install, maps, status, template, upgrade, web,
        workloads,
    },
};
impl Conversation {
    pub(super) async fn hold(&mut self) {
        self.clean().await;
        self.version().await;
        self.installs().await;
        self.reads().await;
        self.upgrades().await;
        self.values().await;
        self.rollbacks().await;
        self.hooks_and_tests().await;
        self.failures().await;
        self.templates().await;
        self.lists().await;
        self.deletions().await;
        self.protocol().await;
        self.clean().await;
    }

    /// Leaves nothing of an earlier conversation.
    async fn clean(&mut self) {
        let list = ListReleasesRequest {
            namespace: NAMESPACE.to_owned(),
            status_codes: (0..9).collect(),
            ..Default::default()
        };
        let reply = self.client.call(Method::ListReleases, &list).await;
        for message in reply.messages {
            let chunk = ListReleasesResponse::decode(message).expect("a list");
            for release in chunk.releases {
                let purge = UninstallReleaseRequest {
                    name: release.name,
                    purge: true,
                    timeout: 5,
                    ..Default::default()
                };
                self.client.call(Method::UninstallRelease, &purge).await;
            }
        }
    }

    async fn version(&mut self) {
        self.say(Method::GetVersion, &GetVersionRequest {}).await;
        self.client.version = "v2.18.0";
        self.say(Method::GetVersion, &GetVersionRequest {}).await;
        self.say(Method::GetHistory, &GetHistoryRequest::default())
            .await;
        self.say(Method::ListReleases, &ListReleasesRequest::default())
            .await;
        self.client.version = "v2.0.0+unreleased";
    }

    async fn installs(&mut self) {
        self.title("installs");
        self.say(Method::InstallRelease, &InstallReleaseRequest::default())
            .await;
        self.install("web", web()).await;
        self.install("web", web()).await;
        let replace = InstallReleaseRequest {
            reuse_name: true,
            ..install("web", web())
        };
        self.say(Method::InstallRelease, &replace).await;
        let dry = InstallReleaseRequest {
            dry_run: true,
            ..install("dry", web())
        };
        self.say(Method::InstallRelease, &dry).await;
        self.install(&"x".repeat(54), web()).await;
        self.install("web2", web()).await;
        let described = InstallReleaseRequest {
            description: "why".to_owned(),
            ..install("own", web())
        };
        self.say(Method::InstallRelease, &described).await;
        let nowhere = InstallReleaseRequest {
            namespace: String::new(),
            ..install("nowhere", web())
        };
        self.say(Method::InstallRelease, &nowhere).await;
        let purge = UninstallReleaseRequest {
            name: "nowhere".to_owned(),
            purge: true,
            ..Default::default()
        };
        self.say(Method::UninstallRelease, &purge).await;
        let bad = InstallReleaseRequest {
            namespace: "Bad_NS".to_owned(),
            ..install("badns", web())
        };
        self.say(Method::InstallRelease, &bad).await;
        let purge = UninstallReleaseRequest {
            name: "badns".to_owned(),
            purge: true,
            ..Default::default()
        };
        self.say(Method::UninstallRelease, &purge).await;
        // The name is good for Tiller and for no secret.
        self.install("Upper", web()).await;
        self.say(Method::GetReleaseStatus, &status("Upper", 0))
            .await;
        let waits = InstallReleaseRequest {
            wait: true,
            timeout: 1,
            ..install("waits", workloads())
        };
        self.say(Method::InstallRelease, &waits).await;
        self.say(Method::GetReleaseStatus, &status("waits", 0))
            .await;
    }

    async fn reads(&mut self) {
        self.title("reads");
        self.say(Method::GetReleaseStatus, &status("web", 0)).await;
        self.say(Method::GetReleaseStatus, &status("web", 1)).await;
        self.say(Method::GetReleaseStatus, &status("web", 9)).await;
        self.say(Method::GetReleaseStatus, &status("nope", 0)).await;
        self.say(Method::GetReleaseContent, &content("web", 0))
            .await;
        self.say(Method::GetReleaseContent, &content("web", 9))
            .await;
        self.say(Method::GetReleaseContent, &content("nope", -1))
            .await;
        self.say(Method::GetHistory, &history("web", 0)).await;
        self.say(Method::GetHistory, &history("nope", 1)).await;
        for name in ["", "-a", "a b", "Ä"] {
            self.say(Method::GetReleaseStatus, &status(name, 0)).await;
        }
        self.say(Method::GetHistory, &history(&"x".repeat(54), 1))
            .await;
    }

    async fn upgrades(&mut self) {
        self.title("upgrades");
        self.say(Method::UpdateRelease, &upgrade("nope", web()))
            .await;
        let force = UpdateReleaseRequest {
            force: true,
            ..upgrade("nope", web())
        };
        self.say(Method::UpdateRelease, &force).await;
        self.say(
            Method::UpdateRelease,
            &UpdateReleaseRequest {
                chart: None,
                ..upgrade("web", web())
            },
        )
        .await;
        let dry = UpdateReleaseRequest {
            dry_run: true,
            ..upgrade("web", web())
        };
        self.say(Method::UpdateRelease, &dry).await;
        self.say(Method::UpdateRelease, &upgrade("web", web()))
            .await;
        let other = maps(&["a-long-name", "b"]);
        let described = UpdateReleaseRequest {
            description: "why".to_owned(),
            ..upgrade("web", other)
        };
        self.say(Method::UpdateRelease, &described).await;
        self.say(Method::GetReleaseStatus, &status("web", 0)).await;
        self.say(Method::UpdateRelease, &upgrade("web", maps(&["web2"])))
            .await;
        self.say(
            Method::UpdateRelease,
            &upgrade("web", maps(&["new", "Bad_Name"])),
        )
        .await;
        let cleanup = UpdateReleaseRequest {
            cleanup_on_fail: true,
            ..upgrade("web", maps(&["newer", "Bad_Name"]))
        };
        self.say(Method::UpdateRelease, &cleanup).await;
        let failing = chart("web", &[("templates/x.yaml", "{{ fail \"boom\" }}")]);
        self.say(Method::UpdateRelease, &upgrade("web", failing.clone()))
            .await;
        let forced = UpdateReleaseRequest {
            force: true,
            ..upgrade("web", failing)
        };
        self.say(Method::UpdateRelease, &forced).await;
        self.say(Method::GetHistory, &history("web", 256)).await;
    }

    async fn values(&mut self) {
        self.title("values");
        let given = |raw: &str| {
            Some(Config {
                raw: raw.to_owned(),
                ..Default::default()
            })
        };
        let plain = || upgrade("own", web());
        for request in [
            UpdateReleaseRequest {
                values: given("greeting: given\n"),
                ..plain()
            },
            plain(),
            UpdateReleaseRequest {
                values: None,
                ..plain()
            },
            UpdateReleaseRequest {
                values: given("nested: {a: y}\n"),
                reuse_values: true,
                ..plain()
            },
            UpdateReleaseRequest {
                values: given("greeting: null\n"),
                ..plain()
            },
            UpdateReleaseRequest {
                values: given("{}"),
                ..plain()
            },
            UpdateReleaseRequest {
                values: given("greeting: on\n"),
                reset_values: true,
                ..plain()
            },
            UpdateReleaseRequest {
                reset_values: true,
                reuse_values: true,
                ..plain()
            },
            UpdateReleaseRequest {
                values: given("a: [1,\n"),
                ..plain()
            },
            UpdateReleaseRequest {
                values: given("just text"),
                ..plain()
            },
        ] {
            self.say(Method::UpdateRelease, &request).await;
        }
        let absent = InstallReleaseRequest {
            values: None,
            dry_run: true,
            ..install("absent", web())
        };
        self.say(Method::InstallRelease, &absent).await;
    }

    async fn rollbacks(&mut self) {
        self.title("rollbacks");
        for (name, version) in [
            ("nope", 1),
            ("web2", 0),
            ("web", 77),
            ("web", -1),
            ("web", 2),
            ("web", 0),
        ] {
            let request = RollbackReleaseRequest {
                name: name.to_owned(),
                version,
                timeout: 5,
                ..Default::default()
            };
            self.say(Method::RollbackRelease, &request).await;
        }
        let dry = RollbackReleaseRequest {
            name: "web".to_owned(),
            version: 1,
            dry_run: true,
            description: "why".to_owned(),
            ..Default::default()
        };
        self.say(Method::RollbackRelease, &dry).await;
        self.say(Method::GetHistory, &history("web", 3)).await;
    }

    async fn hooks_and_tests(&mut self) {
        self.title("hooks and tests");
        let hooked = |name: &str, kind: &str, event: &str, extra: &str| {
            let hook = format!(
                "apiVersion: v1\nkind: {kind}\nmetadata:\n  name: {name}-hook\n  annotations:\n    \
                 helm.sh/hook: {event}\n{extra}"
            );
            let mut chart = maps(&[name]);
            chart.templates.push(template("templates/hook.yaml", &hook));
            chart
        };
        let policy = "    helm.sh/hook-delete-policy: before-hook-creation\n    helm.sh/hook-weight: \"3\"\n";
        let pre = hooked("pre", "ConfigMap", "pre-install,pre-upgrade", policy);
        self.install("pre", pre.clone()).await;
        self.say(Method::UpdateRelease, &upgrade("pre", pre)).await;
        self.install("unknown-hook", hooked("uh", "ConfigMap", "pre-nothing", ""))
            .await;
        self.install("hook-taken", hooked("ht", "ConfigMap", "post-install", ""))
            .await;
        self.say(
            Method::UpdateRelease,
            &upgrade("hook-taken", hooked("ht", "ConfigMap", "post-upgrade", "")),
        )
        .await;
        self.say(Method::UpdateRelease, &upgrade("hook-taken", maps(&["ht"])))
            .await;
        self.say(Method::GetHistory, &history("hook-taken", 9))
            .await;
        let back = RollbackReleaseRequest {
            name: "hook-taken".to_owned(),
            version: 1,
            ..Default::default()
        };
        self.say(Method::RollbackRelease, &back).await;

        let test = |name: &str, timeout| TestReleaseRequest {
            name: name.to_owned(),
            timeout,
            ..Default::default()
        };
        self.say(Method::RunReleaseTest, &test("web", 1)).await;
        self.say(Method::RunReleaseTest, &test("nope", 1)).await;
        self.say(Method::RunReleaseTest, &test("", 1)).await;
        self.install("no-pod", hooked("np", "ConfigMap", "test-success", ""))
            .await;
        self.say(Method::RunReleaseTest, &test("no-pod", 1)).await;
        let pod = "spec:\n  automountServiceAccountToken: false\n  containers: [{name: c, image: none}]\n";
        self.install("slow", hooked("sl", "Pod", "test-success", pod))
            .await;
        let clean = TestReleaseRequest {
            cleanup: true,
            ..test("slow", 1)
        };
        self.say(Method::RunReleaseTest, &clean).await;
        self.say(Method::RunReleaseTest, &clean).await;
        self.say(Method::RunReleaseTest, &test("slow", 1)).await;
        self.say(Method::RunReleaseTest, &test("slow", 1)).await;
        self.say(Method::GetReleaseStatus, &status("slow", 0)).await;
        let clean = TestReleaseRequest {
            cleanup: true,
            ..test("slow", 1)
        };
        self.say(Method::RunReleaseTest, &clean).await;
    }

    async fn lists(&mut self) {
        self.title("lists");
        for at in 1..=7 {
            self.install(&format!("rel-{at}"), maps(&[&format!("rel-{at}")]))
                .await;
        }
        let rel = || ListReleasesRequest {
            namespace: NAMESPACE.to_owned(),
            filter: "^rel-".to_owned(),
            sort_by: SortBy::Name.into(),
            ..Default::default()
        };
        for request in [
            rel(),
            ListReleasesRequest { limit: 6, ..rel() },
            ListReleasesRequest {
                limit: 6,
                offset: "rel-7".to_owned(),
                ..rel()
            },
            ListReleasesRequest {
                offset: "nope".to_owned(),
                ..rel()
            },
            ListReleasesRequest {
                limit: 2,
                sort_order: SortOrder::Desc.into(),
                ..rel()
            },
            ListReleasesRequest {
                filter: "l-[1-3]".to_owned(),
                ..rel()
            },
            ListReleasesRequest {
                filter: "nothing".to_owned(),
                ..rel()
            },
            ListReleasesRequest {
                filter: "(".to_owned(),
                ..rel()
            },
            ListReleasesRequest {
                filter: "*".to_owned(),
                ..rel()
            },
            ListReleasesRequest {
                namespace: "elsewhere".to_owned(),
                ..rel()
            },
            ListReleasesRequest {
                filter: "^(web|own)$".to_owned(),
                status_codes: (0..9).collect(),
                ..rel()
            },
            ListReleasesRequest {
                filter: "^(web|own)$".to_owned(),
                status_codes: vec![Code::Failed.into()],
                ..rel()
            },
        ] {
            self.say(Method::ListReleases, &request).await;
        }
    }

    async fn deletions(&mut self) {
        self.title("deletions");
        let delete = |name: &str, purge| UninstallReleaseRequest {
            name: name.to_owned(),
            purge,
            timeout: 5,
            ..Default::default()
        };
        self.say(Method::UninstallRelease, &delete("nope", false))
            .await;
        self.say(Method::UninstallRelease, &delete("web", false))
            .await;
        self.say(Method::UninstallRelease, &delete("web", false))
            .await;
        self.say(Method::GetReleaseStatus, &status("web", 0)).await;
        self.install("web", web()).await;
        self.say(Method::UpdateRelease, &upgrade("web", web()))
            .await;
        let back = RollbackReleaseRequest {
            name: "web".to_owned(),
            version: 1,
            ..Default::default()
        };
        self.say(Method::RollbackRelease, &back).await;
        let described = UninstallReleaseRequest {
            description: "why".to_owned(),
            ..delete("web", false)
        };
        self.say(Method::UninstallRelease, &described).await;
        let replace = InstallReleaseRequest {
            reuse_name: true,
            ..install("web", maps(&["web"]))
        };
        self.say(Method::InstallRelease, &replace).await;
        self.say(Method::UninstallRelease, &delete("web", true))
            .await;
        self.say(Method::UninstallRelease, &delete("web", true))
            .await;
        let keep = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: kept\n  annotations:\n    \
                    helm.sh/resource-policy: keep\n";
        self.install("keeps", chart("keeps", &[("templates/x.yaml", keep)]))
            .await;
        self.say(Method::UninstallRelease, &delete("keeps", true))
            .await;
        let drop = keep.replace("policy: keep", "policy: delete");
        let replace = InstallReleaseRequest {
            ..install("keeps", chart("keeps", &[("templates/x.yaml", &drop)]))
        };
        self.say(Method::InstallRelease, &replace).await;
        self.say(Method::UninstallRelease, &delete("keeps", true))
            .await;
    }

    pub(super) async fn install(&mut self, name: &str, chart: Chart) {
        self.say(Method::InstallRelease, &install(name, chart))
            .await;
    }
}
