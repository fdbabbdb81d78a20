use super::*;
use crate::access::TokenHash;
use crate::grants::{Action, Window};

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("/etc/edge/edge.toml"))
}

fn complaint(text: &str) -> String {
    parse(text).expect_err("refused").to_string()
}

#[test]
fn an_empty_file_means_the_defaults() {
    let config = parse("").expect("valid");
    assert_eq!(
        config,
        Config {
            manifest: "/etc/edge/spin.toml".into(),
            ..Config::default()
        }
    );
}

#[test]
fn a_full_file_is_understood() {
    let config = parse(
        r#"
        listen = "[::1]:9000"
        region = "eu"
        kubeconfig = "kube/config"
        [log]
        format = "json"
        level = "info,tiller_edge=debug"
        [limits]
        memory = "64MiB"
        deadline = "10m"
        [[cluster]]
        name = "arn:aws:eks:eu-west-1:1:cluster/prod"
        labels = { tier = "gold" }
        credentials = "caller"
        [[cluster.tiller]]
        [[cluster.tiller]]
        name = "team"
        namespace = "team-a"
        transport = "grpc"
        "#,
    )
    .expect("valid");
    assert_eq!(config.kubeconfig, Some("/etc/edge/kube/config".into()));
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(config.limits.memory, Size::MIB * 64);
    assert_eq!(config.limits.deadline, Duration::from_secs(600));
    let cluster = &config.clusters[0];
    assert_eq!(cluster.credentials, CredentialSource::Caller);
    assert_eq!(cluster.tillers[0], TillerConfig::default());
    assert_eq!(
        (cluster.tillers[0].service(), cluster.tillers[0].port()),
        ("tiller-bridge", "grpc-web")
    );
    assert_eq!(
        (cluster.tillers[1].service(), cluster.tillers[1].port()),
        ("tiller-deploy", "tiller")
    );
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_known_ones() {
    let complaint = complaint("listen = \"127.0.0.1:1\"\n\n[limits]\nmemroy = \"1MiB\"\n");
    assert!(
        complaint.starts_with("/etc/edge/edge.toml:4: limits.memroy: unknown field `memroy`"),
        "{complaint}"
    );
    assert!(complaint.contains("`memory`"), "{complaint}");
}

#[test]
fn a_value_of_the_wrong_kind_is_named_with_what_to_write() {
    for (text, expected) in [
        (
            "listen = \"localhost:8080\"",
            "/etc/edge/edge.toml:1: listen: invalid value: string \"localhost:8080\", expected an IP address and a \
             port, such as \"127.0.0.1:8080\" or \"[::1]:8080\"",
        ),
        (
            "[limits]\ncpu = \"10\"",
            "/etc/edge/edge.toml:2: limits.cpu: invalid value: string \"10\", expected a duration such as \"300ms\", \
             \"30s\", \"5m\" or \"1h30m\"",
        ),
        (
            "[limits]\nbody = \"10MB\"",
            "/etc/edge/edge.toml:2: limits.body: invalid value: string \"10MB\", expected a size such as \"512KiB\", \
             \"32MiB\" or \"1GiB\", or a number of bytes",
        ),
        (
            "[[cluster]]\nname = \"a\"\n[[cluster]]\nname = \"b\"\ncredentials = \"mine\"",
            "/etc/edge/edge.toml:5: cluster[1].credentials: unknown variant `mine`, expected one of `caller`, \
             `impersonate`, `kubeconfig`",
        ),
        (
            "[[cluster]]\ncontext = \"a\"",
            "/etc/edge/edge.toml:1: cluster[0]: missing field `name`",
        ),
    ] {
        assert_eq!(complaint(text), expected);
    }
}

#[test]
fn a_repository_that_makes_no_sense_is_refused_with_the_reason() {
    for (text, key, why) in [
        ("name = \"a/b\"", "name", "no `/`"),
        ("name = \"\"", "name", "1 to 256 bytes"),
        (
            "url = \"charts.example.com\"",
            "url",
            "is not a URL such as",
        ),
        (
            "url = \"ftp://charts.example.com\"",
            "url",
            "is not a URL such as",
        ),
        (
            "url = \"https://edge:s3cret@example.com\"",
            "url",
            "set `username` and `password_file`",
        ),
        ("url = \"oci://example.com/?a=b\"", "url", "has no query"),
        ("url = \"https://example.com/#a\"", "url", "holds a `#`"),
        (
            "clusters = [\"prod\", \"nowhere\"]",
            "clusters[1]",
            "no cluster `nowhere`",
        ),
        (
            "charts = [\"web-?\"]",
            "charts[0]",
            "`*` may stand for any text",
        ),
        ("username = \"edge\"", "username", "needs a password"),
        ("password_file = \"p\"", "password_file", "needs `username`"),
        ("password_env = \"P\"", "password_env", "needs `username`"),
        (
            "username = \"edge\"\npassword_file = \"p\"\npassword_env = \"P\"",
            "password_file",
            "and so is password_env",
        ),
        (
            "token_file = \"t\"\ntoken_env = \"T\"",
            "token_file",
            "and so is token_env",
        ),
        (
            "username = \"edge\"\npassword_file = \"p\"\ntoken_env = \"T\"",
            "username",
            "and so is a token",
        ),
        (
            "username = \"a:b\"\npassword_file = \"p\"",
            "username",
            "no `:`",
        ),
        ("cert_file = \"c\"", "cert_file", "needs `key_file`"),
        ("key_file = \"k\"", "key_file", "needs `cert_file`"),
        (
            "url = \"http://example.com\"\ncert_file = \"c\"\nkey_file = \"k\"",
            "cert_file",
            "in TLS only",
        ),
        ("plain_http = true", "plain_http", "`oci://` only"),
        ("verify = true", "verify", "needs `keyring`"),
        ("keyring = \"k\"", "keyring", "`verify = true`"),
    ] {
        let mut lines = vec!["[[cluster]]", "name = \"prod\"", "[[repository]]"];
        lines.extend(text.lines());
        for default in ["name = \"stable\"", "url = \"https://charts.example.com\""] {
            let name = default.split(' ').next().unwrap_or_default();
            if !text.lines().any(|line| line.starts_with(name)) {
                lines.push(default);
            }
        }
        let complaint = complaint(&lines.join("\n"));
        assert!(
            complaint.contains(&format!(": repository[0].{key}: ")),
            "{complaint}"
        );
        assert!(complaint.contains(why), "{complaint}");
        assert!(
            !complaint.contains("s3cret") && !complaint.contains('\n'),
            "{complaint}"
        );
    }
}

#[test]
fn repositories_have_names_of_their_own_and_known_keys() {
    let two = "[[repository]]\nname = \"a\"\nurl = \"https://a\"\n".repeat(2);
    assert!(complaint(&two).starts_with("/etc/edge/edge.toml:5: repository[1].name: another"));
    for (text, expected) in [
        (
            "[[repository]]\nname = \"a\"\nurl = \"https://a\"\npassword = \"s3cret\"",
            "/etc/edge/edge.toml:4: repository[0].password: unknown field `password`",
        ),
        (
            "[[repository]]\nname = \"a\"",
            "/etc/edge/edge.toml:1: repository[0]: missing field `url`",
        ),
        (
            "[[repository]]\nname = \"a\"\nurl = \"https://a\"\naddresses = [\"10.0.0.0/33\"]",
            "/etc/edge/edge.toml:4: repository[0].addresses: invalid value: string \"10.0.0.0/33\", expected a network",
        ),
        (
            "[charts]\nurls = [\"https://a/\", \"https://u:s3cret@a/\"]",
            "/etc/edge/edge.toml:2: charts.urls[1]: holds a user or password",
        ),
        (
            "[charts]\ntimeout = \"0s\"",
            "/etc/edge/edge.toml:2: charts.timeout: must be longer than zero",
        ),
    ] {
        let complaint = complaint(text);
        assert!(complaint.starts_with(expected), "{complaint}");
        assert!(!complaint.contains("s3cret"), "{complaint}");
    }
}

#[test]
fn the_files_of_a_repository_are_beside_the_configuration() {
    let config = parse(
        "[[repository]]\nname = \"a\"\nurl = \"https://a\"\nusername = \"u\"\npassword_file = \"p\"\n\
         ca_file = \"/ca\"\naddresses = [\"10.0.0.1\", \"fd00::/8\"]",
    )
    .expect("valid");
    let repository = &config.repositories[0];
    assert_eq!(repository.password_file, Some("/etc/edge/p".into()));
    assert_eq!(repository.ca_file, Some("/ca".into()));
    assert_eq!(repository.addresses.len(), 2);
}

#[test]
fn text_that_is_no_toml_is_named_with_its_line() {
    let complaint = complaint("listen = \"127.0.0.1:1\"\nregion = = \"eu\"\n");
    assert!(
        complaint.starts_with("/etc/edge/edge.toml:2: "),
        "{complaint}"
    );
}

#[test]
fn an_address_others_can_reach_is_refused_with_the_reason() {
    for (text, key) in [
        ("listen = \"0.0.0.0:8080\"", "listen"),
        ("listen = \"[::]:8080\"", "listen"),
        ("listen = \"10.0.0.7:8080\"", "listen"),
        ("[relay]\nlisten = \"0.0.0.0:4480\"", "relay.listen"),
    ] {
        let complaint = complaint(text);
        let line = text.lines().count();
        assert!(
            complaint.starts_with(&format!("/etc/edge/edge.toml:{line}: {key}: ")),
            "{complaint}"
        );
        assert!(
            complaint.contains("is not a loopback address"),
            "{complaint}"
        );
    }
    for listen in [
        "127.0.0.1:0",
        "127.8.8.8:80",
        "[::1]:80",
        "[::ffff:127.0.0.1]:80",
    ] {
        parse(&format!("listen = \"{listen}\"")).expect(listen);
    }
}

#[test]
fn every_complaint_is_reported_at_once() {
    let complaint = complaint(
        "listen = \"0.0.0.0:1\"\n\
         [limits]\n\
         sandboxes = 0\n\
         memory = \"4GiB\"\n\
         [[cluster]]\n\
         name = \"a\"\n\
         in_cluster = true\n\
         context = \"x\"\n\
         [[cluster]]\n\
         name = \"a\"\n\
         [[cluster.tiller]]\n\
         service = \"Not_A_Name\"\n",
    );
    let keys: Vec<_> = complaint
        .lines()
        .filter_map(|line| line.strip_prefix("/etc/edge/edge.toml:"))
        .filter_map(|line| Some(line.rsplit_once(": ")?.0))
        .map(|line| line.split(": ").take(2).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        keys,
        [
            "1 listen",
            "3 limits.sandboxes",
            "4 limits.memory",
            "8 cluster[0].context",
            "10 cluster[1].name",
            "12 cluster[1].tiller[0].service",
        ],
        "{complaint}"
    );
}

#[test]
fn a_default_that_clashes_is_reported_where_its_table_stands() {
    let complaint = complaint("[limits]\ndeadline = \"1m\"\n");
    assert!(
        complaint.starts_with("/etc/edge/edge.toml:1: limits.read_deadline: "),
        "{complaint}"
    );
}

#[test]
fn a_missing_file_is_named() {
    let error = Config::load(Some(Path::new("/nowhere/edge.toml"))).expect_err("missing");
    assert_eq!(
        error.to_string(),
        "cannot read the configuration /nowhere/edge.toml"
    );
}

#[test]
fn the_cache_goes_where_it_is_told() {
    let config = Config {
        cache_dir: Some("/var/cache/edge".into()),
        ..Config::default()
    };
    assert_eq!(config.cache_dir(), Path::new("/var/cache/edge"));
    assert!(Config::default().cache_dir().ends_with("tiller-edge"));
}

/// The block of docs/configuration.md, as it stands and with its examples put in.
fn documented() -> (String, String) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md");
    let text = fs::read_to_string(path).expect("docs/configuration.md is there");
    let block = text
        .split_once("```toml\n")
        .and_then(|(_, rest)| rest.split_once("```"))
        .map(|(block, _)| block.to_owned())
        .expect("it has a TOML block");
    let examples = block.replace("\n#", "\n");
    (block, examples)
}

#[test]
fn the_documentation_shows_every_default() {
    let (block, _) = documented();
    assert_eq!(parse(&block).expect("valid"), parse("").expect("valid"));
    let shown: toml::Table = block.parse().expect("a table");
    let defaults = toml::Table::try_from(Config::default()).expect("serialises");
    assert_eq!(shown, defaults);
}

#[test]
fn the_documentation_shows_every_key() {
    let (_, examples) = documented();
    let config = parse(&examples).expect("valid");
    let shown: toml::Table = examples.parse().expect("a table");
    let full = Config {
        region: Some(String::new()),
        cache_dir: Some(PathBuf::new()),
        kubeconfig: Some(PathBuf::new()),
        clusters: vec![ClusterConfig {
            kubeconfig: Some(PathBuf::new()),
            context: Some(String::new()),
            region: Some(String::new()),
            labels: [(String::from("tier"), String::new())].into(),
            namespace: Some(String::new()),
            tillers: vec![TillerConfig {
                service: Some(String::new()),
                port: Some(String::new()),
                ..TillerConfig::default()
            }],
            ..ClusterConfig::default()
        }],
        repositories: vec![RepositoryConfig {
            region: Some(String::new()),
            username: Some(String::new()),
            password_file: Some(PathBuf::new()),
            password_env: Some(String::new()),
            token_file: Some(PathBuf::new()),
            token_env: Some(String::new()),
            ca_file: Some(PathBuf::new()),
            cert_file: Some(PathBuf::new()),
            key_file: Some(PathBuf::new()),
            keyring: Some(PathBuf::new()),
            ..RepositoryConfig::default()
        }],
        limits: Limits {
            connections_per_address: Some(1),
            ..Limits::default()
        },
        tls: TlsConfig {
            certificate_file: Some(PathBuf::new()),
            key_file: Some(PathBuf::new()),
            hsts: Some(Duration::ZERO),
            terminated: false,
        },
        certificates: Some(CertificatesConfig {
            ca_file: PathBuf::new(),
            crl_file: Some(PathBuf::new()),
            required: false,
            name: CertificateName::Cn,
            prefix: String::new(),
        }),
        kubernetes: Some(KubernetesConfig::default()),
        anonymous: Some(AnonymousConfig {
            actions: vec![Action::Read],
            clusters: vec![String::new()],
        }),
        rate: RateConfig {
            principal: Some("50/s".parse().expect("a pace")),
            cluster: Some("50/s".parse().expect("a pace")),
        },
        audit: AuditConfig {
            file: Some(PathBuf::new()),
            ..AuditConfig::default()
        },
        operations: OperationsConfig {
            file: Some(PathBuf::new()),
            ..OperationsConfig::default()
        },
        tokens: vec![TokenConfig {
            groups: vec![String::new()],
            hash: Some(TokenHash::of("")),
            hash_file: Some(PathBuf::new()),
            expires: Some(jiff::Timestamp::UNIX_EPOCH),
            ..TokenConfig::default()
        }],
        oidc: vec![OidcConfig {
            issuer: String::new(),
            audiences: Vec::new(),
            algorithms: Vec::new(),
            name_claim: String::new(),
            groups_claim: String::new(),
            prefix: String::new(),
            required_claims: [(String::from("hd"), ClaimValue::Bool(true))].into(),
            skew: Duration::ZERO,
            ca_file: Some(PathBuf::new()),
            addresses: Vec::new(),
        }],
        grants: vec![GrantConfig {
            name: Some(String::new()),
            labels: [(String::from("tier"), String::new())].into(),
            ..GrantConfig::default()
        }],
        refusals: vec![RefusalConfig {
            name: Some(String::new()),
            windows: vec![Window::Weekly {
                days: Vec::new(),
                hours: Some((jiff::civil::Time::midnight(), jiff::civil::Time::MAX)),
                zone: jiff::tz::TimeZone::UTC,
            }],
            ..RefusalConfig::default()
        }],
        ..Config::default()
    };
    let full = toml::Table::try_from(full).expect("serialises");
    assert_eq!(keys("", &shown), keys("", &full));
    assert_eq!(
        config.clusters[0].tillers[0],
        TillerConfig {
            service: Some("tiller-bridge".into()),
            port: Some("grpc-web".into()),
            ..TillerConfig::default()
        }
    );
}

#[test]
fn the_documentation_explains_every_key() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md");
    let text = fs::read_to_string(path).expect("docs/configuration.md is there");
    let (_, examples) = documented();
    let shown: toml::Table = examples.parse().expect("a table");
    for key in keys("", &shown) {
        let name = key.rsplit('.').next().unwrap_or(&key);
        assert!(text.contains(&format!("\n| `{name}` | ")), "{key}");
    }
}

fn keys(prefix: &str, table: &toml::Table) -> Vec<String> {
    let mut found = Vec::new();
    for (name, value) in table {
        let key = format!("{prefix}{name}");
        match value {
            toml::Value::Table(inner) if !["labels", "required_claims"].contains(&&**name) => {
                found.extend(keys(&format!("{key}."), inner));
            }
            toml::Value::Array(items) => {
                for item in items.iter().filter_map(toml::Value::as_table) {
                    found.extend(keys(&format!("{key}."), item));
                }
            }
            _ => found.push(key),
        }
    }
    found.sort();
    found.dedup();
    found
}
