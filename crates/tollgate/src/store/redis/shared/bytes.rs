//! Bytes to and from scripts: little-endian numbers, and short ones where there are many.

/// Bytes that are being written.
#[derive(Debug, Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

/// Bytes that are read; nothing is answered beyond their end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl Writer {
    pub(super) fn with_room(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    /// How many follow, in four bytes.
    pub(super) fn count(&mut self, count: usize) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.0.extend_from_slice(&count.to_le_bytes());
    }

    pub(super) fn double(&mut self, number: f64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    pub(super) fn long(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    /// Seven bits to a byte.
    pub(super) fn short(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.short(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }
}

impl<'a> Reader<'a> {
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|taken| taken[0])
    }

    pub(super) fn half(&mut self) -> Option<u16> {
        self.take(2).and_then(|taken| taken.try_into().ok()).map(u16::from_le_bytes)
    }

    pub(super) fn count(&mut self) -> Option<usize> {
        let count = self.take(4)?.try_into().ok().map(u32::from_le_bytes)?;
        usize::try_from(count).ok()
    }

    pub(super) fn long(&mut self) -> Option<u64> {
        self.take(8).and_then(|taken| taken.try_into().ok()).map(u64::from_le_bytes)
    }

    pub(super) fn double(&mut self) -> Option<f64> {
        self.long().map(f64::from_bits)
    }

    pub(super) fn short(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        let length = usize::try_from(self.short()?).ok()?;
        std::str::from_utf8(self.take(length)?).ok()
    }
}
