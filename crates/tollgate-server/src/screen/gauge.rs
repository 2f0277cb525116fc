//! Gauges and small histories, drawn with the eighths that Unicode has of a block.

const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The filled and the empty part of a gauge of this many columns. Anything above nothing shows.
pub(super) fn gauge(share: f64, columns: usize) -> (String, String) {
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    let mut eighths = (share * columns as f64 * 8.0).round() as usize;
    if share > 0.0 {
        eighths = eighths.max(1);
    }
    let (full, part) = (eighths / 8, eighths % 8);
    let mut filled = "█".repeat(full);
    if part > 0 {
        filled.push(EIGHTHS[part]);
    }
    let used = full + usize::from(part > 0);
    (filled, "░".repeat(columns.saturating_sub(used)))
}

/// The newest values as bars beside each other, the newest to the right; the largest of them is
/// as high as there is.
pub(super) fn bars(values: impl DoubleEndedIterator<Item = f64>, columns: usize) -> String {
    let newest: Vec<f64> = values.rev().take(columns).collect();
    let most = newest.iter().copied().fold(0.0, f64::max);
    let level = |value: &f64| {
        if *value <= 0.0 || most <= 0.0 {
            return LEVELS[0];
        }
        LEVELS[((value / most * 8.0).ceil() as usize).clamp(1, 8) - 1]
    };
    let missing = " ".repeat(columns - newest.len());
    missing + &newest.iter().rev().map(level).collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_has_its_columns_whatever_its_share() {
        for share in [f64::NAN, -1.0, 0.0, 0.001, 0.5, 0.99, 1.0, 7.0] {
            let (filled, empty) = gauge(share, 10);
            assert_eq!(filled.chars().count() + empty.chars().count(), 10, "{share}");
        }
        assert_eq!(gauge(0.5, 4), ("██".to_owned(), "░░".to_owned()));
        assert_eq!(gauge(0.001, 4).0, "▏", "a little is not nothing");
    }

    #[test]
    fn a_history_shows_the_newest_and_its_highest() {
        assert_eq!(bars([9.0, 0.0, 1.0, 8.0].into_iter(), 3), "▁▁█");
        assert_eq!(bars([4.0, 8.0].into_iter(), 4), "  ▄█");
        assert_eq!(bars([0.0; 3].into_iter(), 3), "▁▁▁");
    }
}
