//! A clear-signed message, RFC 9580 §7, and the text that its signatures sign.
//!
//! What is signed is the text between two lines of the file, with its line breaks normalised and blanks at the ends of
//! lines taken off. Exactly that is what others get to read, so nothing that is not signed can be taken for it.

use std::io::Read as _;

use pgp::armor::Dearmor;
use pgp::packet::{Packet, PacketParser, Signature};

use super::{PROVENANCE, ProvenanceError};

const MESSAGE: &[u8] = b"-----BEGIN PGP SIGNED MESSAGE-----";
const SIGNATURE: &[u8] = b"-----BEGIN PGP SIGNATURE-----";
const END: &[u8] = b"-----END PGP SIGNATURE-----";

/// How many signatures a message may have.
const SIGNATURES: usize = 16;

/// A signed message.
#[derive(Debug)]
pub(super) struct Block {
    /// The text in the form that is signed: lines with CR LF between them.
    pub(super) signed: String,
    /// Its signatures, none of them verified.
    pub(super) signatures: Vec<Signature>,
}

impl Block {
    /// The signed message in a file; an error if there are several.
    pub(super) fn parse(file: &[u8]) -> Result<Self, ProvenanceError> {
        if file.len() > PROVENANCE {
            return Err(ProvenanceError::TooLarge);
        }
        match lines(file).filter(|line| line.starts_with(MESSAGE)).count() {
            0 => return Err(ProvenanceError::NoBlock),
            1 => (),
            _ => return Err(ProvenanceError::SeveralBlocks),
        }
        let mut lines = lines(file).skip_while(|line| !line.starts_with(MESSAGE));
        if lines.next() != Some(MESSAGE) {
            return Err(ProvenanceError::Malformed("its first line goes on"));
        }
        headers(&mut lines)?;
        let signed = text(&mut lines)?;
        let signatures = signatures(&dearmor(&mut lines)?)?;
        Ok(Self { signed, signatures })
    }

    /// The text, each line with a line feed.
    pub(super) fn text(&self) -> String {
        let mut text = self.signed.replace("\r\n", "\n");
        text.push('\n');
        text
    }
}

fn lines(file: &[u8]) -> impl Iterator<Item = &[u8]> {
    file.split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

/// Reads over the headers. `Hash` says what a signature says itself, and no other header may be there.
fn headers<'f>(lines: &mut impl Iterator<Item = &'f [u8]>) -> Result<(), ProvenanceError> {
    for line in lines {
        if line.is_empty() {
            return Ok(());
        }
        if !line.starts_with(b"Hash:") {
            return Err(ProvenanceError::Malformed("it has an unknown header"));
        }
    }
    Err(ProvenanceError::Malformed("it ends early"))
}

/// The text up to its signature.
fn text<'f>(lines: &mut impl Iterator<Item = &'f [u8]>) -> Result<String, ProvenanceError> {
    let mut signed: Option<String> = None;
    for line in lines {
        if line == SIGNATURE {
            return Ok(signed.unwrap_or_default());
        }
        if line.starts_with(b"-----") {
            return Err(ProvenanceError::Malformed(
                "a line of its text is not escaped",
            ));
        }
        // Where a text has lone carriage returns, signatures over different texts may be equal.
        if line.contains(&b'\r') {
            return Err(ProvenanceError::Malformed(
                "its text has lone carriage returns",
            ));
        }
        let line = str::from_utf8(line)
            .map_err(|_| ProvenanceError::Malformed("its text is not UTF-8"))?;
        let line = line.strip_prefix("- ").unwrap_or(line);
        let line = line.trim_end_matches([' ', '\t']);
        match &mut signed {
            None => signed = Some(line.to_owned()),
            Some(signed) => {
                signed.push_str("\r\n");
                signed.push_str(line);
            }
        }
    }
    Err(ProvenanceError::Malformed("it ends before its signature"))
}

/// What is in the armor whose first line has just been read.
fn dearmor<'f>(lines: &mut impl Iterator<Item = &'f [u8]>) -> Result<Vec<u8>, ProvenanceError> {
    let mut armor = [SIGNATURE, b"\n"].concat();
    for line in lines {
        armor.extend_from_slice(line);
        armor.push(b'\n');
        if line == END {
            let mut bytes = Vec::new();
            // All of it at once: the reader must not be asked again after an error.
            return match Dearmor::new(armor.as_slice()).read_to_end(&mut bytes) {
                Ok(_) => Ok(bytes),
                Err(_) => Err(ProvenanceError::Malformed("its signature is not base64")),
            };
        }
    }
    Err(ProvenanceError::Malformed("its signature does not end"))
}

fn signatures(bytes: &[u8]) -> Result<Vec<Signature>, ProvenanceError> {
    let mut signatures = Vec::new();
    for packet in PacketParser::new(bytes) {
        match packet {
            Ok(Packet::Signature(signature)) if signatures.len() < SIGNATURES => {
                signatures.push(signature);
            }
            Ok(Packet::Signature(_)) => {
                return Err(ProvenanceError::Malformed("it has too many signatures"));
            }
            Ok(_) => return Err(ProvenanceError::Malformed("non signature packet found")),
            Err(_) => {
                return Err(ProvenanceError::Malformed("its signature cannot be read"));
            }
        }
    }
    Ok(signatures)
}
