//! Manifests: what is said to be in a chart's place, and whether that is a chart.
//!
//! The same bytes may be read as a manifest by one and as an index by another, so that one verifies what the other does
//! not run; what has both shapes is refused, and so is what says two things about which it is.

use serde::Deserialize;

use super::super::provenance::PROVENANCE;
use super::OciError;
use super::reference::Digest;

/// What is asked for with a manifest, in order of preference.
pub(super) const ACCEPT: &str = "application/vnd.oci.image.manifest.v1+json, \
     application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.docker.distribution.manifest.list.v2+json";

/// The largest manifest; what the specification asks of registries.
pub(super) const MANIFEST: usize = 4 << 20;

const WHAT: &str = "the manifest";

const MANIFESTS: [&str; 2] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];
const INDEXES: [&str; 2] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];
const CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
/// Of Helm since 3.7, and of Helm before.
const CHARTS: [&str; 2] = [
    "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
    "application/tar+gzip",
];
const PROV: &str = "application/vnd.cncf.helm.chart.provenance.v1.prov";

/// How many manifests of an index are looked at.
const CHILDREN: usize = 16;

/// What a manifest turned out to be.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Manifest {
    /// A chart.
    Chart(Chart),
    /// Manifests, one of which may be a chart.
    Index(Vec<Content>),
    /// Something else.
    Other,
}

/// A chart in a registry.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Chart {
    /// Its archive.
    pub(super) archive: Content,
    /// Its provenance file.
    pub(super) provenance: Option<Content>,
}

/// Some content of a registry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Content {
    pub(super) digest: Digest,
    /// In bytes.
    pub(super) size: usize,
}

impl Content {
    /// Checks that `bytes` are it.
    pub(super) fn check(&self, bytes: &[u8], what: &'static str) -> Result<(), OciError> {
        if bytes.len() == self.size && Digest::of(bytes) == self.digest {
            return Ok(());
        }
        Err(OciError::Digest(what))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    media_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
}

impl Manifest {
    /// Reads what came as `content_type`.
    pub(super) fn parse(body: &[u8], content_type: &str) -> Result<Self, OciError> {
        let document: Document = serde_json::from_slice(body)
            .map_err(|_| wrong("it is not JSON, or not that of a manifest"))?;
        let content_type = content_type.split(';').next().unwrap_or_default().trim();
        let told = [content_type]
            .into_iter()
            .chain(document.media_type.as_deref());
        let is = |types: &[&str]| {
            told.clone()
                .any(|told| types.iter().any(|name| name.eq_ignore_ascii_case(told)))
        };
        match (is(&MANIFESTS), is(&INDEXES)) {
            (true, true) => Err(wrong("it says that it is a manifest and an index")),
            (false, false) => Err(OciError::NotAChart("it is no manifest of a known kind")),
            (true, false) => match document {
                Document {
                    config: Some(config),
                    layers: Some(layers),
                    manifests: None,
                    ..
                } => Self::single(&config, &layers),
                _ => Err(wrong("it does not have the parts of a manifest")),
            },
            (false, true) => match document {
                Document {
                    config: None,
                    layers: None,
                    manifests: Some(manifests),
                    ..
                } => Self::index(&manifests),
                _ => Err(wrong("it does not have the parts of an index")),
            },
        }
    }

    fn single(config: &Descriptor, layers: &[Descriptor]) -> Result<Self, OciError> {
        if config.media_type != CONFIG {
            return Ok(Self::Other);
        }
        let archive = only(layers, |name| CHARTS.contains(&name))?
            .ok_or(OciError::NotAChart("it has no layer with an archive"))?;
        let provenance = only(layers, |name| name == PROV)?;
        if provenance.is_some_and(|provenance| provenance.size > PROVENANCE) {
            return Err(wrong("its provenance file is too large"));
        }
        Ok(Self::Chart(Chart {
            archive,
            provenance,
        }))
    }

    fn index(manifests: &[Descriptor]) -> Result<Self, OciError> {
        let manifests = manifests
            .iter()
            .filter(|manifest| MANIFESTS.contains(&manifest.media_type.as_str()))
            .take(CHILDREN)
            .map(Descriptor::content)
            .collect::<Result<Vec<_>, _>>()?;
        if manifests.iter().any(|manifest| manifest.size > MANIFEST) {
            return Err(wrong("it lists a manifest that is too large"));
        }
        Ok(Self::Index(manifests))
    }
}

impl Descriptor {
    fn content(&self) -> Result<Content, OciError> {
        Ok(Content {
            digest: Digest::parse(&self.digest)
                .ok_or_else(|| wrong("a digest in it is no SHA-256"))?,
            size: usize::try_from(self.size).map_err(|_| wrong("a size in it is absurd"))?,
        })
    }
}

/// The one layer of a kind.
fn only(layers: &[Descriptor], is: impl Fn(&str) -> bool) -> Result<Option<Content>, OciError> {
    let mut found = layers.iter().filter(|layer| is(&layer.media_type));
    let first = found.next();
    if found.next().is_some() {
        return Err(OciError::NotAChart("it has several layers of one kind"));
    }
    first.map(Descriptor::content).transpose()
}

fn wrong(why: &'static str) -> OciError {
    OciError::Protocol { what: WHAT, why }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const OCI: &str = MANIFESTS[0];
    const INDEX: &str = INDEXES[0];

    fn layer(kind: &str, content: &[u8]) -> Value {
        json!({
            "mediaType": kind,
            "digest": Digest::of(content).to_string(),
            "size": content.len(),
        })
    }

    fn chart(layers: &[Value]) -> Value {
        json!({ "schemaVersion": 2, "config": layer(CONFIG, b"{}"), "layers": layers })
    }

    fn parse(document: &Value, kind: &str) -> Result<Manifest, OciError> {
        Manifest::parse(document.to_string().as_bytes(), kind)
    }

    fn content(of: &[u8]) -> Content {
        Content {
            digest: Digest::of(of),
            size: of.len(),
        }
    }

    #[test]
    fn charts_of_all_helms_are_charts() {
        for kind in CHARTS {
            for media_type in [
                OCI,
                MANIFESTS[1],
                "application/vnd.oci.image.manifest.v1+json; charset=utf-8",
            ] {
                let document = chart(&[layer("text/plain", b"x"), layer(kind, b"tgz")]);
                assert_eq!(
                    parse(&document, media_type).unwrap(),
                    Manifest::Chart(Chart {
                        archive: content(b"tgz"),
                        provenance: None
                    })
                );
            }
        }
        let document = chart(&[layer(PROV, b"prov"), layer(CHARTS[0], b"tgz")]);
        assert_eq!(
            parse(&document, OCI).unwrap(),
            Manifest::Chart(Chart {
                archive: content(b"tgz"),
                provenance: Some(content(b"prov"))
            })
        );
    }

    #[test]
    fn the_document_may_say_itself_what_it_is() {
        let mut document = chart(&[layer(CHARTS[0], b"tgz")]);
        assert!(matches!(
            parse(&document, "application/json"),
            Err(OciError::NotAChart(_))
        ));
        document["mediaType"] = OCI.into();
        assert!(parse(&document, "application/json").is_ok());
        assert!(matches!(
            parse(&document, INDEX),
            Err(OciError::Protocol { .. })
        ));
    }

    #[test]
    fn an_image_is_something_else() {
        let mut document = chart(&[layer(CHARTS[0], b"tgz")]);
        document["config"]["mediaType"] = "application/vnd.oci.image.config.v1+json".into();
        assert_eq!(parse(&document, OCI).unwrap(), Manifest::Other);
    }

    #[test]
    fn an_index_lists_manifests_and_nothing_else() {
        let manifests = [
            layer(OCI, b"a"),
            layer(INDEX, b"b"),
            layer(MANIFESTS[1], b"c"),
        ];
        let document = json!({ "schemaVersion": 2, "manifests": manifests });
        assert_eq!(
            parse(&document, INDEX).unwrap(),
            Manifest::Index(vec![content(b"a"), content(b"c")])
        );
        let many = vec![layer(OCI, b"a"); 1000];
        let Manifest::Index(listed) = parse(&json!({ "manifests": many }), INDEX).unwrap() else {
            panic!("not an index");
        };
        assert_eq!(listed.len(), CHILDREN);
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        let mut both = chart(&[layer(CHARTS[0], b"tgz")]);
        both["manifests"] = json!([]);
        for kind in [OCI, INDEX] {
            assert!(
                matches!(parse(&both, kind), Err(OciError::Protocol { .. })),
                "{kind}"
            );
        }
    }

    #[test]
    fn a_chart_has_one_archive_with_a_digest_and_a_size() {
        let archive = layer(CHARTS[0], b"tgz");
        for layers in [
            vec![],
            vec![archive.clone(), archive.clone()],
            vec![archive.clone(), layer(CHARTS[1], b"other")],
            vec![archive.clone(), layer(PROV, b"a"), layer(PROV, b"b")],
        ] {
            assert!(matches!(
                parse(&chart(&layers), OCI),
                Err(OciError::NotAChart(_))
            ));
        }
        for (key, value) in [
            ("digest", json!("sha512:00")),
            ("digest", json!(1)),
            ("size", json!(-1)),
            ("size", json!("3")),
            ("mediaType", json!(null)),
        ] {
            let mut archive = archive.clone();
            archive[key] = value;
            assert!(matches!(
                parse(&chart(&[archive]), OCI),
                Err(OciError::Protocol { .. })
            ));
        }
        let mut large = layer(PROV, b"");
        large["size"] = (PROVENANCE + 1).into();
        assert!(parse(&chart(&[archive, large]), OCI).is_err());
    }

    #[test]
    fn content_is_told_by_digest_and_size() {
        assert!(content(b"abc").check(b"abc", "it").is_ok());
        assert!(matches!(
            content(b"abc").check(b"abd", "it"),
            Err(OciError::Digest("it"))
        ));
        let longer = Content {
            size: 4,
            ..content(b"abc")
        };
        assert!(longer.check(b"abc", "it").is_err());
    }
}
