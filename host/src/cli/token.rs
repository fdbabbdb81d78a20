//! Making tokens of an edge, and hashing those that are there already.

use std::io::{self, BufRead, Write};

use anyhow::{Context, bail, ensure};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use crate::access::{TokenHash, new_token};
use crate::config::{TokenConfig, unusable_name};

/// Fewer characters than this hold fewer than 128 bits, whatever they are made of, and could be guessed from their hash.
const MIN_LENGTH: usize = 22;

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Make a token: print it once, and what to add to the configuration
    New(NewArgs),
    /// Print the hash of a token read from standard input
    Hash,
}

#[derive(Args, Debug)]
#[command(after_help = "\
The token is printed here and nowhere else: the edge keeps its hash only. Callers send it as Authorization: Bearer te_….")]
pub(super) struct NewArgs {
    /// Whose token it is: the name that grants and the audit log have
    #[arg(long, value_name = "NAME", default_value = "alice")]
    name: String,
    /// A group its bearer is in; may be repeated
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// When it is accepted no more, such as 2027-01-31T18:00:00Z [default: never]
    #[arg(long, value_name = "TIME")]
    expires: Option<Timestamp>,
}

impl TokenCommand {
    /// Does it on standard input and output.
    pub(super) fn run(self) -> anyhow::Result<()> {
        let mut out = io::stdout().lock();
        match self {
            Self::New(args) => args.run(&mut out),
            Self::Hash => hash(io::stdin().lock(), &mut out),
        }
    }
}

impl NewArgs {
    fn run(self, out: &mut impl Write) -> anyhow::Result<()> {
        for name in [&self.name].into_iter().chain(&self.groups) {
            if let Some(why) = unusable_name(name) {
                bail!("`{}`: {why}", name.escape_debug());
            }
        }
        let token = new_token()?;
        let lines = toml::to_string(&Lines {
            tokens: vec![TokenConfig {
                name: self.name.clone(),
                groups: self.groups,
                hash: Some(TokenHash::of(token.expose_secret())),
                hash_file: None,
                expires: self.expires,
            }],
            grants: vec![Grant {
                principals: vec![self.name],
                actions: vec!["read"],
            }],
        })
        .context("the lines cannot be written as TOML")?;
        write!(
            out,
            "{}\n\n# Nobody can print that again. Add to the configuration of the edge:\n{lines}",
            token.expose_secret()
        )
        .context("cannot write the token")
    }
}

/// What is added to a configuration.
#[derive(Serialize)]
struct Lines {
    #[serde(rename = "token")]
    tokens: Vec<TokenConfig>,
    #[serde(rename = "grant")]
    grants: Vec<Grant>,
}

#[derive(Serialize)]
struct Grant {
    principals: Vec<String>,
    actions: Vec<&'static str>,
}

fn hash(mut input: impl BufRead, out: &mut impl Write) -> anyhow::Result<()> {
    let mut line = String::new();
    input
        .read_line(&mut line)
        .context("cannot read the token")?;
    let token = SecretString::from(line);
    let token = token.expose_secret().trim();
    ensure!(
        token.len() >= MIN_LENGTH,
        "a token has at least {MIN_LENGTH} characters and nothing in it that could be guessed; `tiller-edge token new` makes \
         one"
    );
    ensure!(
        token.bytes().all(|byte| byte.is_ascii_graphic()),
        "a token has letters, digits and signs of ASCII only: it is sent in a header"
    );
    writeln!(out, "{}", TokenHash::of(token)).context("cannot write the hash")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    fn new(name: &str) -> anyhow::Result<String> {
        let args = NewArgs {
            name: name.to_owned(),
            groups: vec!["ci \"team\"".to_owned()],
            expires: Some("2027-01-31T18:00:00Z".parse().expect("a time")),
        };
        let mut out = Vec::new();
        args.run(&mut out)?;
        Ok(String::from_utf8(out).expect("UTF-8"))
    }

    #[test]
    fn what_is_printed_can_be_added_to_the_configuration_as_it_is() {
        let printed = new("ci").expect("made");
        let (token, lines) = printed.split_once('\n').expect("two parts");
        let config = Config::parse(lines, Path::new("edge.toml")).expect("valid");
        let made = &config.tokens[0];
        assert_eq!(made.hash, Some(TokenHash::of(token)));
        assert_eq!(made.name, "ci");
        assert_eq!(made.groups, ["ci \"team\""]);
        assert_eq!(config.grants[0].principals, ["ci"]);
        assert!(!lines.contains(token));
    }

    #[test]
    fn every_token_is_another_of_256_bits() {
        let token = |printed: String| printed.lines().next().unwrap_or_default().to_owned();
        let (one, two) = (new("ci").expect("made"), new("ci").expect("made"));
        let (one, two) = (token(one), token(two));
        assert_ne!(one, two);
        for token in [one, two] {
            let random = token.strip_prefix("te_").expect("its prefix");
            assert_eq!(random.len(), 43);
            let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            assert!(random.chars().all(allowed), "{token}");
        }
    }

    #[test]
    fn a_name_that_the_configuration_would_refuse_is_refused() {
        for name in ["", "system:masters", "a\nb"] {
            new(name).expect_err(name);
        }
    }

    #[test]
    fn a_token_that_is_there_already_is_hashed() {
        let mut out = Vec::new();
        hash(&b"abcdefghijklmnopqrstuvwxyz\n"[..], &mut out).expect("hashed");
        // printf abcdefghijklmnopqrstuvwxyz | sha256sum
        assert_eq!(
            out,
            b"sha256:71c480df93d6ae2f1efad1447c66c9525e316218cf51fc8d9ed832f2daf18b73\n"
        );
        for weak in ["", "hunter2\n", "two words that are long enough\n"] {
            let error = hash(weak.as_bytes(), &mut Vec::new()).expect_err(weak);
            assert!(!error.to_string().contains("hunter2"));
        }
    }
}
