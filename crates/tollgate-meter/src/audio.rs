//! How long audio is: as providers tell it, and as far as its bytes say.

use crate::{Audio, told::MAX_TOLD_MILLIS};

/// Bytes of a millisecond of what most files are: 128 kbit/s.
const LIKELY_BYTES_PER_MILLI: u64 = 16;

/// Bytes of a second of Opus at its lowest rate, 6 kbit/s; other codecs in use take more.
const LEAST_BYTES_PER_SECOND: u64 = 750;

/// What is likely where the provider fetches it itself: five minutes.
const UNSEEN_MILLIS: u64 = 300_000;

/// Samples as they are, whose rate is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Samples {
    /// Bytes of a second, all channels together.
    pub(crate) bytes_per_second: u64,
    /// How many channels there are.
    pub(crate) channels: u64,
}

impl Audio {
    /// That of a file. What begins as a WAV file says itself how long it is.
    pub(crate) fn of_file(file: &[u8], known: Option<Samples>) -> Self {
        let bytes = file.len() as u64;
        match known.or_else(|| Samples::of_wav(file)) {
            Some(samples) => {
                let millis = bytes.saturating_mul(1000).div_ceil(samples.bytes_per_second.max(1));
                Self { likely_millis: millis, bound_millis: Some(millis) }
            }
            None => Self {
                likely_millis: bytes.div_ceil(LIKELY_BYTES_PER_MILLI),
                bound_millis: Some(bytes.saturating_mul(1000).div_ceil(LEAST_BYTES_PER_SECOND)),
            },
        }
    }

    /// That of what the provider fetches itself.
    pub(crate) const fn unseen() -> Self {
        Self { likely_millis: UNSEEN_MILLIS, bound_millis: None }
    }

    /// So many times as much.
    pub(crate) fn times(self, factor: u64) -> Self {
        Self {
            likely_millis: self.likely_millis.saturating_mul(factor),
            bound_millis: self.bound_millis.map(|millis| millis.saturating_mul(factor)),
        }
    }
}

impl Samples {
    /// What the head of a WAV file says.
    pub(crate) fn of_wav(file: &[u8]) -> Option<Self> {
        let is_wav = file.starts_with(b"RIFF") && file.get(8..16) == Some(b"WAVEfmt ");
        let channels = u16::from_le_bytes(file.get(22..24)?.try_into().ok()?);
        let rate = u32::from_le_bytes(file.get(28..32)?.try_into().ok()?);
        let (channels, bytes_per_second) = (u64::from(channels), u64::from(rate));
        (is_wav && bytes_per_second > 0).then_some(Self { bytes_per_second, channels })
    }
}

/// Milliseconds of a number of seconds as JSON writes it, rounded up; nothing for what is
/// negative, no plain number or longer than is believed.
pub(crate) fn millis(seconds: &str) -> Option<u64> {
    let (whole, part) = seconds.split_once('.').unwrap_or((seconds, ""));
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !are_digits(whole) || !are_digits(part) {
        return None;
    }
    let (thousandths, rest) = part.split_at(part.len().min(3));
    let scale = 10_u64.pow(3 - thousandths.len() as u32);
    let thousandths = if thousandths.is_empty() { 0 } else { thousandths.parse::<u64>().ok()? };
    let is_more = rest.bytes().any(|byte| byte != b'0');
    let millis = whole.parse::<u64>().ok()?.checked_mul(1000)?;
    let millis = millis.checked_add(thousandths * scale + u64::from(is_more))?;
    (millis <= MAX_TOLD_MILLIS).then_some(millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_read_exactly_and_rounded_up() {
        for (seconds, expected) in [
            ("25.93", Some(25_930)),
            ("27", Some(27_000)),
            ("0.1", Some(100)),
            ("25.9300000", Some(25_930)),
            ("25.9300001", Some(25_931)),
            ("0", Some(0)),
            ("-1", None),
            ("1e3", None),
            ("2592000", Some(MAX_TOLD_MILLIS)),
            ("2592000.001", None),
            ("99999999999999999999", None),
            ("", None),
            ("null", None),
        ] {
            assert_eq!(millis(seconds), expected, "{seconds}");
        }
    }

    #[test]
    fn a_wav_file_says_how_long_it_is() {
        let mut file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x02\0".to_vec();
        file.extend_from_slice(&16_000_u32.to_le_bytes());
        file.extend_from_slice(&64_000_u32.to_le_bytes());
        assert_eq!(Samples::of_wav(&file), Some(Samples { bytes_per_second: 64_000, channels: 2 }));
        file.resize(64_000, 0);
        let two = Audio { likely_millis: 1_000, bound_millis: Some(1_000) };
        assert_eq!(Audio::of_file(&file, None), two);
        let other = Audio { likely_millis: 1_000, bound_millis: Some(21_334) };
        assert_eq!(Audio::of_file(&[0; 16_000], None), other);
        assert_eq!(Samples::of_wav(b"RIFF\0\0\0\0WAVEfmt "), None);
    }
}
