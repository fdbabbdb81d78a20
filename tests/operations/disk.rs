//! Everything that can happen to the file and the disk under it.
//!
//! Refused or recovered, with a message that says what to do: never a silent loss.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use sim::contract::{Place, accept, admission, bounded, operation};
use tiller_edge::operations::{Operation, Query, Store, StoreError};

use crate::support::{Folder, child, given, open, refused};

/// The bytes of a page of the file.
const PAGE: u64 = 4096;

async fn accepted(store: &Arc<dyn Store>, count: usize) -> Vec<Operation> {
    let operations: Vec<_> = (0..count).map(|_| operation("a")).collect();
    for operation in &operations {
        accept(store, &[operation]).await;
    }
    operations
}

async fn is_there(store: &Arc<dyn Store>, operations: &[Operation]) {
    for operation in operations {
        let stored = store.operation(&operation.id).await.expect("read");
        assert_eq!(stored.expect("it is there").operation, *operation);
        let body = store.body(&operation.id).await.expect("read");
        assert_eq!(body.expect("it is there"), operation.id.as_str());
    }
}

/// A file with some operations that was closed, and them.
async fn closed(folder: &Folder) -> Vec<Operation> {
    let store = folder.open().await;
    let operations = accepted(&store, 50).await;
    store.close().await;
    operations
}

/// What is left of one that was not: what a process that was killed leaves, in another folder.
async fn left_open(folder: &Folder) -> Vec<Operation> {
    let running = Folder::new();
    let store = running.open().await;
    let operations = accepted(&store, 50).await;
    fs::copy(running.file(), folder.file()).expect("copied");
    fs::copy(running.log(), folder.log()).expect("copied");
    store.close().await;
    operations
}

fn is_damaged(file: &Path, says: &str) {
    let (error, text) = refused(file);
    assert!(matches!(error, StoreError::Damaged { .. }), "{text}");
    assert!(text.contains(says), "{text}");
    assert!(text.contains(&*file.to_string_lossy()), "{text}");
}

fn is_unavailable(file: &Path, says: &str) {
    let (error, text) = refused(file);
    assert!(matches!(error, StoreError::Unavailable { .. }), "{text}");
    assert!(text.contains(says), "{text}");
    assert!(text.contains(&*file.to_string_lossy()), "{text}");
}

#[tokio::test]
async fn a_file_is_one_edges_alone() {
    let folder = Folder::new();
    let store = folder.open().await;
    is_unavailable(&folder.file(), "another process has");
    // To be refused takes nothing from who has it.
    is_unavailable(&folder.file(), "another process has");
    let operations = bounded_accept(&store).await;
    store.close().await;
    is_there(&folder.open().await, &operations).await;
}

async fn bounded_accept(store: &Arc<dyn Store>) -> Vec<Operation> {
    let mut operations = Vec::new();
    bounded(async { operations = accepted(store, 3).await }).await;
    operations
}

#[tokio::test]
async fn a_file_of_another_process_is_not_opened() {
    let folder = Folder::new();
    let store = folder.open().await;
    let refused = child("disk::child_that_is_refused", &[], &folder.file()).status();
    assert!(refused.expect("it runs").success());
    store.close().await;
}

#[test]
#[ignore = "a_file_of_another_process_is_not_opened runs it"]
fn child_that_is_refused() {
    is_unavailable(&given(), "another process has");
}

#[tokio::test]
async fn what_is_stored_is_for_its_owners_eyes_only() {
    let folder = Folder::new();
    let store = folder.open().await;
    bounded_accept(&store).await;
    for file in [folder.file(), folder.log()] {
        let mode = fs::metadata(file)
            .expect("it is there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    store.close().await;
}

#[tokio::test]
async fn one_that_is_closed_says_so() {
    let folder = Folder::new();
    let store = folder.open().await;
    store.close().await;
    store.close().await;
    let error = store.key("k").await.expect_err("it is closed");
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
    assert!(!folder.log().exists(), "everything is in one file");
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let folder = Folder::new();
    is_unavailable(&folder.path().join("none/operations.db"), "cannot make");
}

#[test]
fn garbage_is_refused_and_left_as_it_is() {
    let folder = Folder::new();
    let garbage = "no database at all\n".repeat(1000);
    fs::write(folder.file(), &garbage).expect("written");
    is_damaged(&folder.file(), "holds no operations");
    assert_eq!(fs::read(folder.file()).expect("read"), garbage.as_bytes());
}

#[tokio::test]
async fn another_programs_database_is_refused() {
    let folder = Folder::new();
    closed(&folder).await;
    // Where a database says whose it is.
    overwrite(&folder.file(), 68, &[1, 2, 3, 4]);
    is_damaged(&folder.file(), "another program's database");
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused() {
    let folder = Folder::new();
    let operations = closed(&folder).await;
    // Where a database says of which version it is.
    overwrite(&folder.file(), 60, &[0, 0, 0, 99]);
    is_damaged(&folder.file(), "of version 99, which a newer tiller-edge");
    overwrite(&folder.file(), 60, &[0, 0, 0, 1]);
    is_there(&folder.open().await, &operations).await;
}

#[tokio::test]
async fn a_file_that_was_cut_off_is_refused() {
    let folder = Folder::new();
    closed(&folder).await;
    let file = OpenOptions::new().write(true).open(folder.file());
    let file = file.expect("it is there");
    let length = file.metadata().expect("it is there").len();
    file.set_len(length - PAGE).expect("cut off");
    is_damaged(&folder.file(), "cannot be read whole");
}

#[tokio::test]
async fn no_page_can_be_damaged_without_somebody_being_told() {
    let folder = Folder::new();
    let operations = closed(&folder).await;
    let whole = fs::read(folder.file()).expect("read");
    let pages = whole.len() as u64 / PAGE;
    let mut told = 0;
    for page in 0..pages {
        // The last as well as every other, in the part that is filled first.
        fs::write(folder.file(), &whole).expect("restored");
        overwrite(&folder.file(), (page + 1) * PAGE - 64, &[0xa5; 64]);
        let Ok(store) = tiller_edge::operations::Sqlite::open(&folder.file()) else {
            told += 1;
            continue;
        };
        let store: Arc<dyn Store> = Arc::new(store);
        for operation in &operations {
            let stored = store.operation(&operation.id).await;
            let body = store.body(&operation.id).await;
            match (stored, body) {
                (Ok(Some(stored)), Ok(Some(body))) => {
                    assert_eq!(stored.operation, *operation);
                    assert_eq!(body, operation.id.as_str());
                }
                (Err(error), _) | (_, Err(error)) => {
                    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
                    told += 1;
                }
                lost => panic!("page {page}: {} is lost: {lost:?}", operation.id),
            }
        }
        store.close().await;
    }
    assert!(told > 0);
}

#[tokio::test]
async fn a_process_that_was_killed_leaves_everything() {
    let folder = Folder::new();
    let operations = left_open(&folder).await;
    is_there(&folder.open().await, &operations).await;
}

#[tokio::test]
async fn a_log_that_was_cut_off_leaves_whole_operations_in_order() {
    let folder = Folder::new();
    let operations = left_open(&folder).await;
    let log = fs::read(folder.log()).expect("read");
    fs::write(folder.log(), &log[..log.len() / 2]).expect("cut off");
    let store = folder.open().await;
    let all = Query {
        limit: 100,
        ..Query::default()
    };
    let left = store.operations(&all).await.expect("read").len();
    assert!(left > 0 && left < operations.len(), "{left}");
    is_there(&store, &operations[..left]).await;
    accepted(&store, 1).await;
}

#[tokio::test]
async fn a_log_that_is_gone_is_missed() {
    let folder = Folder::new();
    left_open(&folder).await;
    fs::remove_file(folder.log()).expect("removed");
    let log = folder.log().display().to_string();
    is_damaged(
        &folder.file(),
        &format!("{log}, which belongs to it, is gone"),
    );
    is_damaged(&folder.file(), "was not closed");
    File::create(folder.log()).expect("made");
    accepted(&folder.open().await, 1).await;
}

fn overwrite(file: &Path, at: u64, bytes: &[u8]) {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(file)
        .expect("it is there");
    file.seek(SeekFrom::Start(at)).expect("so long");
    file.write_all(bytes).expect("written");
}

/// What runs a program with a disk of its own.
const ALONE: [&str; 4] = ["unshare", "--user", "--map-root-user", "--mount"];

/// Runs a test as a child that may mount a disk.
fn with_a_disk(test: &str, folder: &Folder) {
    let can = Command::new(ALONE[0])
        .args(&ALONE[1..])
        .arg("true")
        .status();
    if !can.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: this host makes no user namespaces: `unshare -Urm true` fails");
        return;
    }
    let out = child(test, &ALONE, folder.path())
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{text}");
    assert!(text.contains("1 passed"), "{text}");
}

/// Mounts a disk of 2 MiB at `folder`, or mounts it again with other options.
fn mount(folder: &Path, options: &str) {
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", options, "tmpfs"])
        .arg(folder)
        .status();
    assert!(mounted.expect("mount is there").success());
}

#[test]
fn a_full_disk_takes_nothing_and_loses_nothing() {
    let folder = Folder::new();
    with_a_disk("disk::child_whose_disk_is_full", &folder);
}

#[tokio::test]
#[ignore = "a_full_disk_takes_nothing_and_loses_nothing runs it"]
async fn child_whose_disk_is_full() {
    let folder = given();
    mount(&folder, "size=2m");
    let file = folder.join("operations.db");
    let store = open(&file);
    let mut taken = accepted(&store, 5).await;
    let ballast = folder.join("ballast");
    fill(&ballast);
    let refusal = loop {
        let operation = operation("a");
        match store.admit(admission(&[&operation])).await {
            Ok(_) => taken.push(operation),
            Err(error) => break error,
        }
        assert!(taken.len() < 10_000, "it is full at some time");
    };
    assert!(matches!(refusal, StoreError::Unavailable { .. }));
    let text = refusal.to_string();
    assert!(
        text.contains("no room") && text.contains("operations.db"),
        "{text}"
    );
    is_there(&store, &taken).await;
    let claimed = sim::contract::claim(&store).await;
    assert_eq!(claimed.operation.id, taken[0].id, "reads go on");
    let full = store.save(&claimed, &claimed.operation).await;
    assert!(
        matches!(full, Err(StoreError::Unavailable { .. })),
        "{full:?}"
    );
    fs::remove_file(&ballast).expect("removed");
    store
        .save(&claimed, &claimed.operation)
        .await
        .expect("there is room again, and the claim is kept");
    taken.extend(accepted(&store, 5).await);
    store.close().await;
    is_there(&open(&file), &taken).await;
}

/// Writes until nothing more fits.
fn fill(ballast: &Path) {
    let mut ballast = File::create(ballast).expect("made");
    while ballast.write_all(&[0; 4096]).is_ok() {}
}

#[test]
fn a_disk_that_cannot_be_written_is_named() {
    let folder = Folder::new();
    with_a_disk("disk::child_whose_disk_is_read_only", &folder);
}

#[tokio::test]
#[ignore = "a_disk_that_cannot_be_written_is_named runs it"]
async fn child_whose_disk_is_read_only() {
    let folder = given();
    mount(&folder, "size=2m");
    let file = folder.join("operations.db");
    let store = open(&file);
    let taken = accepted(&store, 5).await;
    store.close().await;
    mount(&folder, "remount,ro");
    is_unavailable(&file, "cannot be written");
    is_unavailable(&folder.join("other.db"), "cannot make");
    mount(&folder, "remount,rw");
    is_there(&open(&file), &taken).await;
}

#[test]
fn the_bytes_of_an_operation_are_in_the_file() {
    // What the tests above overwrite is where they think it is.
    let folder = Folder::new();
    drop(tiller_edge::operations::Sqlite::open(&folder.file()).expect("it opens"));
    let mut head = [0; 72];
    File::open(folder.file())
        .and_then(|mut file| file.read_exact(&mut head))
        .expect("read");
    assert_eq!(&head[..15], b"SQLite format 3");
    assert_eq!(head[60..64], [0, 0, 0, 1]);
    assert_eq!(&head[68..72], b"till");
}
