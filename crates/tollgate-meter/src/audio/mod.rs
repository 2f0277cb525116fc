//! How long audio is: as providers tell it, and as far as its bytes say.

mod container;
mod wav;

pub(crate) use container::begins as is_contained;
pub(crate) use wav::Wav;

use crate::{Audio, told::MAX_TOLD_MILLIS};

/// Bytes of a millisecond of what most files are: 128 kbit/s.
const LIKELY_BYTES_PER_MILLI: u64 = 16;

/// Bytes of a second of Opus at its lowest rate, 6 kbit/s; other codecs in use take more.
const LEAST_BYTES_PER_SECOND: u64 = 750;

/// Tokens that a second of speech is written as, at most: nobody speaks more than about eight
/// syllables in a second, whatever the language, and no syllable takes more than three tokens
/// of a published vocabulary.
const SPOKEN_PER_SECOND: u64 = 25;

/// Tokens that are written however short it is: what hears nothing may repeat itself.
const LEAST_SPOKEN: u64 = 256;

/// What is likely where the provider fetches it itself: five minutes.
const UNSEEN_MILLIS: u64 = 300_000;

/// Samples as they are, whose rate is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Samples {
    /// Bytes of a second, all channels together.
    pub(crate) bytes_per_second: u64,
}

impl Audio {
    /// That of a file, whose samples may be known. What begins as a container says itself what
    /// is in it, whatever else is said; of these a WAV file says how long it is.
    pub(crate) fn of_file(file: &[u8], known: Option<Samples>) -> Self {
        let bytes = file.len() as u64;
        let known = known.filter(|_| !is_contained(file));
        match known.or_else(|| Wav::of(file)?.samples) {
            Some(samples) => {
                let millis = samples.millis(bytes);
                Self { likely_millis: millis, bound_millis: Some(millis) }
            }
            None => coded(bytes),
        }
    }

    /// That of what the provider fetches itself.
    pub(crate) const fn unseen() -> Self {
        Self { likely_millis: UNSEEN_MILLIS, bound_millis: None }
    }

    /// The most tokens that it is written down as, if it is known how long it is at most. It is
    /// no bound that a model is held to, so what passes while it is made is metered by itself.
    pub fn spoken_tokens(&self) -> Option<u64> {
        let spoken = self.bound_millis?.saturating_mul(SPOKEN_PER_SECOND).div_ceil(1000);
        Some(spoken.saturating_add(LEAST_SPOKEN))
    }

    /// Milliseconds that it is taken for where nobody tells: as many times what is likely as
    /// the most is times that.
    pub(crate) fn middle_millis(self) -> u64 {
        let most = self.bound_millis.unwrap_or(self.likely_millis);
        let middle = (u128::from(self.likely_millis) * u128::from(most)).isqrt();
        u64::try_from(middle).unwrap_or(most)
    }

    /// This, or what the provider fetches itself: nobody knows which.
    pub(crate) fn or_unseen(self) -> Self {
        let most = self.bound_millis.unwrap_or(self.likely_millis);
        Self { likely_millis: most.max(UNSEEN_MILLIS), bound_millis: None }
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
    /// The highest rate of samples that is believed.
    pub(crate) const MAX_RATE: u64 = 384_000;

    /// What takes the longest for its bytes, coded or not.
    pub(crate) const SLOWEST: Self = Self { bytes_per_second: LEAST_BYTES_PER_SECOND };

    /// Milliseconds that so many bytes are, rounded up.
    pub(crate) fn millis(self, bytes: u64) -> u64 {
        bytes.saturating_mul(1000).div_ceil(self.bytes_per_second.max(1))
    }
}

/// That of so many bytes of whatever code.
pub(crate) fn coded(bytes: u64) -> Audio {
    Audio {
        likely_millis: bytes.div_ceil(LIKELY_BYTES_PER_MILLI),
        bound_millis: Some(Samples::SLOWEST.millis(bytes)),
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
pub(crate) mod tests {
    pub(crate) use super::wav::tests::head as wav_head;
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
    fn speech_is_bounded_by_how_long_it_may_be() {
        let spoken = |bound_millis| Audio { likely_millis: 1, bound_millis }.spoken_tokens();
        assert_eq!(spoken(Some(0)), Some(256));
        assert_eq!(spoken(Some(60_001)), Some(256 + 1_501));
        assert_eq!(spoken(Some(u64::MAX)), Some(256 + u64::MAX.div_ceil(1000)));
        assert_eq!(spoken(None), None);
    }

    #[test]
    fn a_wav_file_says_how_long_it_is_where_it_can_be_believed() {
        let mut file = wav::tests::head(1, 2, 16, 64_000);
        file.resize(64_000, 0);
        let two = Audio { likely_millis: 1_000, bound_millis: Some(1_000) };
        assert_eq!(Audio::of_file(&file, None), two);
        let claimed = Some(Samples { bytes_per_second: 1_000_000 });
        assert_eq!(Audio::of_file(&file, claimed), two, "the file itself says otherwise");
        assert_eq!(Audio::of_file(&[0; 1_000_000], claimed), two);
        let unknown = Audio { likely_millis: 4_000, bound_millis: Some(85_334) };
        let mut file = wav::tests::head(1, 2, 16, 4_000_000_000);
        file.resize(64_000, 0);
        assert_eq!(Audio::of_file(&file, None), unknown);
    }
}
