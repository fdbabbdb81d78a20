//! What may be wrong with a token.

/// Why a token stands for nobody. Its texts follow "it" and may be told to whoever sent the token: of the token they
/// quote nothing, of the configuration the names of claims.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum TokenError {
    /// Its signature is of a kind that the configuration leaves out, or of none.
    #[error("is not signed with an algorithm that is accepted here")]
    Algorithm,
    /// It is for others.
    #[error("is for another audience")]
    Audience,
    /// A claim is missing or is not what it has to be.
    #[error("has no usable claim `{0}`")]
    Claim(String),
    /// A claim that must have a certain value does not.
    #[error("does not have the claim `{0}` that is required here")]
    ClaimRequired(String),
    /// Its header asks for the understanding of extensions (RFC 7515 §4.1.11). None is.
    #[error("depends on extensions that are not known here")]
    Critical,
    /// `email` is the name, and the provider has not made sure that it is the user's.
    #[error("does not say that the address in `email` is verified")]
    EmailUnverified,
    /// It was good once.
    #[error("has expired")]
    Expired {
        /// When, in seconds since 1970.
        at: i64,
    },
    /// `iss` is another provider's.
    #[error("is of another issuer")]
    Issuer,
    /// Several keys could have made the signature, and it does not say which one did.
    #[error("does not say which of the provider's keys signed it")]
    KeyAmbiguous,
    /// The provider has no such key.
    #[error("is signed with a key that the provider does not have")]
    KeyUnknown,
    /// It is not three parts of base64url, the first two JSON objects.
    #[error("is not a signed JWT")]
    Malformed,
    /// `nbf` or `iat` is in the future.
    #[error("is not good yet")]
    NotYet,
    /// It is a JWT for another purpose, such as the logout of a session.
    #[error("is not for authentication")]
    Purpose,
    /// A name occurs twice in one of its objects.
    #[error("has a name in it twice")]
    Repeats,
    /// The name is one of Kubernetes' own or of this edge's hooks.
    #[error("names somebody whose name begins with `system:` or `hook:`")]
    Reserved,
    /// The key did not make the signature.
    #[error("has a signature that is not the provider's")]
    Signature,
    /// It is longer than any that is read.
    #[error("is longer than {limit} bytes")]
    TooLarge {
        /// What may be.
        limit: usize,
    },
    /// Nobody is in so many groups.
    #[error("has more than {limit} groups")]
    TooManyGroups {
        /// How many may be.
        limit: usize,
    },
}
