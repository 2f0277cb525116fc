//! Where a key lies in a cluster, as every client reckons it.

use std::sync::LazyLock;

/// How many slots a cluster has.
pub(super) const SLOTS: usize = 16_384;

/// How many tags keys lie under in a cluster.
pub(super) const TAGS: usize = 256;

static OF_TAGS: LazyLock<Vec<u16>> =
    LazyLock::new(|| (0..TAGS).map(|tag| of(tag.to_string().as_bytes())).collect());

/// The slot of everything under a tag.
pub(super) fn of_tag(tag: u16) -> u16 {
    OF_TAGS[usize::from(tag) % TAGS]
}

/// The slot of a key: of what stands between its first braces, if anything does.
pub(super) fn of_key(key: &[u8]) -> u16 {
    let between = |key: &[u8]| {
        let open = key.iter().position(|byte| *byte == b'{')?;
        let close = key[open..].iter().position(|byte| *byte == b'}')?;
        (close > 1).then_some((open + 1, open + close))
    };
    of(between(key).map_or(key, |(from, to)| &key[from..to]))
}

fn of(text: &[u8]) -> u16 {
    crc16::State::<crc16::XMODEM>::calculate(text) % SLOTS as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `CLUSTER KEYSLOT` answers.
    #[test]
    fn slots_are_those_that_servers_reckon() {
        for (key, slot) in [
            ("foo", 12_182),
            ("123456789", 12_739),
            ("a{foo}b{bar}", 12_182),
            ("{}foo", 9_500),
            ("{foo", 13_308),
            ("x{}{y}", 14_166),
        ] {
            assert_eq!(of_key(key.as_bytes()), slot, "{key}");
        }
        assert_eq!(of_tag(7), of_key(b"tg:{7}:r"));
    }
}
