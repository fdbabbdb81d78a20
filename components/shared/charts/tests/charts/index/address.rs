//! Where references lead.

use charts::index::{ResolveError, index_url, resolve};
use url::Url;

fn url(text: &str) -> Url {
    Url::parse(text).expect(text)
}

#[test]
fn references_are_relative_to_the_directory_of_the_repository() {
    for (base, reference, expected) in [
        (
            "http://localhost:8123/charts/",
            "nginx-0.2.0.tgz",
            "http://localhost:8123/charts/nginx-0.2.0.tgz",
        ),
        (
            "http://localhost:8123/charts",
            "nginx-0.2.0.tgz",
            "http://localhost:8123/charts/nginx-0.2.0.tgz",
        ),
        (
            "http://example.com/helm",
            "charts/foo-1.2.3.tgz",
            "http://example.com/helm/charts/foo-1.2.3.tgz",
        ),
        (
            "http://example.com/helm/",
            "charts/foo-1.2.3.tgz",
            "http://example.com/helm/charts/foo-1.2.3.tgz",
        ),
        ("http://h/charts", "/abs/x.tgz", "http://h/abs/x.tgz"),
        ("http://h/a/b", "../x.tgz", "http://h/a/x.tgz"),
        ("http://h/a", "../../../x.tgz", "http://h/x.tgz"),
        ("http://h/a%2Fb", "x.tgz", "http://h/a%2Fb/x.tgz"),
        ("http://h/a", "b%2Fc+1 d.tgz", "http://h/a/b%2Fc+1%20d.tgz"),
        ("http://h/a#f", "x.tgz#g", "http://h/a/x.tgz"),
        ("https://u:p@h/a", "x.tgz", "https://u:p@h/a/x.tgz"),
    ] {
        assert_eq!(
            resolve(&url(base), reference),
            Ok(url(expected)),
            "{base} {reference}"
        );
    }
}

#[test]
fn the_query_of_the_repository_is_that_of_its_charts() {
    for (base, reference, expected) in [
        (
            "http://localhost:8123/charts/?st=a%3Ab&sig=x%3D",
            "nginx-0.2.0.tgz",
            "http://localhost:8123/charts/nginx-0.2.0.tgz?sig=x%3D&st=a%3Ab",
        ),
        (
            "http://example.com?key=value",
            "alpine-1.2.3.tgz",
            "http://example.com/alpine-1.2.3.tgz?key=value",
        ),
        (
            "http://h/?querystring",
            "x.tgz?own=1",
            "http://h/x.tgz?querystring=",
        ),
        ("http://h/", "x.tgz?own=1", "http://h/x.tgz"),
        (
            "http://h/?b=1&a=2&b=0&a=+%20~*",
            "x.tgz",
            "http://h/x.tgz?a=2&a=++~%2A&b=1&b=0",
        ),
        ("http://h/?a=%zz&b", "x.tgz", "http://h/x.tgz?b="),
        ("http://h/?a=1", "//h/x.tgz?b=2", "http://h/x.tgz?a=1"),
    ] {
        let resolved = resolve(&url(base), reference).expect("it leads somewhere");
        assert_eq!(resolved.as_str(), expected, "{base} {reference}");
    }
}

#[test]
fn another_host_does_not_learn_the_query_of_the_repository() {
    for (base, reference, expected) in [
        (
            "http://localhost:8123/?querystring",
            "https://charts.helm.sh/stable/n.tgz",
            "https://charts.helm.sh/stable/n.tgz",
        ),
        (
            "http://h/?sig=s",
            "http://h/x.tgz?own=1",
            "http://h/x.tgz?own=1",
        ),
        (
            "http://h/?sig=s",
            "//other/x.tgz?own=1",
            "http://other/x.tgz?own=1",
        ),
        ("http://h/?sig=s", "//h:81/x.tgz", "http://h:81/x.tgz"),
        ("http://h/?sig=s", "oci://h/x:1.0.0", "oci://h/x:1.0.0"),
        ("http://h/?sig=s", "HTTPS://H/x.tgz#f", "https://h/x.tgz"),
    ] {
        let resolved = resolve(&url(base), reference).expect("it leads somewhere");
        assert_eq!(resolved.as_str(), expected, "{base} {reference}");
    }
}

#[test]
fn a_host_is_only_where_helm_sees_one() {
    let base = url("http://h/a");
    for (reference, expected) in [
        ("\\\\evil\\x.tgz", "http://h/a/%5C%5Cevil%5Cx.tgz"),
        ("/\\evil/x.tgz", "http://h/%5Cevil/x.tgz"),
        ("///evil/x.tgz", "http://h///evil/x.tgz"),
    ] {
        let resolved = resolve(&base, reference).expect("it leads somewhere");
        assert_eq!(resolved.as_str(), expected);
    }
    for (reference, error) in [
        ("http:evil/x.tgz", ResolveError::NoHost),
        ("http:/evil/x.tgz", ResolveError::NoHost),
        ("http:\\\\evil\\x.tgz", ResolveError::NoHost),
        ("mailto:x", ResolveError::NoHost),
        ("http:///evil", ResolveError::Malformed),
        ("http://h\\@evil/x", ResolveError::Malformed),
        ("http://", ResolveError::Malformed),
        (":x", ResolveError::Malformed),
        ("1:x", ResolveError::Malformed),
        (" http://evil", ResolveError::Malformed),
        ("%zz", ResolveError::Malformed),
        ("a%2", ResolveError::Malformed),
        ("ht\ntp://evil", ResolveError::Malformed),
        ("x\0", ResolveError::Malformed),
        ("http://h:port/", ResolveError::Malformed),
    ] {
        assert_eq!(resolve(&base, reference), Err(error), "{reference:?}");
    }
}

#[test]
fn the_index_is_below_the_repository() {
    for (repository, expected) in [
        ("http://h", "http://h/index.yaml"),
        ("http://h/charts", "http://h/charts/index.yaml"),
        ("http://h/charts/", "http://h/charts/index.yaml"),
        ("http://h//charts//", "http://h/charts/index.yaml"),
        ("http://h/a%2Fb%20c", "http://h/a%2Fb%20c/index.yaml"),
        ("http://h/c?b=%2F&a=1#f", "http://h/c/index.yaml?b=%2F&a=1"),
    ] {
        assert_eq!(index_url(&url(repository)).as_str(), expected);
    }
}
