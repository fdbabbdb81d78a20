//! Generates the messages from `hapi/**.proto`. protox compiles them, so no `protoc` is needed.

use std::{env, error::Error, fs, path::PathBuf};

use prost_build::Config;

const FILES: [&str; 3] = [
    "hapi/release/release.proto",
    "hapi/services/tiller.proto",
    "hapi/version/version.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=hapi");
    let mut compiler = protox::Compiler::new(["."])?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(FILES)?;

    // The tests check the method and field tables against it.
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    fs::write(
        out.join("descriptors.bin"),
        compiler.encode_file_descriptor_set(),
    )?;

    Config::new()
        .btree_map(["."])
        .bytes(["."])
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
