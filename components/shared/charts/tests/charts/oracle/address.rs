//! Where references lead.

use charts::index::resolve;
use proptest::{prelude::*, sample::select};
use serde_json::json;
use url::Url;

use super::{ask, many};

#[test]
#[ignore = "needs Go; run with --ignored"]
fn references_lead_where_helm_goes() {
    let cases = many(4_000, (base(), reference()));
    let questions = cases
        .iter()
        .map(|(base, reference)| json!({ "ask": "resolve", "base": base, "reference": reference }));
    let mut counts = [0; 3];
    for ((base, reference), theirs) in cases.iter().zip(ask(questions)) {
        let base = Url::parse(base).expect(base);
        let ours = resolve(&base, reference);
        let theirs_url = theirs["url"].as_str().map(Url::parse);
        let outcome = match (&ours, theirs_url) {
            (Err(_), None) => 1,
            // Without a host Helm has nothing to fetch from.
            (Err(_), Some(_)) if theirs["host"] == "" => 1,
            // Nobody else is told what lets one into the repository.
            (Ok(ours), Some(Ok(mut url)))
                if theirs["elsewhere"] == true && reference.starts_with("//") =>
            {
                let mut ours = ours.clone();
                ours.set_query(None);
                url.set_query(None);
                assert_eq!(ours, url, "{base} {reference:?}");
                2
            }
            (Ok(ours), Some(Ok(url))) => {
                assert_eq!(*ours, url, "{base} {reference:?}");
                0
            }
            (ours, _) => panic!("{base} {reference:?}\n  ours: {ours:?}\n  Helm's: {theirs}"),
        };
        counts[outcome] += 1;
    }
    let [alike, refused, elsewhere] = counts;
    eprintln!(
        "{alike} URLs alike, {elsewhere} of them elsewhere without a query, {refused} refused"
    );
    assert!(alike > 1_500 && refused > 200);
}

fn base() -> impl Strategy<Value = String> {
    let path = prop_oneof![
        4 => "(/[a-z]{1,3}){0,3}/?",
        1 => "/a b",
        1 => "/(~a|a\\.b|a-b|a:b|a@b|a=b)/?",
        1 => "//a//b//",
    ];
    let query = prop_oneof![
        3 => Just(String::new()),
        2 => "\\?([a-c]=[a-z0-9]{0,3}&?){0,3}",
        1 => "\\?(key|key=va%20lue|b=x%3D|a=%C3%A4|a=b\\+c|b=~\\*|a=b=c|=v|&&a=1|a=%zz|st=a%3Ab&sig=x%3D){1,2}",
    ];
    let host = select(vec![
        "http://example.com",
        "https://example.com:8443",
        "http://u:p@h",
        "http://[::1]:80",
    ]);
    (host, path, query).prop_map(|(host, path, query)| format!("{host}{path}{query}"))
}

fn reference() -> impl Strategy<Value = String> {
    let relative = "(\\.\\.?/)?([a-z]{1,4}/){0,2}(\\.\\./)?[a-z]{1,4}-[0-9]\\.[0-9](\\+b|-rc\\.1|~x|@y|=z|:v)?\\.tgz";
    let query = "(\\?[a-z]=[a-z0-9%+]{0,3})?(#[a-z]{0,2})?";
    let rare = select(vec![
        "",
        "/",
        ".",
        "..",
        "../..",
        "../../../../x.tgz",
        "/abs/x.tgz",
        "//other.example.com/x.tgz",
        "//example.com/x.tgz",
        "///x.tgz",
        "http:x.tgz",
        "http:/x.tgz",
        "mailto:x",
        ":x",
        "a:b:c",
        "1a:b/c",
        "a b.tgz",
        " x.tgz",
        "x.tgz ",
        "a\\b.tgz",
        "\\\\h\\x.tgz",
        "http:\\\\h\\x",
        "http://h\\x/y",
        "%2e.tgz",
        "a%2Fb.tgz",
        "%zz.tgz",
        "%",
        "\u{e4}.tgz",
        "a\nb",
        "\ta",
        "a|b^c.tgz",
        "?x=1",
        "#f",
        "oci://h/x:1",
        "file:///etc/passwd",
        "http://",
        "https:///x",
        "http://h:port/x",
        "http://h h/x",
        "HTTP://H/X.tgz",
        "http://u:p@h/x.tgz",
        "http://h",
        "http://h?x",
        "a'b(c).tgz",
    ])
    .prop_map(str::to_owned);
    prop_oneof![
        4 => (relative, query).prop_map(|(path, query)| format!("{path}{query}")),
        1 => (relative, query).prop_map(|(path, query)| format!("/{path}{query}")),
        2 => (select(vec!["http://example.com", "https://other.example.com/charts", "https://h:1"]), relative, query)
            .prop_map(|(host, path, query)| format!("{host}/{path}{query}")),
        2 => rare,
    ]
}
