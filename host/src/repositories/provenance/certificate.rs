//! The keys of a keyring, and which of them may sign when.
//!
//! A public key says nothing by itself: its owner's name, its time and what it is for are in signatures that the key has
//! made over itself. Those are verified each time, since which of them counts is a question of time: the newest one
//! that is not from the future. Revocations are for ever, as Go has it.

use pgp::composed::{Deserializable as _, SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::crypto::public_key::PublicKeyAlgorithm;
use pgp::packet::{Packet, Signature, SignatureType, SignatureVersion, SubpacketData};
use pgp::types::{Duration, Fingerprint, KeyDetails, KeyId, KeyVersion, SignedUser, Tag};
use rest::repositories::Provenance;

use super::{ProvenanceError, is_strong};

/// A key with what its owner says about it, none of it verified yet.
#[derive(Debug)]
pub(super) struct Certificate {
    key: SignedPublicKey,
    /// Revocations of the key, wherever they stood.
    revocations: Vec<Signature>,
}

/// A key that a signature says it was made with.
pub(super) struct Candidate<'c> {
    certificate: &'c Certificate,
    /// None: the primary key.
    subkey: Option<&'c SignedPublicSubKey>,
}

impl Certificate {
    /// That of the packets from one primary key to the next. `None` if there is no key, or one that is not used here.
    pub(super) fn of(group: Vec<Packet>) -> Option<Self> {
        let revocations = group
            .iter()
            .filter_map(|packet| match packet {
                Packet::Signature(signature) => Some(signature),
                _ => None,
            })
            .filter(|signature| signature.typ() == Some(SignatureType::KeyRevocation))
            .cloned()
            .collect();
        let packets: Box<dyn Iterator<Item = _>> = Box::new(group.into_iter().map(Ok));
        let key = SignedPublicKey::from_packets(packets.peekable())
            .next()?
            .ok()?;
        (key.version() == KeyVersion::V4).then_some(Self { key, revocations })
    }

    /// Those of its keys that `signature` says it was made with.
    pub(super) fn candidates<'c>(
        &'c self,
        signature: &'c Signature,
    ) -> impl Iterator<Item = Candidate<'c>> {
        let subkeys = self.key.public_subkeys.iter();
        let primary = std::iter::once(None).filter(|_| is_issuer(&self.key, signature));
        let subkeys = subkeys
            .filter(|subkey| is_issuer(*subkey, signature))
            .map(Some);
        primary.chain(subkeys).map(|subkey| Candidate {
            certificate: self,
            subkey,
        })
    }

    /// The owner, if the primary key is one to rely on at the time `now`; and whether it may sign.
    fn holder(&self, now: u64) -> Result<(Provenance, bool), ProvenanceError> {
        let key = &self.key.primary_key;
        // A revocation by another key that may revoke this one cannot be verified, and is believed.
        let foreign = &self.key.details.revocation_signatures;
        if !foreign.is_empty()
            || self
                .revocations
                .iter()
                .any(|signature| signature.verify_key(key).is_ok())
        {
            return Err(ProvenanceError::Revoked);
        }
        let (name, certification) = self.owner(now).ok_or(ProvenanceError::Unbound)?;
        let direct = newest(
            &self.key.details.direct_signatures,
            |signature| {
                signature.typ() == Some(SignatureType::Key) && signature.verify_key(key).is_ok()
            },
            now,
        );
        let created = u64::from(key.created_at().as_secs());
        let mut may_sign = true;
        for signature in [Some(certification), direct].into_iter().flatten() {
            if is_over(created, signature.key_expiration_time(), now) {
                return Err(ProvenanceError::KeyExpired);
            }
            // Old keys do not say what they are for; Helm takes those.
            may_sign &= !has_flags(signature) || signature.key_flags().sign();
        }
        let holder = Provenance {
            signer: name,
            fingerprint: format!("{:X}", key.fingerprint()),
        };
        Ok((holder, may_sign))
    }

    /// The owner's name, and the signature that says so.
    fn owner(&self, now: u64) -> Option<(String, &Signature)> {
        self.key
            .details
            .users
            .iter()
            .filter_map(|user| Some((user, self.certification(user, now)?)))
            .max_by_key(|(_, signature)| (signature.is_primary(), signature.created()))
            .map(|(user, signature)| {
                let name = String::from_utf8_lossy(user.id.id()).into_owned();
                (name, signature)
            })
    }

    /// The signature that makes `user` an owner of the key, unless that was revoked since.
    fn certification<'c>(&'c self, user: &'c SignedUser, now: u64) -> Option<&'c Signature> {
        let key = &self.key.primary_key;
        let verifies = |signature: &Signature| {
            signature
                .verify_certification(key, Tag::UserId, &user.id)
                .is_ok()
        };
        let is_revocation =
            |signature: &Signature| signature.typ() == Some(SignatureType::CertRevocation);
        let certification = newest(
            &user.signatures,
            |signature| !is_revocation(signature) && verifies(signature),
            now,
        )?;
        let revoked = user.signatures.iter().any(|signature| {
            is_revocation(signature)
                && signature.created() >= certification.created()
                && verifies(signature)
        });
        (!revoked).then_some(certification)
    }
}

impl Candidate<'_> {
    /// The owner, if the key may sign at the time `now`.
    pub(super) fn holder(&self, now: u64) -> Result<Provenance, ProvenanceError> {
        let (holder, may_sign) = self.certificate.holder(now)?;
        let may_sign = match self.subkey {
            None => may_sign,
            Some(subkey) => self.subkey_may_sign(subkey, now)?,
        };
        if !may_sign || !signs(self.algorithm()) {
            return Err(ProvenanceError::NotForSigning);
        }
        Ok(holder)
    }

    fn subkey_may_sign(
        &self,
        subkey: &SignedPublicSubKey,
        now: u64,
    ) -> Result<bool, ProvenanceError> {
        let primary = &self.certificate.key.primary_key;
        let verifies = |signature: &Signature| {
            signature
                .verify_subkey_binding(primary, &subkey.key)
                .is_ok()
        };
        let revoked = subkey.signatures.iter().any(|signature| {
            signature.typ() == Some(SignatureType::SubkeyRevocation) && verifies(signature)
        });
        if revoked {
            return Err(ProvenanceError::Revoked);
        }
        let binding = newest(
            &subkey.signatures,
            |signature| {
                signature.typ() == Some(SignatureType::SubkeyBinding) && verifies(signature)
            },
            now,
        )
        .ok_or(ProvenanceError::Unbound)?;
        if is_over(self.created(), binding.key_expiration_time(), now) {
            return Err(ProvenanceError::KeyExpired);
        }
        // Else anyone could claim another's key as theirs.
        let agreed = binding.embedded_signature().is_some_and(|signature| {
            is_sound(signature)
                && signature
                    .verify_primary_key_binding(&subkey.key, primary)
                    .is_ok()
        });
        Ok(agreed && binding.key_flags().sign())
    }

    /// Whether it made `signature` over `text`.
    pub(super) fn verifies(&self, signature: &Signature, text: &[u8]) -> bool {
        let same = signature
            .config()
            .is_some_and(|config| config.pub_alg == self.algorithm());
        let verified = match self.subkey {
            None => signature.verify(&self.certificate.key.primary_key, text),
            Some(subkey) => signature.verify(&subkey.key, text),
        };
        same && verified.is_ok()
    }

    /// When it was made, in seconds since 1970.
    pub(super) fn created(&self) -> u64 {
        let created = match self.subkey {
            None => self.certificate.key.created_at(),
            Some(subkey) => subkey.created_at(),
        };
        created.as_secs().into()
    }

    fn algorithm(&self) -> PublicKeyAlgorithm {
        match self.subkey {
            None => self.certificate.key.algorithm(),
            Some(subkey) => subkey.algorithm(),
        }
    }
}

/// Whether something that lasts for `duration` is over; with none, or zero, it lasts for ever.
pub(super) fn is_over(created: u64, duration: Option<Duration>, now: u64) -> bool {
    match duration.map(Duration::as_secs) {
        None | Some(0) => false,
        Some(seconds) => created + u64::from(seconds) <= now,
    }
}

/// The newest of those that count at the time `now`.
fn newest(
    signatures: &[Signature],
    verifies: impl Fn(&Signature) -> bool,
    now: u64,
) -> Option<&Signature> {
    signatures
        .iter()
        .filter(|signature| is_sound(signature))
        .filter(|signature| {
            signature.created().is_some_and(|created| {
                let created = u64::from(created.as_secs());
                created <= now && !is_over(created, signature.signature_expiration_time(), now)
            })
        })
        .filter(|signature| verifies(signature))
        .max_by_key(|signature| signature.created())
}

/// Whether a key's word about itself is worth anything. SHA-1 is taken here: nobody else chose what was hashed, and
/// older keys have nothing better.
fn is_sound(signature: &Signature) -> bool {
    signature.version() == SignatureVersion::V4
        && signature
            .hash_alg()
            .is_some_and(|algorithm| is_strong(algorithm) || algorithm == HashAlgorithm::Sha1)
}

fn has_flags(signature: &Signature) -> bool {
    signature.config().is_some_and(|config| {
        config
            .hashed_subpackets()
            .any(|subpacket| matches!(subpacket.data, SubpacketData::KeyFlags(_)))
    })
}

/// Whether `signature` names `key`, and names no other.
fn is_issuer(key: &impl KeyDetails, signature: &Signature) -> bool {
    let (ids, fingerprints) = (signature.issuer_key_id(), signature.issuer_fingerprint());
    let id: KeyId = key.legacy_key_id();
    let fingerprint: Fingerprint = key.fingerprint();
    !(ids.is_empty() && fingerprints.is_empty())
        && ids.iter().all(|other| **other == id)
        && fingerprints.iter().all(|other| **other == fingerprint)
}

fn signs(algorithm: PublicKeyAlgorithm) -> bool {
    matches!(
        algorithm,
        PublicKeyAlgorithm::RSA
            | PublicKeyAlgorithm::RSASign
            | PublicKeyAlgorithm::DSA
            | PublicKeyAlgorithm::ECDSA
            | PublicKeyAlgorithm::EdDSALegacy
            | PublicKeyAlgorithm::Ed25519
            | PublicKeyAlgorithm::Ed448
    )
}
