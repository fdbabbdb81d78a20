//! Where components are once they are built.

use std::env;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context;

/// The component's file. Where `CARGO_TARGET_DIR` points elsewhere there may be two, since `cargo xtask` builds
/// components where `spin.toml` names them: the newer one counts.
///
/// # Errors
///
/// When it is not built; the error says how to.
pub fn component(id: &str) -> anyhow::Result<PathBuf> {
    let file = format!("wasm32-wasip2/component/{id}.wasm");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let elsewhere = env::var_os("CARGO_TARGET_DIR").map(|target| root.join(target));
    let built = |path: &PathBuf| -> Option<SystemTime> { path.metadata().ok()?.modified().ok() };
    elsewhere
        .into_iter()
        .chain([root.join("target")])
        .map(|target| target.join(&file))
        .filter(|path| path.is_file())
        .max_by_key(built)
        .with_context(|| {
            format!(
                "target/{file} is missing. Build it with\n  cargo build -p releases -p webhooks -p guests --target wasm32-wasip2 \
                 --profile component\nor, where the target is missing too, with\n  cargo xtask test --ring 2"
            )
        })
}
