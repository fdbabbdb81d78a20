//! What is judged is what Tiller finds in the message, whatever was done to it.
//!
//! Tiller's side is answered by `tests/cluster/oracle`: the codec of its gRPC, the messages of Helm 2.17, its version of
//! golang/protobuf. Nothing may be read here otherwise than there. What Tiller takes may be refused here; what Tiller
//! refuses may be passed on.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use super::*;

const CASES: usize = 80_000;

/// How both sides may come out of a case.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum End {
    Alike,
    BothRefuse,
    WeRefuse,
    TillerRefuses,
}

#[test]
#[ignore = "needs Go; run with --ignored"]
fn what_is_judged_is_what_tiller_finds_in_the_message() {
    let cases = cases();
    let questions = cases.iter().map(|(method, message)| {
        let message = STANDARD.encode(message);
        json!({ "ask": "request", "method": method.name(), "message": message })
    });
    let mut ends = BTreeMap::new();
    for ((method, message), theirs) in cases.iter().zip(ask(questions)) {
        let ours = read(*method, &Bytes::copy_from_slice(message));
        let end = match (ours, theirs["error"].as_str()) {
            (Ok(ours), None) => {
                assert_eq!(
                    shown(*method, &ours),
                    of_tiller(*method, theirs),
                    "{method} {message:02x?}"
                );
                End::Alike
            }
            (Err(_), Some(_)) => End::BothRefuse,
            (Err(_), None) => End::WeRefuse,
            (Ok(_), Some(_)) => End::TillerRefuses,
        };
        *ends.entry((method.name(), end)).or_insert(0) += 1;
    }
    for end in [
        End::Alike,
        End::BothRefuse,
        End::WeRefuse,
        End::TillerRefuses,
    ] {
        let count = |method: Method| ends.get(&(method.name(), end)).copied();
        let total: u32 = Method::ALL.into_iter().filter_map(count).sum();
        eprintln!("{end:?}: {total}");
    }
    for method in Method::ALL {
        for end in [End::Alike, End::BothRefuse, End::WeRefuse] {
            let count = ends.get(&(method.name(), end)).copied();
            assert!(count.unwrap_or(0) > 100, "{method} {end:?}: {count:?}");
        }
    }
}

/// Our reading, as Tiller's is told.
fn shown(method: Method, facts: &Facts) -> Value {
    let chart = facts.chart.as_ref();
    json!({
        "name": facts.release.as_deref().unwrap_or_default(),
        "namespace": facts.namespace.as_deref().unwrap_or_default(),
        "dry_run": facts.dry_run,
        "reuse_name": facts.replaces,
        "purge": facts.purges,
        "version": facts.revision,
        "chart": chart.map(|chart| [&chart.name, &chart.version]),
        "values": facts.values_digest,
        "changes": method.is_mutation() && facts.changes(),
    })
}

fn of_tiller(method: Method, mut facts: Value) -> Value {
    if method == Method::InstallRelease && facts["namespace"] == "" {
        facts["namespace"] = json!(DEFAULT_NAMESPACE);
    }
    facts["changes"] = json!(method.is_mutation() && facts["dry_run"] == false);
    facts
}

fn ask(questions: impl Iterator<Item = Value>) -> Vec<Value> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cluster/oracle");
    let mut oracle = Command::new("go")
        .args(["run", "."])
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Go runs the oracle");
    let mut stdin = oracle.stdin.take().expect("it is piped");
    let stdout = oracle.stdout.take().expect("it is piped");
    let lines: String = questions.map(|question| format!("{question}\n")).collect();
    let count = lines.lines().count();
    let writer = thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let answers: Vec<Value> = BufReader::new(stdout)
        .lines()
        .map(|line| serde_json::from_str(&line.expect("UTF-8")).expect("an answer"))
        .collect();
    writer.join().expect("no panic").expect("it reads");
    assert!(oracle.wait().expect("it ends").success());
    assert_eq!(answers.len(), count);
    answers
}

/// The same ones every time.
fn cases() -> Vec<(Method, Vec<u8>)> {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategies: Vec<_> = Method::ALL
        .into_iter()
        .map(|method| (method, message(method)))
        .collect();
    (0..CASES)
        .map(|number| {
            let (method, strategy) = &strategies[number % strategies.len()];
            let tree = strategy.new_tree(&mut runner).expect("a message");
            (*method, tree.current())
        })
        .collect()
}

/// What a field holds.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Bool,
    Chart,
    Config,
    Int,
    Ints,
    Text,
}

/// The fields that Tiller knows of a request, those that decide nothing included.
fn known(method: Method) -> &'static [(u64, Kind)] {
    use Kind::{Bool, Chart, Config, Int, Ints, Text};
    match method {
        Method::GetHistory | Method::GetReleaseContent | Method::GetReleaseStatus => {
            &[(1, Text), (2, Int)]
        }
        Method::GetVersion => &[],
        Method::InstallRelease => &[
            (1, Chart),
            (2, Config),
            (3, Bool),
            (4, Text),
            (5, Bool),
            (6, Text),
            (7, Bool),
            (8, Int),
            (11, Text),
        ],
        Method::ListReleases => &[(1, Int), (2, Text), (3, Int), (6, Ints), (7, Text)],
        Method::RollbackRelease => &[(1, Text), (2, Bool), (4, Int), (6, Int), (9, Text)],
        Method::RunReleaseTest => &[(1, Text), (2, Int), (3, Bool), (5, Int)],
        Method::UninstallRelease => &[(1, Text), (2, Bool), (3, Bool), (4, Int), (5, Text)],
        Method::UpdateRelease => &[
            (1, Text),
            (2, Chart),
            (3, Config),
            (4, Bool),
            (7, Int),
            (8, Bool),
            (12, Text),
        ],
    }
}

const CHART: &[(u64, Kind)] = &[(1, Kind::Text), (2, Kind::Text), (4, Kind::Config)];

const METADATA: &[(u64, Kind)] = &[
    (1, Kind::Text),
    (3, Kind::Text),
    (4, Kind::Text),
    (14, Kind::Bool),
];

const CONFIG: &[(u64, Kind)] = &[(1, Kind::Text)];

/// A message of right fields and wrong ones, often more than once each; one in some is damaged besides.
fn message(method: Method) -> BoxedStrategy<Vec<u8>> {
    let damage = prop_oneof![
        20 => Just(None),
        1 => any::<Index>().prop_map(|at| Some((at, Damage::Cut))),
        1 => any::<Index>().prop_map(|at| Some((at, Damage::Drop))),
        2 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Some((at, Damage::Insert(byte)))),
        2 => (any::<Index>(), 0..8_u8).prop_map(|(at, bit)| Some((at, Damage::Flip(bit)))),
    ];
    (fields_of(known(method)), damage)
        .prop_map(|(mut message, damage)| {
            if let Some((at, damage)) = damage
                && !message.is_empty()
            {
                let at = at.index(message.len());
                match damage {
                    Damage::Cut => message.truncate(at),
                    Damage::Drop => drop(message.remove(at)),
                    Damage::Flip(bit) => message[at] ^= 1 << bit,
                    Damage::Insert(byte) => message.insert(at, byte),
                }
            }
            message
        })
        .boxed()
}

#[derive(Clone, Copy, Debug)]
enum Damage {
    Cut,
    Drop,
    Flip(u8),
    Insert(u8),
}

fn fields_of(known: &'static [(u64, Kind)]) -> BoxedStrategy<Vec<u8>> {
    let odd = odd().boxed();
    let field = if known.is_empty() {
        odd
    } else {
        let right = select(known).prop_flat_map(|(number, kind)| right(number, kind));
        let mistyped = (select(known), value()).prop_flat_map(|((number, _), (kind, value))| {
            key(number, kind).prop_map(move |key| [key, value.clone()].concat())
        });
        prop_oneof![24 => right, 1 => mistyped, 2 => odd].boxed()
    };
    vec(field, 0..8).prop_map(|fields| fields.concat()).boxed()
}

fn right(number: u64, kind: Kind) -> BoxedStrategy<Vec<u8>> {
    match kind {
        Kind::Bool | Kind::Int => (key(number, 0), number_of(kind))
            .prop_map(|(key, value)| [key, value].concat())
            .boxed(),
        Kind::Chart => {
            let metadata = fields_of(METADATA).prop_flat_map(|metadata| delimited(1, metadata));
            let parts = prop_oneof![4 => metadata, 1 => fields_of(CHART)];
            vec(parts, 0..3)
                .prop_flat_map(move |parts| delimited(number, parts.concat()))
                .boxed()
        }
        Kind::Config => fields_of(CONFIG)
            .prop_flat_map(move |config| delimited(number, config))
            .boxed(),
        Kind::Ints => {
            let packed = vec(number_of(Kind::Int), 0..4)
                .prop_flat_map(move |packed| delimited(number, packed.concat()));
            prop_oneof![right(number, Kind::Int), packed].boxed()
        }
        Kind::Text => text()
            .prop_flat_map(move |text| delimited(number, text))
            .boxed(),
    }
}

fn number_of(kind: Kind) -> BoxedStrategy<Vec<u8>> {
    let usual = match kind {
        Kind::Bool => (0..2_u64).boxed(),
        _ => (0..4_u64).boxed(),
    };
    let value = prop_oneof![
        6 => usual,
        // What is left of it in 32 bits, or in one, is another number.
        1 => select(vec![2, 128, 256, 1 << 31, (1 << 31) - 1, 1 << 32, (1 << 32) + 1, u64::MAX, u64::MAX << 32]),
        1 => any::<u64>(),
        1 => any::<i32>().prop_map(|number| i64::from(number) as u64),
    ];
    value.prop_flat_map(varint).boxed()
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        12 => select(vec!["a", "b", "web", "theirs", "default", "1.0.0", "stable/nginx"])
            .prop_map(|text| text.as_bytes().to_vec()),
        1 => Just(Vec::new()),
        1 => ".{0,6}".prop_map(String::into_bytes),
        // Not UTF-8: cut short, overlong, a surrogate, beyond the last.
        1 => select(vec![
            &b"\xff"[..], b"web\xc3", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"a\0b", b"\xef\xbf\xbd",
        ]).prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>(), 0..4),
    ]
}

/// A field that no message has, or of a form that no field has.
fn odd() -> impl Strategy<Value = Vec<u8>> {
    let number = prop_oneof![
        6 => 15..40_u64,
        1 => 0..4_u64,
        1 => Just((1 << 29) - 1),
        1 => (0..8_u64).prop_map(|number| number + (1 << 29)),
        1 => (0..8_u64).prop_map(|number| number + (1 << 60)),
        1 => any::<u64>().prop_map(|number| number >> 3),
    ];
    let plain = (number.clone(), value()).prop_flat_map(|(number, (kind, value))| {
        key(number, kind).prop_map(move |key| [key, value.clone()].concat())
    });
    let group = |inner: BoxedStrategy<Vec<u8>>| {
        (1..20_u64, vec(inner, 0..3), select(vec![0, 0, 0, 1])).prop_flat_map(
            |(number, inner, off)| {
                (key(number, 3), key(number + off, 4))
                    .prop_map(move |(begin, end)| [begin, inner.concat(), end].concat())
            },
        )
    };
    let inner = plain.clone().boxed();
    let deep = (1..20_u64, 1..150_usize).prop_map(|(number, depth)| {
        let begin = plain_varint(number << 3 | 3).repeat(depth);
        let end = plain_varint(number << 3 | 4).repeat(depth);
        [begin, end].concat()
    });
    let open = (1..20_u64).prop_flat_map(|number| key(number, 3));
    let closed = (1..20_u64).prop_flat_map(|number| key(number, 4));
    prop_oneof![
        8 => plain,
        3 => group(inner.clone()),
        2 => group(group(inner).boxed()),
        1 => deep,
        1 => open,
        1 => closed,
    ]
}

/// A wire type, and something that follows it.
fn value() -> impl Strategy<Value = (u64, Vec<u8>)> + Clone {
    let number = number_of(Kind::Int).prop_map(|number| (0, number));
    let fixed64 = vec(any::<u8>(), 8).prop_map(|value| (1, value));
    let bytes = vec(any::<u8>(), 0..6).prop_flat_map(|bytes| {
        let length = bytes.len() as u64;
        varint(length).prop_map(move |length| (2, [length, bytes.clone()].concat()))
    });
    let fixed32 = vec(any::<u8>(), 4).prop_map(|value| (5, value));
    let none = (6..8_u64).prop_map(|kind| (kind, Vec::new()));
    let too_long = any::<u64>().prop_map(|length| (2, plain_varint(length)));
    prop_oneof![
        4 => number.boxed(),
        4 => fixed64.boxed(),
        4 => bytes.boxed(),
        4 => fixed32.boxed(),
        1 => none.boxed(),
        1 => too_long.boxed(),
    ]
    .boxed()
}

fn key(number: u64, kind: u64) -> BoxedStrategy<Vec<u8>> {
    varint(number << 3 | kind)
}

fn delimited(number: u64, content: Vec<u8>) -> BoxedStrategy<Vec<u8>> {
    (key(number, 2), varint(content.len() as u64))
        .prop_map(move |(key, length)| [key, length, content.clone()].concat())
        .boxed()
}

/// A number, now and then in more bytes than it needs, or than any number may have.
fn varint(value: u64) -> BoxedStrategy<Vec<u8>> {
    let short = plain_varint(value);
    let padded = (1..12_usize).prop_map(move |more| {
        let mut bytes = plain_varint(value);
        if let Some(last) = bytes.last_mut() {
            *last |= 0x80;
        }
        bytes.extend(vec![0x80; more - 1]);
        bytes.push(0);
        bytes
    });
    prop_oneof![60 => Just(short), 1 => padded].boxed()
}

fn plain_varint(value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    prost::encoding::encode_varint(value, &mut bytes);
    bytes
}
