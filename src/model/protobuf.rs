//! The Protobuf wire format: reads and writes messages field by field, without generated types. Fields that are not read are
//! not decoded, so unknown fields are preserved.

/// A field of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// Field number and wire type.
    key: u64,
    /// All bytes of the field, including its number and length.
    pub whole: &'a [u8],
    /// Content of a length-delimited field: text, bytes or a message.
    pub inner: Option<&'a [u8]>,
}

impl<'a> Field<'a> {
    /// Returns the field number.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.key >> 3
    }

    /// Returns the content if the field is length-delimited and has one of these numbers.
    #[must_use]
    pub fn inner_of(&self, numbers: &[u64]) -> Option<&'a [u8]> {
        self.inner.filter(|_| numbers.contains(&self.number()))
    }
}

/// Iterator over the fields of a message. Stops at invalid data; [`Fields::rest`] then returns the unread bytes.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    left: &'a [u8],
}

/// Iterates over the fields of a message.
#[must_use]
pub const fn fields(message: &[u8]) -> Fields<'_> {
    Fields { left: message }
}

impl<'a> Fields<'a> {
    /// Returns the unread bytes.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.left
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        let from = self.left;
        let mut left = from;
        let key = varint(&mut left)?;
        let (skip, has_inner) = match key & 7 {
            0 => varint(&mut left).map(|_| (0, false))?,
            1 => (8, false),
            2 => (usize::try_from(varint(&mut left)?).ok()?, true),
            5 => (4, false),
            _ => return None,
        };
        let (inner, left) = left.split_at_checked(skip)?;
        self.left = left;
        Some(Field { key, whole: &from[..from.len() - left.len()], inner: has_inner.then_some(inner) })
    }
}

/// Reads a varint.
#[must_use]
pub fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// Appends a varint.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        #[expect(clippy::cast_possible_truncation, reason = "the lowest seven bits")]
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    #[expect(clippy::cast_possible_truncation, reason = "below 128")]
    out.push(value as u8);
}

/// Appends text, bytes or a message as a field with this number.
pub fn put_field(out: &mut Vec<u8>, number: u64, inner: &[u8]) {
    put_varint(out, number << 3 | 2);
    put_varint(out, inner.len() as u64);
    out.extend_from_slice(inner);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected bytes: <https://protobuf.dev/programming-guides/encoding/>.
    #[test]
    fn a_message_is_walked_and_written_as_the_guide_has_it() {
        let message = [0x08, 0x96, 0x01, 0x12, 0x07, b't', b'e', b's', b't', b'i', b'n', b'g'];
        let found: Vec<_> = fields(&message).map(|field| (field.number(), field.inner)).collect();
        assert_eq!(found, [(1, None), (2, Some(&b"testing"[..]))]);
        let mut out = vec![0x08];
        put_varint(&mut out, 150);
        put_field(&mut out, 2, b"testing");
        assert_eq!(out, message);
    }

    #[test]
    fn damaged_bytes_end_the_walk_and_are_left() {
        for damaged in [&[0x12, 0x07, b't'][..], &[0x0b], &[0x80], &[0xff; 11]] {
            let mut walk = fields(damaged);
            assert_eq!((walk.next(), walk.rest()), (None, damaged));
        }
    }
}
