//! How long a file of audio is: by its own head where it is a WAV file, else as if it were 128
//! kilobits a second.

/// Bytes of a millisecond at 128 kilobits a second.
pub(super) const BYTES_PER_MILLI: u64 = 16;

/// A number of milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Millis(pub(crate) u64);

impl Millis {
    /// The length of a file, rounded up.
    pub(crate) fn of_file(file: &[u8]) -> Self {
        let bytes = file.len() as u64;
        Self(match Self::wav_bytes_per_second(file) {
            Some(rate) => (bytes * 1000).div_ceil(rate),
            None => bytes.div_ceil(BYTES_PER_MILLI),
        })
    }

    /// In seconds, as JSON.
    pub(crate) fn seconds(self) -> serde_json::Value {
        // Thousandths are what is meant, and printed: the nearest number is short.
        serde_json::Value::from(self.0 as f64 / 1000.0)
    }

    /// Bytes of a second, where a WAV file's head says it.
    pub(crate) fn wav_bytes_per_second(file: &[u8]) -> Option<u64> {
        let is_wav = file.starts_with(b"RIFF") && file.get(8..16) == Some(b"WAVEfmt ");
        let rate = u32::from_le_bytes(file.get(28..32)?.try_into().ok()?);
        (is_wav && rate > 0).then_some(rate.into())
    }
}
