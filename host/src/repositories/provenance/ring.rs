//! The files that keys come in.
//!
//! GnuPG writes its keyrings and its exports as packets, one key after the other, bare or in armor. One key that nothing
//! here can read does not spoil the others.

use std::io::Read as _;

use pgp::armor::{BlockType, Dearmor};
use pgp::packet::{Packet, PacketParser};
use pgp::types::Tag;

use super::certificate::Certificate;

/// The certificates in a keyring, armored or not.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Certificate>, &'static str> {
    match bytes {
        [] => Err("it is empty"),
        [first, ..] if first & 0x80 != 0 => certificates(bytes),
        _ if bytes.get(8..12) == Some(b"KBXf") => {
            Err("it is a keybox; write the keys into a file with `gpg --export`")
        }
        _ => {
            let mut found = Vec::new();
            for block in armored(bytes)? {
                found.extend(certificates(&block)?);
            }
            Ok(found)
        }
    }
}

/// What is in the blocks of an armored file.
fn armored(bytes: &[u8]) -> Result<Vec<Vec<u8>>, &'static str> {
    const BEGIN: &str = "-----BEGIN PGP ";
    let text = str::from_utf8(bytes).map_err(|_| "it is neither armored nor binary")?;
    let mut starts: Vec<usize> = text.match_indices(BEGIN).map(|(place, _)| place).collect();
    starts.push(text.len());
    let mut blocks = Vec::new();
    for block in starts.windows(2) {
        let block = match *block {
            [start, end] => text.get(start..end).unwrap_or_default(),
            _ => continue,
        };
        let mut armor = Dearmor::new(block.as_bytes());
        let mut bytes = Vec::new();
        armor
            .read_to_end(&mut bytes)
            .map_err(|_| "its armor is damaged")?;
        if armor.typ != Some(BlockType::PublicKey) {
            return Err("it holds something else than public keys");
        }
        blocks.push(bytes);
    }
    Ok(blocks)
}

/// The certificates in a sequence of packets. What belongs to a secret key or to one that cannot be read is left out.
fn certificates(bytes: &[u8]) -> Result<Vec<Certificate>, &'static str> {
    let mut found = Vec::new();
    let mut group = Vec::new();
    let mut packets = PacketParser::new(bytes);
    while let Some(body) = packets.next_ref() {
        let mut body = body.map_err(|_| "it is not a sequence of OpenPGP packets")?;
        let header = body.packet_header();
        let packet = Packet::from_reader(header, &mut body);
        match (header.tag(), packet) {
            (Tag::PublicKey, Ok(packet)) => {
                found.extend(Certificate::of(std::mem::replace(&mut group, vec![packet])));
            }
            (Tag::PublicKey | Tag::SecretKey, _) => {
                found.extend(Certificate::of(std::mem::take(&mut group)));
            }
            // GnuPG keeps its notes between the signatures.
            (Tag::Trust, _) | (_, Err(_)) => (),
            (_, Ok(packet)) if !group.is_empty() => group.push(packet),
            (_, Ok(_)) => (),
        }
    }
    found.extend(Certificate::of(group));
    Ok(found)
}
