//! Charts signed by all kinds of authors, and by nobody.

mod author;
mod foreign;

use pgp::composed::KeyType;
use pgp::crypto::ecc_curve::ECCCurve;
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{RevocationCode, SignatureType, SubpacketData};
use proptest::prelude::*;

use self::author::{Author, BIRTH, NOW, SIGNED, at, expires, flags, key_expires, ring};
use super::*;

const NAME: &str = "web-1.2.3.tgz";
const ARCHIVE: &[u8] = b"an archive";

/// What Helm signs for the archive.
fn statement() -> String {
    let digest = <sha2::Sha256 as sha2::Digest>::digest(ARCHIVE);
    format!(
        "description: a chart\nmaintainers:\n- name: ann\nname: web\nversion: 1.2.3\n\n...\nfiles:\n  {NAME}: sha256:{digest:x}\n"
    )
}

fn verify(ring: &Keyring, prov: &str) -> Result<Provenance, ProvenanceError> {
    ring.verify(prov.as_bytes(), NAME, ARCHIVE, at(NOW))
}

fn refused(author: &Author) -> ProvenanceError {
    verify(&author.ring(), &author.sign(&statement())).unwrap_err()
}

#[test]
fn the_signer_is_told_by_name_and_fingerprint() {
    for kind in [
        KeyType::Ed25519Legacy,
        KeyType::Rsa(2048),
        KeyType::ECDSA(ECCCurve::P256),
    ] {
        let author = Author::of("Zoë <z@example.com>", kind);
        let signer = verify(&author.ring(), &author.sign(&statement())).unwrap();
        assert_eq!(signer.signer, "Zoë <z@example.com>");
        assert_eq!(signer.fingerprint.len(), 40);
        assert_eq!(signer.fingerprint, signer.fingerprint.to_uppercase());
    }
}

#[test]
fn the_key_is_found_among_others_and_in_either_form() {
    let (author, other) = (Author::new(), Author::of("Bob", KeyType::Ed25519));
    let prov = author.sign(&statement());
    verify(&ring(&[&other, &author]), &prov).unwrap();
    let armored = [other.armored(), b"\nand\n".to_vec(), author.armored()].concat();
    verify(&Keyring::parse(&armored).unwrap(), &prov).unwrap();
    assert_eq!(
        verify(&other.ring(), &prov),
        Err(ProvenanceError::UnknownSigner)
    );
}

#[test]
fn a_file_that_is_no_keyring_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pubring.gpg");
    assert!(matches!(
        Keyring::load(&path),
        Err(KeyringError::Read { .. })
    ));
    let author = Author::new();
    std::fs::write(&path, author.public()).unwrap();
    verify(&Keyring::load(&path).unwrap(), &author.sign(&statement())).unwrap();

    let keybox = [&[0, 0, 0, 32, 1, 1, 0, 2], b"KBXf".as_slice(), &[0; 20]].concat();
    let signed = author.sign(&statement());
    let truncated = author.public().split_at(20).0.to_vec();
    for bytes in [
        b"".as_slice(),
        b"not a keyring",
        &keybox,
        signed.as_bytes(),
        &[0xff; 100],
        &truncated,
    ] {
        std::fs::write(&path, bytes).unwrap();
        let error = Keyring::load(&path).unwrap_err();
        assert!(matches!(error, KeyringError::Keyring { .. }), "{error}");
        assert!(error.to_string().contains("pubring.gpg"), "{error}");
    }
}

#[test]
fn every_line_length_is_signed_alike() {
    let author = Author::new();
    let ring = author.ring();
    for length in 490..530 {
        let text = format!("description: {}\n{}", "x".repeat(length), statement());
        let prov = author.sign(&text);
        verify(&ring, &prov).unwrap();
        verify(&ring, &prov.replace('\n', "\r\n")).unwrap();
        // Blanks at the ends of lines are not signed.
        verify(&ring, &prov.replace("name: web\n", "name: web \t\n")).unwrap();
    }
}

#[test]
fn a_changed_text_has_no_valid_signature() {
    let author = Author::new();
    let prov = author.sign(&statement());
    for (from, to) in [
        ("version: 1.2.3", "version: 1.2.4"),
        ("sha256:", "sha512:"),
        ("- - name", "- name"),
        ("\n...\n", "\n"),
    ] {
        let changed = prov.replacen(from, to, 1);
        assert_ne!(changed, prov);
        assert_eq!(
            verify(&author.ring(), &changed),
            Err(ProvenanceError::BadSignature),
            "{from}"
        );
    }
}

#[test]
fn another_archive_or_name_is_not_what_was_signed() {
    let author = Author::new();
    let (ring, prov) = (author.ring(), author.sign(&statement()));
    let error = ring
        .verify(prov.as_bytes(), NAME, b"another archive", at(NOW))
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("sha256 sum does not match for web-1.2.3.tgz: \"sha256:")
            && text.contains("\" != \"sha256:"),
        "{text}"
    );
    let error = ring
        .verify(prov.as_bytes(), "web-1.2.4.tgz", ARCHIVE, at(NOW))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "provenance does not contain a SHA for a file named \"web-1.2.4.tgz\""
    );
}

#[test]
fn the_signed_text_must_be_helms() {
    let author = Author::new();
    let signed = |text: &str| verify(&author.ring(), &author.sign(text)).unwrap_err();
    assert_eq!(signed("files: {}\n"), ProvenanceError::OnePart);
    assert_eq!(signed(""), ProvenanceError::OnePart);
    assert!(matches!(
        signed("name: [\n\n...\nfiles: {}\n"),
        ProvenanceError::Yaml(_)
    ));
    for text in [
        "a\n...\nfiles: {}\n",
        "a: b\n...\n- files\n",
        "a: b\n...\nfiles: x\n",
        "a: b\n...\nfiles:\n  web-1.2.3.tgz: 1\n",
    ] {
        assert_eq!(signed(text), ProvenanceError::Statement, "{text}");
    }
    for text in [
        "a: b\n...\n",
        "a: b\n...\nfiles: {}\n",
        "a: b\n...\nfiles:\n",
    ] {
        assert_eq!(
            signed(text),
            ProvenanceError::NotListed(NAME.to_owned()),
            "{text}"
        );
    }
    // Only the second part counts.
    let late = format!("a: b\n...\nfiles: {{}}\n{}", statement());
    assert_eq!(signed(&late), ProvenanceError::NotListed(NAME.to_owned()));
}

#[test]
fn text_around_the_signed_message_counts_for_nothing() {
    let (author, stranger) = (Author::new(), Author::of("Eve", KeyType::Ed25519Legacy));
    let ring = author.ring();
    let nothing = author.sign("name: web\n...\nfiles: {}\n");
    let around = format!("{0}\n{nothing}\n{0}", statement());
    assert_eq!(
        verify(&ring, &around),
        Err(ProvenanceError::NotListed(NAME.to_owned()))
    );
    for pair in [
        format!("{}{nothing}", stranger.sign(&statement())),
        format!("{nothing}{}", stranger.sign(&statement())),
        format!("{nothing}\n-----BEGIN PGP SIGNED MESSAGE----- \n"),
    ] {
        assert_eq!(verify(&ring, &pair), Err(ProvenanceError::SeveralBlocks));
    }
}

#[test]
fn a_file_without_a_whole_signed_message_is_refused() {
    let author = Author::new();
    let ring = author.ring();
    for none in [
        "",
        "<html>",
        &statement(),
        "- -----BEGIN PGP SIGNED MESSAGE-----\n",
    ] {
        assert_eq!(
            verify(&ring, none).unwrap_err().to_string(),
            "failed to decode signature: signature block not found"
        );
    }
    let prov = author.sign(&statement());
    let cut = |at: &str| prov.split(at).next().unwrap().to_owned();
    for text in [
        cut("-----END"),
        cut("-----BEGIN PGP SIGNATURE"),
        cut("Hash: "),
        prov.replace("MESSAGE-----\n", "MESSAGE-----x\n"),
        prov.replace("Hash: ", "Charset: "),
        prov.replace("name: web\n", "-----BEGIN\n"),
        prov.replace("name: web\n", "name: web\rfiles: {}\n"),
        prov.replace(
            "-----BEGIN PGP SIGNATURE-----\n",
            "-----BEGIN PGP SIGNATURE-----\n\n*",
        ),
    ] {
        let error = verify(&ring, &text).unwrap_err();
        assert!(
            matches!(error, ProvenanceError::Malformed(_)),
            "{error}: {text}"
        );
    }
    let large = format!("{prov}{}", "\n".repeat(PROVENANCE));
    assert_eq!(verify(&ring, &large), Err(ProvenanceError::TooLarge));
}

#[test]
fn a_key_is_good_until_it_expires() {
    let mut author = Author::new();
    author.certify(BIRTH + 1, vec![flags(true), key_expires(NOW - BIRTH + 1)]);
    let (ring, prov) = (author.ring(), author.sign(&statement()));
    verify(&ring, &prov).unwrap();
    assert_eq!(
        ring.verify(prov.as_bytes(), NAME, ARCHIVE, at(NOW + 1)),
        Err(ProvenanceError::KeyExpired)
    );
    // Its owner may give it more time, but not before doing so.
    author.certify(NOW + 10, vec![flags(true)]);
    let ring = author.ring();
    assert_eq!(
        ring.verify(prov.as_bytes(), NAME, ARCHIVE, at(NOW + 9)),
        Err(ProvenanceError::KeyExpired)
    );
    ring.verify(prov.as_bytes(), NAME, ARCHIVE, at(NOW + 10))
        .unwrap();
}

#[test]
fn a_direct_signature_limits_a_key_too() {
    let mut author = Author::new();
    author.direct = vec![author.over_key(SignatureType::Key, vec![key_expires(5)])];
    assert_eq!(refused(&author), ProvenanceError::KeyExpired);
    author.direct = vec![author.over_key(SignatureType::Key, vec![flags(false)])];
    assert_eq!(refused(&author), ProvenanceError::NotForSigning);
    let stranger = Author::of("Eve", KeyType::Ed25519Legacy);
    author.direct = vec![stranger.over_key_of(&author, SignatureType::Key, vec![key_expires(5)])];
    verify(&author.ring(), &author.sign(&statement())).unwrap();
}

#[test]
fn a_revoked_key_signs_no_more() {
    let reason =
        || SubpacketData::RevocationReason(RevocationCode::KeySuperseded, Default::default());
    let mut author = Author::new();
    author.revocations = vec![author.over_key(SignatureType::KeyRevocation, vec![reason()])];
    assert_eq!(refused(&author), ProvenanceError::Revoked);

    let stranger = Author::of("Eve", KeyType::Ed25519Legacy);
    author.revocations =
        vec![stranger.over_key_of(&author, SignatureType::KeyRevocation, vec![reason()])];
    assert_eq!(refused(&author), ProvenanceError::Revoked);

    let mut late = Author::new();
    let revocation = late.over_key(SignatureType::KeyRevocation, vec![reason()]);
    let mut bytes = late.public();
    pgp::packet::PacketTrait::to_writer_with_header(&revocation, &mut bytes).unwrap();
    let ring = Keyring::parse(&bytes).unwrap();
    assert_eq!(
        verify(&ring, &late.sign(&statement())),
        Err(ProvenanceError::Revoked)
    );

    late.certify_as(SignatureType::CertRevocation, BIRTH, Vec::new());
    assert_eq!(refused(&late), ProvenanceError::Unbound);
    late.certify(BIRTH + 1, vec![flags(true)]);
    verify(&late.ring(), &late.sign(&statement())).unwrap();
}

#[test]
fn a_key_signs_only_if_it_is_for_signing() {
    let mut author = Author::new();
    author.certifications.clear();
    author.certify(BIRTH, vec![flags(false)]);
    assert_eq!(refused(&author), ProvenanceError::NotForSigning);
    author.certifications.clear();
    author.certify(BIRTH, Vec::new());
    verify(&author.ring(), &author.sign(&statement())).unwrap();
}

#[test]
fn a_key_that_nobody_owns_signs_nothing() {
    let mut author = Author::new();
    author.certifications.clear();
    author.certify(NOW + 1, vec![flags(true)]);
    assert_eq!(refused(&author), ProvenanceError::Unbound);
    author.certifications.clear();
    author.certify(BIRTH, vec![flags(true), expires(10)]);
    assert_eq!(refused(&author), ProvenanceError::Unbound);
    author.certifications = Author::new().certifications;
    assert_eq!(refused(&author), ProvenanceError::Unbound);
}

#[test]
fn a_subkey_signs_for_its_owner() {
    let mut author = Author::with_subkey();
    let agreement = author.agreement();
    author.bind(SignatureType::SubkeyBinding, vec![flags(true), agreement]);
    let prov = author.sign_with_subkey(&statement());
    let signer = verify(&author.ring(), &prov).unwrap();
    let key = pgp::types::KeyDetails::fingerprint(&author.primary);
    assert_eq!(signer.fingerprint, format!("{key:X}"));
    assert_eq!(refused(&author), ProvenanceError::NotForSigning);

    author.certify(BIRTH + 1, vec![flags(false), key_expires(10)]);
    assert_eq!(
        verify(&author.ring(), &prov),
        Err(ProvenanceError::KeyExpired)
    );
}

#[test]
fn a_subkey_that_is_not_wholly_bound_signs_nothing() {
    let bound = |kind, facts: &dyn Fn(&Author) -> Vec<SubpacketData>| {
        let mut author = Author::with_subkey();
        let agreement = author.agreement();
        if kind == SignatureType::SubkeyRevocation {
            author.bind(SignatureType::SubkeyBinding, vec![flags(true), agreement]);
        }
        let facts = facts(&author);
        author.bind(kind, facts);
        verify(&author.ring(), &author.sign_with_subkey(&statement())).unwrap_err()
    };
    let stranger = Author::with_subkey();
    assert_eq!(
        bound(SignatureType::SubkeyBinding, &|_| vec![flags(true)]),
        ProvenanceError::NotForSigning
    );
    assert_eq!(
        bound(SignatureType::SubkeyBinding, &|author| vec![
            author.agreement()
        ]),
        ProvenanceError::NotForSigning
    );
    assert_eq!(
        bound(SignatureType::SubkeyBinding, &|_| vec![
            flags(true),
            stranger.agreement()
        ]),
        ProvenanceError::NotForSigning
    );
    assert_eq!(
        bound(SignatureType::SubkeyBinding, &|author| vec![
            flags(true),
            author.agreement(),
            key_expires(10)
        ]),
        ProvenanceError::KeyExpired
    );
    assert_eq!(
        bound(SignatureType::SubkeyRevocation, &|_| Vec::new()),
        ProvenanceError::Revoked
    );
}

#[test]
fn a_signature_has_its_time() {
    let author = Author::new();
    let signed = |created, facts| {
        let prov = author.sign_as(
            &statement(),
            SignatureType::Text,
            HashAlgorithm::Sha512,
            created,
            facts,
        );
        verify(&author.ring(), &prov)
    };
    signed(NOW, Vec::new()).unwrap();
    signed(SIGNED, vec![expires(0)]).unwrap();
    signed(SIGNED, vec![expires(NOW - SIGNED + 1)]).unwrap();
    assert_eq!(
        signed(SIGNED, vec![expires(NOW - SIGNED)]),
        Err(ProvenanceError::SignatureExpired)
    );
    assert_eq!(
        signed(NOW + 1, Vec::new()),
        Err(ProvenanceError::FromTheFuture)
    );
    assert_eq!(
        signed(BIRTH - 1, Vec::new()),
        Err(ProvenanceError::BeforeItsKey)
    );
}

#[test]
fn broken_hashes_and_other_signatures_are_refused() {
    let author = Author::of("Ann", KeyType::Rsa(2048));
    let signed = |kind, hash| {
        let prov = author.sign_as(&statement(), kind, hash, SIGNED, Vec::new());
        verify(&author.ring(), &prov)
    };
    for hash in [
        HashAlgorithm::Md5,
        HashAlgorithm::Sha1,
        HashAlgorithm::Ripemd160,
    ] {
        assert_eq!(
            signed(SignatureType::Text, hash),
            Err(ProvenanceError::WeakHash)
        );
    }
    for hash in [
        HashAlgorithm::Sha224,
        HashAlgorithm::Sha256,
        HashAlgorithm::Sha384,
    ] {
        signed(SignatureType::Text, hash).unwrap();
    }
    signed(SignatureType::Binary, HashAlgorithm::Sha256).unwrap();
    // These sign no text, so they would fit any.
    for kind in [SignatureType::Standalone, SignatureType::Timestamp] {
        assert_eq!(
            verify(&author.ring(), &author.sign_nothing(&statement(), kind)),
            Err(ProvenanceError::Unsupported("it does not sign a text"))
        );
    }
}

proptest! {
    #[test]
    fn no_file_makes_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        drop(Keyring::parse(&bytes));
        drop(Block::parse(&bytes));
        let armored = [b"-----BEGIN PGP SIGNED MESSAGE-----\n\nx\n-----BEGIN PGP SIGNATURE-----\n".as_slice(), &bytes, b"\n-----END PGP SIGNATURE-----"].concat();
        drop(Block::parse(&armored));
    }
}

#[test]
fn no_damage_to_a_key_or_a_signature_makes_a_panic_or_a_signer() {
    let author = Author::new();
    let (public, prov) = (author.public(), author.sign(&statement()).into_bytes());
    for place in 0..public.len() {
        for bit in [1, 0x80] {
            let mut damaged = public.clone();
            damaged[place] ^= bit;
            if let Ok(ring) = Keyring::parse(&damaged) {
                drop(ring.verify(&prov, NAME, ARCHIVE, at(NOW)));
            }
        }
    }
    let ring = author.ring();
    let whole = ring.verify(&prov, NAME, ARCHIVE, at(NOW)).unwrap();
    for place in 0..prov.len() {
        let mut damaged = prov.clone();
        damaged[place] ^= 1;
        if let Ok(signer) = ring.verify(&damaged, NAME, ARCHIVE, at(NOW)) {
            assert_eq!(signer, whole);
        }
    }
}
