//! `resources` of a status: what the cluster has of a release, as kubectl prints it.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    time::{Duration, SystemTime},
};

use serde_json::Value;

use super::objects::{Key, Object, Objects, Stored};

const RELATED: &str = "v1/Pod(related)";
/// Least width of a column and least space behind its text, as kubectl has them.
const MIN_WIDTH: usize = 6;
const PADDING: usize = 3;

/// Groups by version and kind, and the objects that are gone at the end.
pub(super) fn print(objects: &[Object], cluster: &Objects) -> String {
    let mut groups: BTreeMap<String, Vec<(&Key, &Stored)>> = BTreeMap::new();
    let mut missing = String::new();
    for object in objects {
        let key = &object.key;
        let kind = key.kind;
        match cluster.get(key) {
            Some(stored) => {
                let group = groups
                    .entry(format!("{}/{}", kind.version, kind.name))
                    .or_default();
                group.push((key, stored));
                if owns_pods(kind.name) {
                    groups.entry(RELATED.to_owned()).or_default();
                }
            }
            None => {
                let group = kind.group;
                let line = format!(
                    "{group}/{}, Resource={}\t\t{}\n",
                    kind.version, kind.plural, key.name
                );
                missing.push_str(&line);
            }
        }
    }
    let mut text = String::new();
    for (title, mut group) in groups {
        group.sort_by_key(|(key, _)| &key.name);
        // As below.
        _ = writeln!(text, "==> {title}");
        text.push_str(&table(&group));
        text.push('\n');
    }
    if !missing.is_empty() {
        // Tiller looks twice, once for the tables and once for the pods behind them.
        _ = write!(text, "==> MISSING\nKIND\t\tNAME\n{missing}{missing}");
    }
    text
}

/// No pods come with them here, but the group is printed.
fn owns_pods(kind: &str) -> bool {
    matches!(kind, "DaemonSet" | "Deployment" | "Job" | "StatefulSet")
}

/// Tiller prints every object as a table of its own, so only the first lines up with the header.
fn table(group: &[(&Key, &Stored)]) -> String {
    let mut text = String::new();
    let mut rows = Vec::new();
    for (key, stored) in group {
        if text.is_empty() {
            rows.push(header(key.kind.name));
        }
        rows.push(row(key, stored));
        print_rows(&std::mem::take(&mut rows), &mut text);
    }
    text
}

fn print_rows(rows: &[Vec<String>], text: &mut String) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells
            .map(|cell| cell.len() + PADDING)
            .fold(MIN_WIDTH, usize::max)
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    for row in rows {
        for (cell, width) in row.iter().zip(&widths) {
            // Writing to a string cannot fail.
            _ = write!(text, "{cell:width$}");
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
}

fn header(kind: &str) -> Vec<String> {
    let columns: &[&str] = match kind {
        "ConfigMap" => &["NAME", "DATA", "AGE"],
        "Deployment" => &["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"],
        "Job" => &["NAME", "STATUS", "COMPLETIONS", "DURATION", "AGE"],
        "Pod" => &["NAME", "READY", "STATUS", "RESTARTS", "AGE"],
        "Secret" => &["NAME", "TYPE", "DATA", "AGE"],
        "Service" => &[
            "NAME",
            "TYPE",
            "CLUSTER-IP",
            "EXTERNAL-IP",
            "PORT(S)",
            "AGE",
        ],
        "StatefulSet" => &["NAME", "READY", "AGE"],
        _ => &["NAME", "AGE"],
    };
    columns.iter().map(ToString::to_string).collect()
}

fn row(key: &Key, stored: &Stored) -> Vec<String> {
    let body = &stored.body;
    let text = |pointer: &str, or: &str| {
        body.pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or(or)
            .to_owned()
    };
    let count = |pointer: &str| match body.pointer(pointer) {
        Some(Value::Object(map)) => map.len(),
        Some(Value::Array(items)) => items.len(),
        _ => 0,
    };
    let ready = || {
        let replicas = body.pointer("/spec/replicas").and_then(Value::as_f64);
        format!("0/{}", replicas.unwrap_or(1.0))
    };
    let mut row = vec![key.name.clone()];
    row.extend(match key.kind.name {
        "ConfigMap" => vec![(count("/data") + count("/binaryData")).to_string()],
        "Deployment" => vec![ready(), "0".to_owned(), "0".to_owned()],
        "Job" => vec!["Running".to_owned(), "0/1".to_owned(), String::new()],
        "Pod" => {
            let ready = format!("0/{}", count("/spec/containers"));
            vec![ready, text("/status/phase", "Pending"), "0".to_owned()]
        }
        "Secret" => {
            let data = count("/data") + count("/stringData");
            vec![text("/type", "Opaque"), data.to_string()]
        }
        "Service" => vec![
            text("/spec/type", "ClusterIP"),
            text(
                "/spec/clusterIP",
                &format!("10.0.0.{}", stored.number % 250 + 2),
            ),
            "<none>".to_owned(),
            ports(body),
        ],
        "StatefulSet" => vec![ready()],
        _ => Vec::new(),
    });
    row.push(age(stored.created));
    row
}

fn ports(service: &Value) -> String {
    let ports = service.pointer("/spec/ports").and_then(Value::as_array);
    let ports = ports.into_iter().flatten().map(|port| {
        let number = port.get("port").and_then(Value::as_u64).unwrap_or_default();
        let protocol = port
            .get("protocol")
            .and_then(Value::as_str)
            .unwrap_or("TCP");
        format!("{number}/{protocol}")
    });
    ports.collect::<Vec<_>>().join(",")
}

fn age(created: SystemTime) -> String {
    let age = SystemTime::now()
        .duration_since(created)
        .unwrap_or(Duration::ZERO)
        .as_secs();
    match (age, age / 60, age % 60) {
        (..120, ..) => format!("{age}s"),
        (..600, minutes, 0) => format!("{minutes}m"),
        (..600, minutes, seconds) => format!("{minutes}m{seconds}s"),
        (..10_800, minutes, _) => format!("{minutes}m"),
        _ => format!("{}h", age / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: a-long-name-for-a-map}
data: {a: b}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: b}
data: {a: b, c: d}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {replicas: 2}
";

    #[test]
    fn tables_look_as_tiller_prints_them() {
        let objects = Objects::build("default", MANIFEST).expect("valid");
        let mut cluster = Objects::default();
        cluster.insert("default", MANIFEST);
        assert_eq!(
            print(&objects, &cluster),
            "==> v1/ConfigMap\n\
             NAME                    DATA   AGE\n\
             a-long-name-for-a-map   1      0s\n\
             b     2     0s\n\n\
             ==> v1/Deployment\n\
             NAME   READY   UP-TO-DATE   AVAILABLE   AGE\n\
             web    0/2     0            0           0s\n\n\
             ==> v1/Pod(related)\n\n"
        );
    }

    #[test]
    fn what_is_gone_is_listed_twice() {
        let objects = Objects::build("default", MANIFEST).expect("valid");
        let mut cluster = Objects::default();
        cluster.insert("default", MANIFEST);
        cluster.remove("ConfigMap", "default", "b");
        cluster.remove("Deployment", "default", "web");
        let line = "/v1, Resource=configmaps\t\tb\napps/v1, Resource=deployments\t\tweb\n";
        let missing = format!("==> MISSING\nKIND\t\tNAME\n{line}{line}");
        assert!(print(&objects, &cluster).ends_with(&missing));
    }
}
