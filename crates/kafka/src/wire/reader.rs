//! Reading primitive values out of bytes that a peer sent: every read is checked, nothing is reserved on a claim.

use bytes::{Buf, Bytes};

/// The bytes do not hold what their position promises.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Malformed(pub(crate) &'static str);

pub(crate) type Read<T> = Result<T, Malformed>;

const SHORT: Malformed = Malformed("it ends too early");

/// A cursor over shared bytes; slices it hands out share the memory.
#[derive(Debug, Clone)]
pub(crate) struct Reader(pub(crate) Bytes);

impl Reader {
    pub(crate) fn left(&self) -> usize {
        self.0.remaining()
    }

    pub(crate) fn u8(&mut self) -> Read<u8> {
        self.0.try_get_u8().map_err(|_| SHORT)
    }

    pub(crate) fn i16(&mut self) -> Read<i16> {
        self.0.try_get_i16().map_err(|_| SHORT)
    }

    pub(crate) fn i32(&mut self) -> Read<i32> {
        self.0.try_get_i32().map_err(|_| SHORT)
    }

    pub(crate) fn u32(&mut self) -> Read<u32> {
        self.0.try_get_u32().map_err(|_| SHORT)
    }

    pub(crate) fn i64(&mut self) -> Read<i64> {
        self.0.try_get_i64().map_err(|_| SHORT)
    }

    /// A string behind a length of 16 bits, as versions that are not flexible have it.
    pub(crate) fn short_text(&mut self) -> Read<String> {
        let len = usize::try_from(self.i16()?).map_err(|_| Malformed("a length is negative"))?;
        let bytes = self.bytes(len)?;
        String::from_utf8(bytes.into()).map_err(|_| Malformed("a string is not UTF-8"))
    }

    /// An array behind a length of 32 bits, as versions that are not flexible have it; null is empty.
    pub(crate) fn array<T>(&mut self, item: impl Fn(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        let len = self.i32()?;
        (0..len).map(|_| item(self)).collect()
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Read<Bytes> {
        if len > self.left() {
            return Err(SHORT);
        }
        Ok(self.0.split_to(len))
    }

    fn varint_of(&mut self, bits: u32) -> Read<u64> {
        let mut value = 0_u64;
        for shift in (0..bits).step_by(7) {
            let byte = self.u8()?;
            let part = u64::from(byte & 0x7f);
            if shift + 7 > bits && part >> (bits - shift) != 0 {
                break;
            }
            value |= part << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Malformed("a variable-length number is too long"))
    }

    /// Unsigned, up to 32 bits.
    pub(crate) fn uvarint(&mut self) -> Read<u32> {
        // 32 bits were asked for, so it fits.
        self.varint_of(32).map(|v| v as u32)
    }

    /// Zigzag, up to 32 bits.
    pub(crate) fn varint(&mut self) -> Read<i32> {
        let n = self.uvarint()?;
        Ok((n >> 1).cast_signed() ^ -(n & 1).cast_signed())
    }

    /// Zigzag, up to 64 bits.
    pub(crate) fn varlong(&mut self) -> Read<i64> {
        let n = self.varint_of(64)?;
        Ok((n >> 1).cast_signed() ^ -(n & 1).cast_signed())
    }

    /// Bytes behind a zigzag length, -1 being null (record format).
    pub(crate) fn nullable(&mut self) -> Read<Option<Bytes>> {
        match self.varint()? {
            -1 => Ok(None),
            len => {
                let len = usize::try_from(len).map_err(|_| Malformed("a length is negative"))?;
                self.bytes(len).map(Some)
            }
        }
    }

    /// A compact array's or string's length: written plus one, 0 being null.
    pub(crate) fn compact_len(&mut self) -> Read<Option<usize>> {
        let n = self.uvarint()? as usize;
        // Every element takes at least a byte.
        match n.checked_sub(1) {
            Some(len) if len > self.left() => Err(SHORT),
            len => Ok(len),
        }
    }

    /// Skips the tagged fields that end every flexible structure.
    pub(crate) fn skip_tags(&mut self) -> Read<()> {
        for _ in 0..self.uvarint()? {
            self.uvarint()?;
            let len = self.uvarint()? as usize;
            self.bytes(len)?;
        }
        Ok(())
    }
}

/// Appends a zigzag number of up to 64 bits.
pub(crate) fn put_varlong(out: &mut Vec<u8>, value: i64) {
    let mut n = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while n >= 0x80 {
        // Truncation keeps the low seven bits and sets the eighth: that is the format.
        out.push((n & 0x7f) as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_round_trip(value in any::<i64>(), small in any::<i32>()) {
            let mut out = Vec::new();
            put_varlong(&mut out, value);
            put_varlong(&mut out, i64::from(small));
            let mut reader = Reader(out.into());
            prop_assert_eq!(reader.varlong(), Ok(value));
            prop_assert_eq!(reader.varint(), Ok(small));
            prop_assert_eq!(reader.left(), 0);
        }
    }

    #[test]
    fn overlong_numbers_are_refused() {
        assert!(Reader(Bytes::from_static(&[0xff; 11])).varlong().is_err());
        assert!(
            Reader(Bytes::from_static(&[0xff, 0xff, 0xff, 0xff, 0x1f]))
                .uvarint()
                .is_err()
        );
        assert_eq!(
            Reader(Bytes::from_static(&[0xff, 0xff, 0xff, 0xff, 0x0f])).uvarint(),
            Ok(u32::MAX)
        );
        assert_eq!(Reader(Bytes::from_static(&[0x80])).uvarint(), Err(SHORT));
    }
}
