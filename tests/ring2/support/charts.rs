//! Charts, and bodies that carry them.

use std::path::Path;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use sim::scenario::fixture;
use tar::{Builder, Header};

/// The archive of a chart in `tests/charts`.
pub(crate) fn archive(chart: &str) -> Bytes {
    padded(chart, 0)
}

/// The same with a file of so many bytes that do not compress.
pub(crate) fn padded(chart: &str, noise: usize) -> Bytes {
    let charts = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts");
    fixture::archive(&charts.join(chart), noise).expect("a chart of this repository")
}

/// The archive of these files.
pub(crate) fn pack(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, content) in files {
        let mut header = Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, *content)
            .expect("in memory");
    }
    let gzip = tar.into_inner().expect("in memory");
    gzip.finish().expect("in memory")
}

/// The field `chart` with that archive.
pub(crate) fn field(archive: &[u8]) -> Value {
    json!({ "archive": BASE64_STANDARD.encode(archive) })
}

/// The body of an install of the chart `web`.
pub(crate) fn install(name: &str) -> Value {
    json!({ "name": name, "namespace": "shop", "chart": field(&archive("web")) })
}

/// `body` with other fields of `more`.
pub(crate) fn with(mut body: Value, more: Value) -> Value {
    let (Value::Object(fields), Value::Object(more)) = (&mut body, more) else {
        panic!("both are objects")
    };
    fields.extend(more);
    body
}
