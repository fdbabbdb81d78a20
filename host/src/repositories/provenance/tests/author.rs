//! Authors of charts: keys with whatever is to be said about them, and what they sign.

use std::time::{Duration as Span, SystemTime, UNIX_EPOCH};

use pgp::armor::{self, BlockType};
use pgp::composed::{
    ArmorOptions, CleartextSignedMessage, KeyType, SecretKeyParamsBuilder, SignedKeyDetails,
    SignedPublicKey, SignedPublicSubKey, SubkeyParamsBuilder,
};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{
    KeyFlags, SecretKey, SecretSubkey, Signature, SignatureConfig, SignatureType, Subpacket,
    SubpacketData, UserId,
};
use pgp::ser::Serialize as _;
use pgp::types::{Duration, KeyDetails, Password, SignedUser, SigningKey, Tag, Timestamp};

use super::super::Keyring;

/// When all keys are made.
pub(super) const BIRTH: u32 = 1_700_000_000;
/// When charts are signed.
pub(super) const SIGNED: u32 = BIRTH + 1_000;
/// When signatures are verified.
pub(super) const NOW: u32 = BIRTH + 2_000;

pub(super) fn at(seconds: u32) -> SystemTime {
    UNIX_EPOCH + Span::from_secs(seconds.into())
}

/// A subkey with what binds it.
pub(super) struct Subkey {
    pub(super) secret: SecretSubkey,
    pub(super) signatures: Vec<Signature>,
}

/// An author with a key.
pub(super) struct Author {
    pub(super) primary: SecretKey,
    pub(super) name: &'static str,
    pub(super) certifications: Vec<Signature>,
    pub(super) direct: Vec<Signature>,
    pub(super) revocations: Vec<Signature>,
    pub(super) subkey: Option<Subkey>,
}

impl Author {
    /// One whose key is not certified yet.
    pub(super) fn bare(name: &'static str, kind: KeyType) -> Self {
        let subkey = SubkeyParamsBuilder::default()
            .key_type(kind.clone())
            .can_sign(true)
            .created_at(Timestamp::from_secs(BIRTH))
            .build()
            .unwrap();
        let generated = SecretKeyParamsBuilder::default()
            .key_type(kind)
            .can_certify(true)
            .can_sign(true)
            .created_at(Timestamp::from_secs(BIRTH))
            .primary_user_id(name.to_owned())
            .subkey(subkey)
            .build()
            .unwrap()
            .generate(rand::thread_rng())
            .unwrap();
        let secret = generated.secret_subkeys.into_iter().next().unwrap().key;
        Self {
            primary: generated.primary_key,
            name,
            certifications: Vec::new(),
            direct: Vec::new(),
            revocations: Vec::new(),
            subkey: Some(Subkey {
                secret,
                signatures: Vec::new(),
            }),
        }
    }

    /// One whose primary key certifies and signs.
    pub(super) fn of(name: &'static str, kind: KeyType) -> Self {
        let mut author = Self::bare(name, kind);
        author.subkey = None;
        author.certify(BIRTH, vec![flags(true)]);
        author
    }

    pub(super) fn new() -> Self {
        Self::of("Ann <ann@example.com>", KeyType::Ed25519Legacy)
    }

    /// One whose primary key only certifies, with a subkey that is not bound yet.
    pub(super) fn with_subkey() -> Self {
        let mut author = Self::bare("Ann <ann@example.com>", KeyType::Ed25519Legacy);
        author.certify(BIRTH, vec![flags(false)]);
        author
    }

    fn id(&self) -> UserId {
        UserId::from_str(Default::default(), self.name).unwrap()
    }

    /// Says something about itself.
    pub(super) fn certify(&mut self, created: u32, facts: Vec<SubpacketData>) {
        self.certify_as(SignatureType::CertPositive, created, facts);
    }

    pub(super) fn certify_as(
        &mut self,
        kind: SignatureType,
        created: u32,
        facts: Vec<SubpacketData>,
    ) {
        let signature = config(&self.primary, kind, created, facts)
            .sign_certification(
                &self.primary,
                self.primary.public_key(),
                &Password::empty(),
                Tag::UserId,
                &self.id(),
            )
            .unwrap();
        self.certifications.push(signature);
    }

    /// A signature of that kind over its own key.
    pub(super) fn over_key(&self, kind: SignatureType, facts: Vec<SubpacketData>) -> Signature {
        self.over_key_of(self, kind, facts)
    }

    pub(super) fn over_key_of(
        &self,
        other: &Self,
        kind: SignatureType,
        facts: Vec<SubpacketData>,
    ) -> Signature {
        config(&self.primary, kind, BIRTH, facts)
            .sign_key(
                &self.primary,
                &Password::empty(),
                other.primary.public_key(),
            )
            .unwrap()
    }

    /// The subkey's agreement to be this author's.
    pub(super) fn agreement(&self) -> SubpacketData {
        let subkey = &self.subkey.as_ref().unwrap().secret;
        let signature = config(subkey, SignatureType::KeyBinding, BIRTH, Vec::new())
            .sign_primary_key_binding(
                subkey,
                subkey.public_key(),
                &Password::empty(),
                self.primary.public_key(),
            )
            .unwrap();
        SubpacketData::EmbeddedSignature(Box::new(signature))
    }

    /// Binds or revokes the subkey.
    pub(super) fn bind(&mut self, kind: SignatureType, facts: Vec<SubpacketData>) {
        let subkey = self.subkey.as_ref().unwrap();
        let signature = config(&self.primary, kind, BIRTH, facts)
            .sign_subkey_binding(
                &self.primary,
                self.primary.public_key(),
                &Password::empty(),
                subkey.secret.public_key(),
            )
            .unwrap();
        self.subkey.as_mut().unwrap().signatures.push(signature);
    }

    /// The public key, binary.
    pub(super) fn public(&self) -> Vec<u8> {
        self.transferable().to_bytes().unwrap()
    }

    /// The public key, armored.
    pub(super) fn armored(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        armor::write(
            &self.transferable(),
            BlockType::PublicKey,
            &mut bytes,
            None,
            true,
        )
        .unwrap();
        bytes
    }

    fn transferable(&self) -> SignedPublicKey {
        let user = SignedUser::new(self.id(), self.certifications.clone());
        let subkeys = self.subkey.iter().map(|subkey| {
            SignedPublicSubKey::new(
                subkey.secret.public_key().clone(),
                subkey.signatures.clone(),
            )
        });
        SignedPublicKey::new(
            self.primary.public_key().clone(),
            SignedKeyDetails::new(
                self.revocations.clone(),
                self.direct.clone(),
                vec![user],
                Vec::new(),
            ),
            subkeys.collect(),
        )
    }

    /// A keyring with this key alone.
    pub(super) fn ring(&self) -> Keyring {
        ring(&[self])
    }

    /// `text`, signed with the primary key.
    pub(super) fn sign(&self, text: &str) -> String {
        self.sign_as(
            text,
            SignatureType::Text,
            HashAlgorithm::Sha512,
            SIGNED,
            Vec::new(),
        )
    }

    pub(super) fn sign_as(
        &self,
        text: &str,
        kind: SignatureType,
        hash: HashAlgorithm,
        created: u32,
        facts: Vec<SubpacketData>,
    ) -> String {
        let mut config = config(&self.primary, kind, created, facts);
        config.hash_alg = hash;
        clear_sign(text, config, &self.primary)
    }

    /// `text` with a signature that says nothing about it.
    pub(super) fn sign_nothing(&self, text: &str, kind: SignatureType) -> String {
        let config = config(&self.primary, kind, SIGNED, Vec::new());
        let mut hasher = config.hash_alg.new_hasher().unwrap();
        config
            .hash_data_to_sign(&mut hasher, text.as_bytes())
            .unwrap();
        let length = config.hash_signature_data(&mut hasher).unwrap();
        hasher.update(&config.trailer(length).unwrap());
        let hash = hasher.finalize();
        let bytes = self
            .primary
            .sign(&Password::empty(), config.hash_alg, &hash)
            .unwrap();
        let signature = Signature::from_config(config, [hash[0], hash[1]], bytes).unwrap();
        CleartextSignedMessage::new_many(text, |_| Ok(vec![signature]))
            .unwrap()
            .to_armored_string(ArmorOptions::default())
            .unwrap()
    }

    /// `text`, signed with the subkey.
    pub(super) fn sign_with_subkey(&self, text: &str) -> String {
        let subkey = &self.subkey.as_ref().unwrap().secret;
        let config = config(subkey, SignatureType::Text, SIGNED, Vec::new());
        clear_sign(text, config, subkey)
    }
}

/// A keyring with the keys of `authors`.
pub(super) fn ring(authors: &[&Author]) -> Keyring {
    let bytes: Vec<u8> = authors.iter().flat_map(|author| author.public()).collect();
    Keyring::parse(&bytes).unwrap()
}

/// What a key is for, beside certifying.
pub(super) fn flags(sign: bool) -> SubpacketData {
    let mut flags = KeyFlags::default();
    flags.set_certify(true);
    flags.set_sign(sign);
    SubpacketData::KeyFlags(flags)
}

/// After how many seconds a key expires.
pub(super) fn key_expires(after: u32) -> SubpacketData {
    SubpacketData::KeyExpirationTime(Duration::from_secs(after))
}

/// After how many seconds a signature expires.
pub(super) fn expires(after: u32) -> SubpacketData {
    SubpacketData::SignatureExpirationTime(Duration::from_secs(after))
}

fn clear_sign(text: &str, config: SignatureConfig, key: &impl SigningKey) -> String {
    CleartextSignedMessage::new(text, config, key, &Password::empty())
        .unwrap()
        .to_armored_string(ArmorOptions::default())
        .unwrap()
}

fn config(
    key: &impl KeyDetails,
    kind: SignatureType,
    created: u32,
    facts: Vec<SubpacketData>,
) -> SignatureConfig {
    let mut config = SignatureConfig::v4(kind, key.algorithm(), HashAlgorithm::Sha256);
    let said = [
        SubpacketData::SignatureCreationTime(Timestamp::from_secs(created)),
        SubpacketData::IssuerFingerprint(key.fingerprint()),
    ];
    config.hashed_subpackets = said
        .into_iter()
        .chain(facts)
        .map(|fact| Subpacket::regular(fact).unwrap())
        .collect();
    config.unhashed_subpackets =
        vec![Subpacket::regular(SubpacketData::IssuerKeyId(key.legacy_key_id())).unwrap()];
    config
}
