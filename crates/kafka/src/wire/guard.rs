//! A buffer that makes the generated codec safe on hostile input.
//!
//! The codec reserves room for an array before it reads the first element, from a length that is only a claim: four
//! bytes can ask for hundreds of gigabytes, and a failed allocation aborts the process. [`Guard`] wraps the bytes of an
//! answer and refuses any length that the remaining bytes cannot fill. It can see lengths because flexible versions, the
//! only ones this crate speaks (see `rpc.rs`), write each of them as an unsigned varint, read byte by byte.

use bytes::{Buf, Bytes, TryGetError};
use kafka_protocol::protocol::buf::ByteBuf;
use std::ops::Range;

/// Tag numbers are varints too and may exceed what is left of a short answer.
const SLACK: u64 = 128;
/// No admin answer has an array, string or byte field beyond this; fetched records are decoded by our own reader.
const LONGEST: u64 = 1 << 20;
/// Bytes of the longest varint the codec reads.
const WINDOW: usize = 5;

/// Bytes of one answer, with every varint checked against what is left.
#[derive(Debug)]
pub(crate) struct Guard {
    bytes: Bytes,
    /// The last few single-byte reads, newest last.
    window: [u8; WINDOW],
}

impl Guard {
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self {
            bytes,
            window: [0; WINDOW],
        }
    }

    /// What has not been read yet.
    pub(crate) fn into_rest(self) -> Bytes {
        self.bytes
    }

    /// Whether `byte`, just read, completes a varint that claims more than is there.
    ///
    /// A boolean is read the same way as a varint's byte, so where a varint begins is not known. Every suffix of the
    /// window is tried: the true one is among them, and no other exceeds it unless a boolean was neither 0 nor 1.
    fn overclaims(&mut self, byte: u8) -> Option<u64> {
        self.window.rotate_left(1);
        self.window[WINDOW - 1] = byte;
        if byte >= 0x80 {
            // Not the last byte, or a malformed fifth one. The codec accepts the latter, so judge it as well.
            let five = self.window.iter().rev().take(WINDOW).all(|b| *b >= 0x80);
            if !five {
                return None;
            }
        }
        let mut value = 0_u64;
        for (back, byte) in self.window.iter().rev().enumerate() {
            if back > 0 && *byte < 0x80 {
                break;
            }
            value = (value << 7) | u64::from(byte & 0x7f);
        }
        let left = self.bytes.remaining() as u64;
        // Lengths are written plus one.
        (value > (left + SLACK).min(LONGEST) + 1).then_some(value)
    }
}

impl Buf for Guard {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, cnt: usize) {
        self.bytes.advance(cnt);
    }

    fn copy_to_bytes(&mut self, len: usize) -> Bytes {
        self.bytes.copy_to_bytes(len)
    }

    fn try_get_u8(&mut self) -> Result<u8, TryGetError> {
        let byte = self.bytes.try_get_u8()?;
        match self.overclaims(byte) {
            None => Ok(byte),
            Some(claim) => Err(TryGetError {
                requested: usize::try_from(claim).unwrap_or(usize::MAX),
                available: self.bytes.remaining(),
            }),
        }
    }
}

impl ByteBuf for Guard {
    fn peek_bytes(&mut self, r: Range<usize>) -> Bytes {
        self.bytes.peek_bytes(r)
    }

    fn get_bytes(&mut self, size: usize) -> Bytes {
        self.bytes.get_bytes(size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_protocol::messages::MetadataResponse;
    use kafka_protocol::protocol::Decodable;

    fn metadata(bytes: &[u8]) -> anyhow_like::Result {
        MetadataResponse::decode(&mut Guard::new(Bytes::copy_from_slice(bytes)), 12)
            .map(|_| ())
            .map_err(|e| e.to_string())
    }

    mod anyhow_like {
        pub(super) type Result = std::result::Result<(), String>;
    }

    #[test]
    fn an_array_that_cannot_be_there_is_refused_before_it_is_reserved() {
        // throttle_time_ms, then a broker count of about four thousand million.
        for claim in [
            &[0xff, 0xff, 0xff, 0xff, 0x0f][..],
            &[0xff, 0xff, 0xff, 0xff, 0xff],
            &[0x80, 0x80, 0x80, 0x80, 0xff],
        ] {
            let wire = [&[0, 0, 0, 0][..], claim, &[0; 40]].concat();
            assert!(
                metadata(&wire).unwrap_err().contains("requested"),
                "{claim:?}"
            );
        }
    }

    #[test]
    fn a_boolean_cannot_hide_a_length() {
        // A "boolean" with the continuation bit set, then a varint whose last byte carries the weight.
        let mut guard = Guard::new(Bytes::from_static(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x0f, 0]));
        let reads: Vec<bool> = (0..6).map(|_| guard.try_get_u8().is_ok()).collect();
        assert_eq!(reads.iter().filter(|ok| !**ok).count(), 1, "{reads:?}");
        assert!(!reads[5], "{reads:?}");
    }
}
