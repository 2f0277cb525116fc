//! A hash that is the same on every machine and in every version (64-bit FNV-1a).
//!
//! It names limits and scopes in ledgers and shared stores; it is not for hostile input.

pub(crate) const fn stable(parts: &[&str]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut i = 0;
    while i < parts.len() {
        let bytes = parts[i].as_bytes();
        let mut j = 0;
        while j < bytes.len() {
            hash = (hash ^ bytes[j] as u64).wrapping_mul(0x0100_0000_01b3);
            j += 1;
        }
        // A separator that no UTF-8 text contains, so that ["ab", "c"] is not ["a", "bc"].
        hash = (hash ^ 0xff).wrapping_mul(0x0100_0000_01b3);
        i += 1;
    }
    hash
}
