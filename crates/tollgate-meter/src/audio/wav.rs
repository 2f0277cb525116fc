//! The head of a WAV file: how many channels it has, and how long a second of it is.
//!
//! Decoders take no notice of the bytes of a second that it names, so it is believed only
//! where it says what its samples come to.

use super::Samples;

/// What the head of a WAV file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wav {
    /// How many channels there are.
    pub(crate) channels: u64,
    /// Its samples, where they are as they are and the head agrees with itself.
    pub(crate) samples: Option<Samples>,
}

/// Formats whose samples have a fixed size, and the bits that it may have.
const FIXED: [(u16, &[u16]); 4] = [
    (1, &[8, 16, 24, 32]), // PCM
    (3, &[32, 64]),        // floating point
    (6, &[8]),             // A-law
    (7, &[8]),             // µ-law
];

/// The format that is named further on.
const EXTENSIBLE: u16 = 0xFFFE;

/// What follows a format where it is named further on.
const FORMAT_TAIL: &[u8] = b"\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71";

/// The most channels that are believed.
const MAX_CHANNELS: u64 = 64;

impl Wav {
    /// What the head says, if it is one.
    pub(crate) fn of(file: &[u8]) -> Option<Self> {
        let is_wav = file.starts_with(b"RIFF") && file.get(8..16) == Some(b"WAVEfmt ");
        let channels = u64::from(short(file, 22)?);
        is_wav.then(|| Self { channels, samples: samples(file, channels) })
    }
}

fn samples(file: &[u8], channels: u64) -> Option<Samples> {
    let (rate, bytes_per_second) = (long(file, 24)?, long(file, 28)?);
    let (format, bits) = (format(file)?, short(file, 34)?);
    let is_fixed = FIXED.iter().any(|(known, sizes)| *known == format && sizes.contains(&bits));
    let is_likely = rate <= Samples::MAX_RATE && channels <= MAX_CHANNELS;
    let computed = rate * channels * u64::from(bits / 8);
    let is_true = is_fixed && is_likely && computed > 0 && computed == bytes_per_second;
    is_true.then_some(Samples { bytes_per_second })
}

fn format(file: &[u8]) -> Option<u16> {
    match short(file, 20)? {
        EXTENSIBLE if long(file, 16)? >= 40 && file.get(46..60) == Some(FORMAT_TAIL) => {
            short(file, 44)
        }
        format => Some(format),
    }
}

fn short(file: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(file.get(at..at + 2)?.try_into().ok()?))
}

fn long(file: &[u8], at: usize) -> Option<u64> {
    Some(u32::from_le_bytes(file.get(at..at + 4)?.try_into().ok()?).into())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The head of a file of this format.
    pub(crate) fn head(format: u16, channels: u16, bits: u16, bytes_per_second: u32) -> Vec<u8> {
        let mut file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0".to_vec();
        file.extend(format.to_le_bytes().into_iter().chain(channels.to_le_bytes()));
        file.extend(16_000_u32.to_le_bytes().into_iter().chain(bytes_per_second.to_le_bytes()));
        file.extend([4, 0].into_iter().chain(bits.to_le_bytes()));
        file
    }

    #[test]
    fn a_head_is_believed_where_it_agrees_with_itself() {
        let read = |format, channels, bits, rate| Wav::of(&head(format, channels, bits, rate));
        let known = |channels, bytes_per_second| {
            Some(Wav { channels, samples: Some(Samples { bytes_per_second }) })
        };
        assert_eq!(read(1, 2, 16, 64_000), known(2, 64_000));
        assert_eq!(read(3, 1, 32, 64_000), known(1, 64_000));
        assert_eq!(read(7, 1, 8, 16_000), known(1, 16_000));
        let unknown = |channels| Some(Wav { channels, samples: None });
        assert_eq!(read(1, 2, 16, 4_000_000_000), unknown(2), "its seconds are too short");
        assert_eq!(read(7, 1, 64, 128_000), unknown(1), "decoders take no notice of its bits");
        assert_eq!(read(0x55, 2, 16, 64_000), unknown(2), "it is MP3");
        assert_eq!(read(EXTENSIBLE, 2, 16, 64_000), unknown(2), "it says no format");
        assert_eq!(read(1, 0, 16, 0), unknown(0));
        let mut named = head(EXTENSIBLE, 2, 16, 64_000);
        named[16] = 40;
        named.extend(b"\x16\0\x10\0\x03\0\0\0\x01\0");
        named.extend(FORMAT_TAIL);
        assert_eq!(Wav::of(&named), known(2, 64_000));
        named[44] = 0x55;
        assert_eq!(Wav::of(&named), unknown(2), "it is MP3");
        assert_eq!(Wav::of(b"RIFF\0\0\0\0WAVEfmt "), None);
    }
}
