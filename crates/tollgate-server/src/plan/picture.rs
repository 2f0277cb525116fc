//! Waves as bars of text.

use super::waves::{Wave, Waves};

/// A wave as a bar over the whole time, at most `width` characters: its wait blank, its
/// sessions full, its changeover light. What lasts at all has at least one character.
pub(crate) fn bar(waves: &Waves, wave: &Wave, width: usize) -> String {
    let total = waves.total_minutes().max(1);
    let width = width.max(2) as u64;
    // A small plan has a character for every minute.
    let width = width.min(total.max(2));
    let at = |minute: u64| (u128::from(minute) * u128::from(width) / u128::from(total)) as u64;
    let start = at(wave.start).min(width - 1);
    let end = at(wave.end).clamp(start + 1, width);
    let over = at(wave.end + (total - waves.last_end_minutes())).clamp(end, width);
    let part = |symbol: char, length: u64| std::iter::repeat_n(symbol, length as usize);
    part(' ', start).chain(part('█', end - start)).chain(part('░', over - end)).collect()
}
