//! The component under test, if it was built.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Once;

/// Where it is. Without the wasm target there is none, and the tests that need it say loudly that they were skipped.
pub(crate) fn component() -> Option<PathBuf> {
    let path = std::env::var_os("TILLER_EDGE_GUESTS").map_or_else(
        || {
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../target/wasm32-wasip2/component/guests.wasm")
        },
        PathBuf::from,
    );
    if path.exists() {
        return Some(path);
    }
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        // Straight to the terminal: what a passing test prints is not shown.
        let said = format!(
            "\nSKIPPED: every test with a component, for want of {}. Build it with\n  cargo build -p guests --target \
             wasm32-wasip2 --profile component\n",
            path.display()
        );
        _ = io::stderr().write_all(said.as_bytes());
    });
    None
}

/// A Spin application with that component alone, under `/guests/`.
pub(crate) fn manifest(component: &Path) -> String {
    format!(
        "spin_manifest_version = 2\n[application]\nname = \"guests\"\n[[trigger.http]]\nroute = \"/guests/...\"\n\
         component = \"guests\"\n[component.guests]\nsource = {component:?}\n"
    )
}
