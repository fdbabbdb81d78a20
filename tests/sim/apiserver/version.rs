//! What differs between versions of Kubernetes.

use std::fmt;
use std::str::FromStr;

/// A minor version whose behaviour differs from the one before it.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum Kubernetes {
    /// 1.15 and before: failures of backends as text without a type.
    V1_15,
    /// 1.16 to 1.18: as plain text of another form.
    V1_16,
    /// 1.19 and 1.20: as a `Status` with code 500.
    V1_19,
    /// 1.21 and later: as a `Status` with code 503. Every answer has an `Audit-Id`.
    V1_21,
    /// 1.35: also strips `X-Remote-*`.
    #[default]
    V1_35,
}

impl Kubernetes {
    /// All of them, oldest first.
    pub const ALL: [Self; 5] = [
        Self::V1_15,
        Self::V1_16,
        Self::V1_19,
        Self::V1_21,
        Self::V1_35,
    ];

    /// The version as `/version` has it.
    pub const fn git_version(self) -> &'static str {
        match self {
            Self::V1_15 => "v1.15.12",
            Self::V1_16 => "v1.16.15",
            Self::V1_19 => "v1.19.16",
            Self::V1_21 => "v1.21.14",
            Self::V1_35 => "v1.35.4",
        }
    }

    /// The second number, as `/version` has it.
    pub(super) const fn minor(self) -> &'static str {
        match self {
            Self::V1_15 => "15",
            Self::V1_16 => "16",
            Self::V1_19 => "19",
            Self::V1_21 => "21",
            Self::V1_35 => "35",
        }
    }
}

impl fmt::Display for Kubernetes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.{}", self.minor())
    }
}

impl FromStr for Kubernetes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|version| version.to_string() == text)
            .ok_or_else(|| {
                let known = Self::ALL.map(|version| version.to_string());
                format!("one of {}", known.join(", "))
            })
    }
}
