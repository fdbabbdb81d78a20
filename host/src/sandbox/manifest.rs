//! What this host takes from a Spin manifest: which component answers which path.
//!
//! `spin.toml` stays the one description of the application, so that Spin and this host cannot disagree about its
//! routes. Everything else in it (build commands, allowed hosts, variables, environment) is Spin's: here a component is
//! given nothing but the relay, whatever the manifest grants it.
//!
//! A component may answer this host and nobody else: it is private to Spin, and the paths by which the host reaches it stand
//! in its settings for this tool, `[component.webhooks.tool.tiller-edge]`.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Why a manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The file is missing or may not be read.
    #[error("cannot read the manifest {path}; name the application's spin.toml with `manifest`", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is not TOML of the expected shape.
    #[error("the manifest {path} is not a Spin manifest", path = path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What the reader said, with the line.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// The file is well-formed and cannot be run.
    #[error("the manifest {path}: {problem}", path = path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What stands in the way and what to change.
        problem: String,
    },
}

/// The routes and components of an application.
#[derive(Debug)]
pub(super) struct Manifest {
    /// The components that a route leads to, by id.
    pub(super) components: BTreeMap<String, PathBuf>,
    /// The routes, most specific first.
    pub(super) routes: Vec<(Route, String)>,
}

impl Manifest {
    /// Reads `path`; the sources of components are relative to its directory.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, is not a Spin manifest of version 2, or has a route that cannot be served here.
    pub(super) fn load(path: &Path) -> Result<Self, ManifestError> {
        let text = fs::read_to_string(path).map_err(|source| ManifestError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text, path)
    }

    fn parse(text: &str, path: &Path) -> Result<Self, ManifestError> {
        let file: File = toml::from_str(text).map_err(|source| ManifestError::Syntax {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        let base = path.parent().unwrap_or_else(|| Path::new(""));
        file.check(base).map_err(|problem| ManifestError::Unusable {
            path: path.to_owned(),
            problem,
        })
    }
}

/// A path pattern: literal segments, `:name` for any one segment, and a last `...` for any rest.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Route {
    segments: Vec<Segment>,
    open: bool,
    /// Whether only the host itself asks for it.
    inner: bool,
}

impl Route {
    fn parse(text: &str) -> Result<Self, String> {
        let path = text
            .strip_prefix('/')
            .ok_or_else(|| format!("the route `{text}` does not begin with `/`"))?;
        let (path, open) = match path.strip_suffix("...") {
            Some(rest) => (rest, true),
            None => (path, false),
        };
        if path.contains("...") {
            return Err(format!("the route `{text}` has `...` before its end"));
        }
        let path = path.trim_end_matches('/');
        let segments = path
            .split('/')
            .filter(|_| !path.is_empty())
            .map(|segment| match segment.strip_prefix(':') {
                Some(_) => Segment::Any,
                None => Segment::Literal(segment.to_owned()),
            })
            .collect();
        Ok(Self {
            segments,
            open,
            inner: false,
        })
    }

    /// The same, for the host alone.
    fn inner(self) -> Self {
        Self {
            inner: true,
            ..self
        }
    }

    /// Whether only the host itself asks for it.
    #[must_use]
    pub(super) const fn is_inner(&self) -> bool {
        self.inner
    }

    /// Whether a path is one of this route's. A trailing slash makes no difference.
    #[must_use]
    pub(super) fn matches(&self, path: &str) -> bool {
        let path = path.strip_prefix('/').unwrap_or(path);
        let path = path.strip_suffix('/').unwrap_or(path);
        let mut parts = path.split('/').filter(|_| !path.is_empty());
        for segment in &self.segments {
            match (segment, parts.next()) {
                (_, None) => return false,
                (Segment::Any, Some(_)) => {}
                (Segment::Literal(literal), Some(part)) if literal == part => {}
                (Segment::Literal(_), Some(_)) => return false,
            }
        }
        self.open || parts.next().is_none()
    }

    /// Whether it matches the same paths.
    fn is_like(&self, other: &Self) -> bool {
        (&self.segments, self.open) == (&other.segments, other.open)
    }

    /// Sorts the more specific of two routes first: where they first differ, a literal before a parameter before an
    /// open end.
    fn rank(&self) -> Vec<u8> {
        self.segments
            .iter()
            .map(|segment| match segment {
                Segment::Literal(_) => 0,
                Segment::Any => 1,
            })
            .chain([if self.open { 3 } else { 2 }])
            .collect()
    }
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Segment {
    Any,
    Literal(String),
}

/// The part of the file that is read; other keys are Spin's business.
#[derive(Deserialize)]
struct File {
    spin_manifest_version: u32,
    #[serde(default)]
    trigger: Triggers,
    #[serde(default)]
    component: BTreeMap<String, ComponentEntry>,
}

#[derive(Default, Deserialize)]
struct Triggers {
    #[serde(default)]
    http: Vec<HttpTrigger>,
}

#[derive(Deserialize)]
struct HttpTrigger {
    route: RouteEntry,
    component: Option<toml::Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RouteEntry {
    Public(String),
    #[expect(
        dead_code,
        reason = "only its shape matters: a private route answers no caller"
    )]
    Private {
        private: bool,
    },
}

#[derive(Deserialize)]
struct ComponentEntry {
    source: toml::Value,
    #[serde(default)]
    tool: Tools,
}

#[derive(Default, Deserialize)]
struct Tools {
    #[serde(default, rename = "tiller-edge")]
    own: Own,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Own {
    /// By which paths this host asks it.
    routes: Vec<String>,
}

impl File {
    fn check(self, base: &Path) -> Result<Manifest, String> {
        if self.spin_manifest_version != 2 {
            return Err(format!(
                "spin_manifest_version is {}; only version 2 is understood",
                self.spin_manifest_version
            ));
        }
        let mut texts: Vec<(Route, String, String)> = Vec::new();
        for trigger in self.trigger.http {
            let RouteEntry::Public(text) = trigger.route else {
                continue;
            };
            let route = Route::parse(&text)?;
            let Some(toml::Value::String(id)) = trigger.component else {
                return Err(format!(
                    "the route `{text}` names no component; give it `component = \"…\"`"
                ));
            };
            texts.push((route, text, id));
        }
        if texts.is_empty() {
            return Err("it has no [[trigger.http]] with a public route".to_owned());
        }
        for (id, entry) in &self.component {
            for text in &entry.tool.own.routes {
                texts.push((Route::parse(text)?.inner(), text.clone(), id.clone()));
            }
        }
        let mut routes: Vec<(Route, String)> = Vec::new();
        let mut components = BTreeMap::new();
        for (route, text, id) in texts {
            if routes.iter().any(|(other, _)| other.is_like(&route)) {
                return Err(format!("the route `{text}` stands there twice"));
            }
            let entry = self
                .component
                .get(&id)
                .ok_or_else(|| format!("there is no [component.{id}] for the route `{text}`"))?;
            let toml::Value::String(source) = &entry.source else {
                return Err(format!(
                    "[component.{id}] has a source that must be downloaded; give the path of a .wasm file instead"
                ));
            };
            components.insert(id.clone(), base.join(source));
            routes.push((route, id));
        }
        routes.sort_by_key(|(route, _)| route.rank());
        Ok(Manifest { components, routes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "spin_manifest_version = 2\n[application]\nname = \"edge\"\n";

    fn parse(text: &str) -> Result<Manifest, String> {
        Manifest::parse(&format!("{HEAD}{text}"), Path::new("/app/spin.toml"))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn components_and_routes_are_read_and_the_rest_is_left_to_spin() {
        let manifest = parse(
            r#"
            [[trigger.http]]
            route = "/v1/..."
            component = "releases"
            [[trigger.http]]
            route = { private = true }
            component = "inner"
            [component.releases]
            source = "target/releases.wasm"
            allowed_outbound_hosts = ["http://127.0.0.1:4480"]
            environment = { TILLER_EDGE_RELAY = "http://127.0.0.1:4480" }
            [component.releases.build]
            command = "cargo build"
            [component.inner]
            source = "inner.wasm"
            "#,
        )
        .expect("valid");
        assert_eq!(
            manifest.components.into_iter().collect::<Vec<_>>(),
            [("releases".to_owned(), "/app/target/releases.wasm".into())]
        );
        assert_eq!(manifest.routes.len(), 1);
    }

    #[test]
    fn a_component_may_answer_the_host_alone() {
        let manifest = parse(
            r#"
            [[trigger.http]]
            route = "/v1/..."
            component = "releases"
            [[trigger.http]]
            route = { private = true }
            component = "webhooks"
            [component.releases]
            source = "releases.wasm"
            [component.webhooks]
            source = "webhooks.wasm"
            [component.webhooks.tool.tiller-edge]
            routes = ["/hooks/...", "/discover"]
            "#,
        )
        .expect("valid");
        assert_eq!(manifest.components.len(), 2);
        let inner = |path| {
            let found = manifest
                .routes
                .iter()
                .find(|(route, _)| route.matches(path));
            found.map(|(route, id)| (route.is_inner(), id.as_str()))
        };
        assert_eq!(inner("/hooks/ci"), Some((true, "webhooks")));
        assert_eq!(inner("/discover"), Some((true, "webhooks")));
        assert_eq!(inner("/v1/clusters"), Some((false, "releases")));
    }

    #[test]
    fn the_most_specific_route_wins() {
        let manifest = parse(
            r#"
            [[trigger.http]]
            route = "/..."
            component = "all"
            [[trigger.http]]
            route = "/v1/..."
            component = "v1"
            [[trigger.http]]
            route = "/v1/:thing"
            component = "thing"
            [[trigger.http]]
            route = "/v1/clusters"
            component = "clusters"
            [component]
            all.source = "a"
            v1.source = "a"
            thing.source = "a"
            clusters.source = "a"
            "#,
        )
        .expect("valid");
        for (path, expected) in [
            ("/", "all"),
            ("/v2", "all"),
            ("/v1", "v1"),
            ("/v1/", "v1"),
            ("/v1/clusters", "clusters"),
            ("/v1/clusters/", "clusters"),
            ("/v1/hooks", "thing"),
            ("/v1/clusters/a", "v1"),
            ("/v11/x", "all"),
        ] {
            let found = manifest
                .routes
                .iter()
                .find(|(route, _)| route.matches(path))
                .map(|(_, id)| id.as_str());
            assert_eq!(found, Some(expected), "{path}");
        }
    }

    #[test]
    fn a_closed_route_does_not_match_what_lies_below_it() {
        let route = Route::parse("/a/:b/c").expect("valid");
        assert!(route.matches("/a/1/c"));
        assert!(!route.matches("/a/1"));
        assert!(!route.matches("/a/1/c/d"));
        assert!(!route.matches("/a/1/x"));
        assert!(Route::parse("/").expect("valid").matches("/"));
        assert!(!Route::parse("/").expect("valid").matches("/a"));
    }

    #[test]
    fn manifests_that_cannot_be_served_say_what_to_change() {
        for (text, expected) in [
            ("", "it has no [[trigger.http]] with a public route"),
            (
                "[[trigger.http]]\nroute = \"/...\"\ncomponent = \"a\"",
                "there is no [component.a] for the route `/...`",
            ),
            (
                "[[trigger.http]]\nroute = \"/a\"\ncomponent = \"a\"\n[component.a]\nsource = \"a\"\n\
                 tool.tiller-edge.routes = [\"/a/\"]",
                "the route `/a/` stands there twice",
            ),
            (
                "[[trigger.http]]\nroute = \"v1\"\ncomponent = \"a\"",
                "the route `v1` does not begin with `/`",
            ),
            (
                "[[trigger.http]]\nroute = \"/a...b\"\ncomponent = \"a\"",
                "the route `/a...b` has `...` before its end",
            ),
            (
                "[[trigger.http]]\nroute = \"/a\"\nstatic_response = { status_code = 200 }",
                "the route `/a` names no component; give it `component = \"…\"`",
            ),
            (
                "[[trigger.http]]\nroute = \"/a\"\ncomponent = \"a\"\n[component.a]\nsource = { url = \"https://x\" }",
                "[component.a] has a source that must be downloaded; give the path of a .wasm file instead",
            ),
        ] {
            assert_eq!(
                parse(text).expect_err(expected),
                format!("the manifest /app/spin.toml: {expected}")
            );
        }
        let old = Manifest::parse("spin_manifest_version = 1", Path::new("spin.toml"));
        assert_eq!(
            old.expect_err("old").to_string(),
            "the manifest spin.toml: spin_manifest_version is 1; only version 2 is understood"
        );
    }

    #[test]
    fn text_that_is_no_manifest_keeps_the_readers_complaint_as_its_source() {
        let error =
            Manifest::parse("nonsense", Path::new("spin.toml")).expect_err("not a manifest");
        assert_eq!(
            error.to_string(),
            "the manifest spin.toml is not a Spin manifest"
        );
        assert!(std::error::Error::source(&error).is_some());
    }
}
