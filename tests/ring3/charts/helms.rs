//! The charts of Helm's own tests, packed.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use sim::scenario::fixture;
use tokio::process::Command;

use super::text;
use crate::stage::{Stage, root};

/// One of them.
pub(super) struct Helms {
    /// Where it is in Helm's module.
    pub(super) name: String,
    /// The file that it is packed into.
    pub(super) archive: PathBuf,
}

/// All of them: directories as `helm package` packs them or, where it refuses to, as they are; and archives.
pub(super) async fn charts(stage: &Stage) -> Result<Vec<Helms>> {
    let module = module().await?;
    let mut found = Vec::new();
    find(&module, &mut found)?;
    let packed = stage.cluster.folder().join("helms-charts");
    let mut charts = Vec::new();
    for (number, path) in found.iter().enumerate() {
        let name = text(path.strip_prefix(&module)?)?.to_owned();
        let folder = packed.join(number.to_string());
        fs::create_dir_all(&folder)?;
        let archive = if path.is_dir() {
            pack(stage, path, &folder)
                .await
                .with_context(|| format!("packing {name}"))?
        } else {
            path.clone()
        };
        charts.push(Helms { name, archive });
    }
    Ok(charts)
}

async fn module() -> Result<PathBuf> {
    let listed = Command::new("go")
        .args(["list", "-m", "-f", "{{.Dir}}", "k8s.io/helm"])
        .current_dir(root().join("tests/cluster/helm2"))
        .env_remove("GOFLAGS")
        .output()
        .await
        .context("go does not start")?;
    let folder = String::from_utf8(listed.stdout)?;
    ensure!(
        listed.status.success() && !folder.trim().is_empty(),
        "Helm's module is not there: {}",
        String::from_utf8_lossy(&listed.stderr)
    );
    Ok(PathBuf::from(folder.trim()))
}

/// Charts are where a Chart.yaml is, whatever it says.
fn find(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    if folder.join("Chart.yaml").is_file() {
        found.push(folder.to_owned());
    }
    let mut entries: Vec<_> = fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<_>>()?;
    entries.sort();
    for path in entries {
        if path.is_dir() {
            find(&path, found)?;
        } else if path.extension() == Some(OsStr::new("tgz")) {
            found.push(path);
        }
    }
    Ok(())
}

async fn pack(stage: &Stage, chart: &Path, folder: &Path) -> Result<PathBuf> {
    let arguments = [
        "package",
        text(chart)?,
        "--save=false",
        "--destination",
        text(folder)?,
    ];
    if stage.cluster.tiller().helm(&arguments).await?.success {
        let mut packed = fs::read_dir(folder)?;
        let packed = packed.next().context("helm package leaves nothing")??;
        return Ok(packed.path());
    }
    let archive = folder.join("chart.tgz");
    fs::write(&archive, fixture::archive(chart, 0)?)?;
    Ok(archive)
}
