//! Components compiled ahead and kept.
//!
//! Compiling takes a good part of a second, loading what was compiled before a fraction of a millisecond. A kept file
//! is native code that is mapped and run, so it is trusted as the binary itself is: the directory is ours alone (0700,
//! owned by this user), files appear in it whole or not at all, and each is named after everything that decides whether
//! it fits: the component's bytes and the exact engine configuration. A directory that is not safe is not used; the edge
//! compiles at every start then, and says so.

use std::fs::{self, DirBuilder, File};
use std::hash::{Hash, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

/// Where compiled components are kept.
pub(super) struct Cache {
    /// None: nowhere is safe, so nothing is kept.
    directory: Option<PathBuf>,
}

impl Cache {
    /// Prepares `directory`; where that fails, a cache that keeps nothing.
    pub(super) fn open(directory: &Path) -> Self {
        match prepare(directory) {
            Ok(directory) => Self {
                directory: Some(directory),
            },
            Err(error) => {
                tracing::warn!(
                    %error,
                    directory = %directory.display(),
                    "compiled components are not kept, so every start compiles them anew; set `cache_dir` to a \
                     directory that belongs to this user alone"
                );
                Self { directory: None }
            }
        }
    }

    /// The component `wasm`, from the cache or compiled now.
    ///
    /// # Errors
    ///
    /// When `wasm` is not a component that this engine takes.
    pub(super) fn load(
        &self,
        engine: &Engine,
        id: &str,
        wasm: &[u8],
    ) -> wasmtime::Result<Component> {
        let Some(directory) = &self.directory else {
            return Component::new(engine, wasm);
        };
        let file = directory.join(file_name(id, wasm, engine));
        if file.exists() {
            match map(engine, &file) {
                Ok(component) => return Ok(component),
                Err(error) => {
                    tracing::warn!(error = format!("{error:#}"), file = %file.display(), "compiling anew");
                }
            }
        }
        let started = Instant::now();
        let compiled = engine.precompile_component(wasm)?;
        tracing::info!(component = id, elapsed = ?started.elapsed(), "compiled");
        match write_whole(&file, &compiled) {
            Ok(()) => map(engine, &file),
            Err(error) => {
                tracing::warn!(%error, file = %file.display(), "the compiled component is not kept");
                Component::new(engine, wasm)
            }
        }
    }
}

/// Named after the component's bytes and whatever of the engine decides whether compiled code fits it: wasmtime's
/// version, its settings, the machine's instruction set.
fn file_name(id: &str, wasm: &[u8], engine: &Engine) -> String {
    let mut fits = HashWriter(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut fits);
    let mut name = format!("{id}-");
    push_hex(&mut name, &Sha256::digest(wasm));
    name.push('-');
    push_hex(&mut name, &fits.0.finalize()[..8]);
    name.push_str(".cwasm");
    name
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        text.push_str(&format!("{byte:02x}"));
    }
}

/// A [`Hasher`] whose result outlives the process, which the standard ones do not promise.
struct HashWriter(Sha256);

impl Hasher for HashWriter {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest = self.0.clone().finalize();
        digest
            .iter()
            .take(8)
            .fold(0, |value, byte| value << 8 | u64::from(*byte))
    }
}

/// The directory's real path: a link that leads to it may belong to somebody else.
fn prepare(directory: &Path) -> io::Result<PathBuf> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    let directory = directory.canonicalize()?;
    let metadata = fs::metadata(&directory)?;
    // A file made here carries our own user id, which the standard library does not tell otherwise.
    let probe = directory.join(unique("probe"));
    let ours = File::create(&probe)?.metadata()?.uid();
    fs::remove_file(&probe)?;
    if metadata.uid() != ours {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "the directory belongs to another user",
        ));
    }
    if metadata.permissions().mode() & 0o022 != 0 {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "others may write to the directory",
        ));
    }
    Ok(directory)
}

fn write_whole(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let partial = file.with_extension(unique("partial"));
    let written = File::create(&partial).and_then(|mut out| {
        out.set_permissions(fs::Permissions::from_mode(0o600))?;
        out.write_all(bytes)?;
        out.sync_all()
    });
    let placed = written.and_then(|()| fs::rename(&partial, file));
    if placed.is_err() {
        // Best effort: what stopped the write is the error worth telling.
        _ = fs::remove_file(&partial);
    }
    placed
}

/// A name that no other edge uses, in this process or another.
fn unique(purpose: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{purpose}-{}-{count}", process::id())
}

#[expect(
    unsafe_code,
    reason = "maps native code; the directory is this user's alone and the file is named after what it was compiled from and for"
)]
fn map(engine: &Engine, file: &Path) -> wasmtime::Result<Component> {
    // SAFETY: see the module's documentation; only this process or an equally trusted one writes to the directory, and
    // files are replaced by renaming, never changed in place.
    unsafe { Component::deserialize_file(engine, file) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmtime::Config;

    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    fn kept(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(directory)
            .expect("readable")
            .map(|entry| {
                entry
                    .expect("readable")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_component_is_compiled_once_and_then_loaded() {
        let home = tempfile::tempdir().expect("a directory");
        let directory = home.path().join("cache");
        let engine = Engine::default();
        let cache = Cache::open(&directory);
        cache.load(&engine, "empty", EMPTY).expect("compiles");
        let first = kept(&directory);
        assert_eq!(first.len(), 1);
        let written = fs::metadata(directory.join(&first[0]))
            .and_then(|metadata| metadata.modified())
            .expect("a time");
        cache.load(&engine, "empty", EMPTY).expect("loads");
        assert_eq!(kept(&directory), first);
        let after = fs::metadata(directory.join(&first[0]))
            .and_then(|metadata| metadata.modified())
            .expect("a time");
        assert_eq!(written, after);
    }

    #[test]
    fn names_tell_components_and_engines_apart() {
        let plain = Engine::default();
        let other = Engine::new(Config::new().epoch_interruption(true)).expect("an engine");
        let name = file_name("a", EMPTY, &plain);
        assert_eq!(name, file_name("a", EMPTY, &Engine::default()));
        assert_ne!(name, file_name("a", EMPTY, &other));
        assert_ne!(name, file_name("a", b"else", &plain));
    }

    #[test]
    fn a_damaged_file_is_compiled_anew() {
        let home = tempfile::tempdir().expect("a directory");
        let directory = home.path().join("cache");
        let engine = Engine::default();
        let cache = Cache::open(&directory);
        let file = directory.join(file_name("empty", EMPTY, &engine));
        fs::write(&file, b"damaged").expect("written");
        cache.load(&engine, "empty", EMPTY).expect("compiles");
        assert_ne!(fs::read(&file).expect("readable"), b"damaged");
    }

    #[test]
    fn the_directory_is_made_for_this_user_alone() {
        let home = tempfile::tempdir().expect("a directory");
        let directory = home.path().join("a/b");
        assert!(Cache::open(&directory).directory.is_some());
        let mode = fs::metadata(&directory)
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn a_directory_that_others_may_write_to_is_not_used() {
        let home = tempfile::tempdir().expect("a directory");
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o777)).expect("changed");
        let cache = Cache::open(home.path());
        assert!(cache.directory.is_none());
        cache
            .load(&Engine::default(), "empty", EMPTY)
            .expect("compiles all the same");
        assert!(kept(home.path()).is_empty());
    }
}
