//! Whole numbers in as few bytes as they need: seven bits in each, the smallest first.

/// Adds a number.
pub(super) fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Takes one off.
pub(super) fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Adds the way from one number to another, which is short, in either direction.
pub(super) fn put_way(bytes: &mut Vec<u8>, from: u64, to: u64) {
    let way = to.wrapping_sub(from).cast_signed();
    put(bytes, ((way << 1) ^ (way >> 63)).cast_unsigned());
}

/// Takes it off, and goes it.
pub(super) fn take_way(bytes: &mut &[u8], from: u64) -> Option<u64> {
    let way = take(bytes)?;
    Some(from.wrapping_add((way >> 1) ^ (way & 1).wrapping_neg()))
}
