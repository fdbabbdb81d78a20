//! Who signed a chart, and whether this is the chart they signed.
//!
//! Beside `web-1.2.3.tgz` lies `web-1.2.3.tgz.prov`: the chart's metadata and the digest of its archive in a clear-signed
//! message of OpenPGP. Helm looks for a key of the keyring that may sign, checks the signature, and compares the digest;
//! it minds revoked keys and key usage, but neither the time nor the digest's algorithm. Here it must all be right:
//! expired keys and signatures, signatures from the future and broken hash algorithms are refused, and a file that holds
//! more than one signed message is not searched for one that fits.
//!
//! What is compared is what was signed: text before and after the signed message counts for nothing. Words are Helm's
//! where Helm has some.

mod block;
mod certificate;
mod ring;
mod statement;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use charts::yaml::YamlError;
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType, SignatureVersion};
use rest::repositories::Provenance;

use self::block::Block;
use self::certificate::Certificate;

/// The largest provenance file, in bytes: a chart's metadata, and a signature.
pub(crate) const PROVENANCE: usize = 1 << 20;

/// The largest keyring, in bytes.
const KEYRING: u64 = 10 << 20;

/// The public keys that charts of a repository may be signed with.
#[derive(Debug)]
pub(crate) struct Keyring {
    certificates: Vec<Certificate>,
}

impl Keyring {
    /// Reads a file of public keys, as GnuPG exports them, armored or not. Keys that nothing here understands are left
    /// out. It reads a file, so it blocks.
    pub(crate) fn load(path: &Path) -> Result<Self, KeyringError> {
        let read = || -> io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            File::open(path)?
                .take(KEYRING + 1)
                .read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = read().map_err(|source| KeyringError::Read {
            path: path.to_owned(),
            source,
        })?;
        let refused = |reason| KeyringError::Keyring {
            path: path.to_owned(),
            reason,
        };
        if bytes.len() as u64 > KEYRING {
            return Err(refused("it is larger than 10 MiB"));
        }
        Self::parse(&bytes).map_err(refused)
    }

    fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        let certificates = ring::read(bytes)?;
        if certificates.is_empty() {
            return Err("there is no public key in it that can be used");
        }
        Ok(Self { certificates })
    }

    /// Who signed `archive` under the name `basename`, according to the provenance file `prov`. It takes milliseconds
    /// of work, and more for a large archive.
    ///
    /// # Errors
    ///
    /// [`ProvenanceError`], if anything about it is not right at the time `now`.
    pub(crate) fn verify(
        &self,
        prov: &[u8],
        basename: &str,
        archive: &[u8],
        now: SystemTime,
    ) -> Result<Provenance, ProvenanceError> {
        let block = Block::parse(prov)?;
        let signer = self.signer(&block, seconds(now))?;
        statement::check(&block.text(), basename, archive)?;
        Ok(signer)
    }

    /// The owner of the key that `block` is signed with. Signatures by keys that are not in the ring are passed over, as
    /// in Helm; the first one by a key that may sign decides.
    fn signer(&self, block: &Block, now: u64) -> Result<Provenance, ProvenanceError> {
        let mut failure = ProvenanceError::UnknownSigner;
        for signature in &block.signatures {
            let candidates = self
                .certificates
                .iter()
                .flat_map(|certificate| certificate.candidates(signature));
            let mut bad = false;
            for candidate in candidates {
                match candidate.holder(now) {
                    Ok(holder) if candidate.verifies(signature, block.signed.as_bytes()) => {
                        acceptable(signature, candidate.created(), now)?;
                        return Ok(holder);
                    }
                    Ok(_) => bad = true,
                    Err(error) => failure = error,
                }
            }
            if bad {
                return Err(ProvenanceError::BadSignature);
            }
        }
        Err(failure)
    }
}

/// Whether a signature that is authentic may be relied on.
fn acceptable(signature: &Signature, key_created: u64, now: u64) -> Result<(), ProvenanceError> {
    if signature.version() != SignatureVersion::V4 {
        return Err(ProvenanceError::Unsupported("it is not of version 4"));
    }
    if !matches!(
        signature.typ(),
        Some(SignatureType::Binary | SignatureType::Text)
    ) {
        return Err(ProvenanceError::Unsupported("it does not sign a text"));
    }
    if !signature.hash_alg().is_some_and(is_strong) {
        return Err(ProvenanceError::WeakHash);
    }
    let Some(created) = signature.created() else {
        return Err(ProvenanceError::Unsupported(
            "it does not say when it was made",
        ));
    };
    let created = u64::from(created.as_secs());
    if created > now {
        return Err(ProvenanceError::FromTheFuture);
    }
    if created < key_created {
        return Err(ProvenanceError::BeforeItsKey);
    }
    if certificate::is_over(created, signature.signature_expiration_time(), now) {
        return Err(ProvenanceError::SignatureExpired);
    }
    Ok(())
}

/// Hash algorithms for which nobody can find two texts of one hash.
const fn is_strong(algorithm: HashAlgorithm) -> bool {
    matches!(
        algorithm,
        HashAlgorithm::Sha224
            | HashAlgorithm::Sha256
            | HashAlgorithm::Sha384
            | HashAlgorithm::Sha512
            | HashAlgorithm::Sha3_256
            | HashAlgorithm::Sha3_512
    )
}

/// OpenPGP's time: seconds since 1970.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// It is not a keyring, or too large for one.
    #[error("{path} is not a keyring: {reason}", path = path.display())]
    Keyring {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// It cannot be read.
    #[error("cannot read {path}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Why a chart does not count as signed.
///
/// What OpenPGP's reader says is left out: it quotes what it has read, which comes from the repository.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum ProvenanceError {
    /// The signature does not fit the text: one of the two was changed.
    #[error("openpgp: invalid signature")]
    BadSignature,
    /// The signature says that it is older than the key.
    #[error("openpgp: signature made before its key")]
    BeforeItsKey,
    /// The signature says that it is yet to be made.
    #[error("openpgp: signature made in the future")]
    FromTheFuture,
    /// The key's time is over.
    #[error("openpgp: signature made by expired key")]
    KeyExpired,
    /// It looks like a signed message, and is not well-formed.
    #[error("failed to decode signature: {0}")]
    Malformed(&'static str),
    /// The archive is not the one that was signed.
    #[error("sha256 sum does not match for {name}: {signed:?} != {actual:?}")]
    Mismatch {
        /// The archive's name.
        name: String,
        /// The sum that was signed.
        signed: String,
        /// The archive's own.
        actual: String,
    },
    /// The file holds no signed message.
    #[error("failed to decode signature: signature block not found")]
    NoBlock,
    /// The signed text is about other archives.
    #[error("provenance does not contain a SHA for a file named {0:?}")]
    NotListed(String),
    /// The key is not for signatures.
    #[error("openpgp: signature made by a key that is not for signing")]
    NotForSigning,
    /// The signed text has no list of files.
    #[error("message block must have at least two parts")]
    OnePart,
    /// The key was revoked.
    #[error("openpgp: signature made by revoked key")]
    Revoked,
    /// The file holds several signed messages.
    #[error("failed to decode signature: there is more than one signed message")]
    SeveralBlocks,
    /// The signature's time is over.
    #[error("openpgp: signature expired")]
    SignatureExpired,
    /// The list of files is not one.
    #[error("the signed text has no list of files and their sums")]
    Statement,
    /// It is larger than a provenance file may be.
    #[error("the provenance file is larger than {PROVENANCE} bytes")]
    TooLarge,
    /// The key does not belong to anyone: its owner never certified it, or revoked that.
    #[error("openpgp: signature made by a key without a valid owner")]
    Unbound,
    /// No key in the keyring has made it.
    #[error("openpgp: signature made by unknown entity")]
    UnknownSigner,
    /// A form of signature that is not taken.
    #[error("openpgp: unsupported signature: {0}")]
    Unsupported(&'static str),
    /// Its hash algorithm is broken.
    #[error("openpgp: signature made with a hash algorithm that is broken")]
    WeakHash,
    /// The signed text is not YAML.
    #[error("the signed text is not YAML")]
    Yaml(#[source] YamlError),
}
