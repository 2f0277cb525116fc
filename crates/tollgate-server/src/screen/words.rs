//! Numbers and names as a narrow screen says them.

use ratatui::text::Span;

/// Characters of a name that are looked at; no screen is wider.
const MAX_CHARS: usize = 512;

/// A text of one line that shows what is there and does nothing else: no control characters,
/// and none that turn the direction of what follows.
pub(crate) fn clean(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    let shown = |c: char| if c.is_control() || turns(c) { '·' } else { c };
    text.chars().take(MAX_CHARS).map(shown).collect()
}

/// How many columns a text takes.
pub(super) fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// A text in no more columns than these; what is left out is an ellipsis.
pub(super) fn fit(text: &str, most: usize) -> String {
    if width(text) <= most {
        return text.to_owned();
    }
    if most == 0 {
        return String::new();
    }
    format!("{}…", beginning(text, most - 1))
}

/// The longest beginning of a text that takes no more columns than these.
fn beginning(text: &str, most: usize) -> &str {
    let mut end = 0;
    for (at, c) in text.char_indices() {
        let next = at + c.len_utf8();
        if width(&text[..next]) > most {
            break;
        }
        end = next;
    }
    &text[..end]
}

/// A text in lines of no more columns than these, broken between words where there are any.
pub(super) fn wrapped(text: &str, most: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut rest = word.to_owned();
        loop {
            let last =
                lines.last_mut().unwrap_or_else(|| unreachable!("there is one from the start"));
            let gap = usize::from(!last.is_empty());
            if width(last) + gap + width(&rest) <= most {
                if gap == 1 {
                    last.push(' ');
                }
                last.push_str(&rest);
                break;
            }
            if gap == 1 {
                lines.push(String::new());
                continue;
            }
            // One word that is longer than a line.
            let part = beginning(&rest, most).to_owned();
            if part.is_empty() {
                break;
            }
            rest.drain(..part.len());
            last.push_str(&part);
            lines.push(String::new());
        }
    }
    lines
}

/// A whole number, its thousands apart.
pub(super) fn whole(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// A whole number in six columns at most: what is large is told by its first digits.
pub(super) fn short(number: f64) -> String {
    let (shown, unit) = match number.abs() {
        0.0..1e4 => return format!("{number:.0}"),
        1e4..1e6 => (number / 1e3, "k"),
        1e6..1e9 => (number / 1e6, "M"),
        1e9..1e12 => (number / 1e9, "G"),
        _ => (number / 1e12, "T"),
    };
    if shown >= 100.0 { format!("{shown:.0}{unit}") } else { format!("{shown:.1}{unit}") }
}

/// Dollars, to the digits that matter.
pub(super) fn dollars(usd: f64) -> String {
    match usd.abs() {
        0.0 => "$0".to_owned(),
        0.0..0.01 => format!("${usd:.4}"),
        0.01..1e4 => format!("${usd:.2}"),
        _ => format!("${}", short(usd)),
    }
}

/// A share, as people say it.
pub(super) fn percent(share: f64) -> String {
    // What is not quite whole is not told as whole.
    let shown = share * 100.0;
    let shown = if share < 1.0 { shown.min(99.9) } else { shown };
    format!("{shown:.1} %")
}

/// So many in a second.
pub(super) fn rate(per_second: f64) -> String {
    if per_second < 100.0 {
        format!("{per_second:.1}/s")
    } else {
        format!("{}/s", short(per_second))
    }
}

/// Milliseconds, as seconds where they are many.
pub(super) fn millis(millis: f64) -> String {
    match millis {
        ..1e3 => format!("{millis:.0} ms"),
        1e3..1e5 => format!("{:.1} s", millis / 1e3),
        _ => format!("{:.0} s", millis / 1e3),
    }
}

/// A length of time as people say it, to the unit that matters.
pub(crate) fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_said_to_the_digits_that_matter() {
        assert_eq!(["0", "999", "1,000", "1,234,567"], [0, 999, 1_000, 1_234_567].map(whole));
        assert_eq!(
            ["7", "9999", "12.3k", "123k", "4.6M"],
            [7.0, 9_999.0, 12_345.0, 123_456.0, 4_560_000.0].map(short)
        );
        assert_eq!(
            ["$0", "$0.0003", "$0.42", "$12.3k"],
            [0.0, 0.000_260_6, 0.42, 12_345.0].map(dollars)
        );
        assert_eq!(["100.0 %", "99.9 %", "0.0 %"], [1.0, 0.999_99, 0.0].map(percent));
        assert_eq!(["120 ms", "1.2 s", "250 s"], [120.0, 1_234.0, 250_000.0].map(millis));
        assert_eq!(["12.4/s", "12.3k/s"], [12.4, 12_345.0].map(rate));
    }

    #[test]
    fn times_are_said_to_the_unit_that_matters() {
        for (seconds, said) in
            [(0, "0 s"), (59, "59 s"), (119, "1 min"), (7_260, "2 h 1 min"), (90_000, "1 d 1 h")]
        {
            assert_eq!(span(seconds), said);
        }
    }

    #[test]
    fn a_hostile_name_moves_no_cursor_and_turns_no_line() {
        assert_eq!(clean("a\u{1b}[2Jb\r\n\u{202e}c\u{200b}"), "a·[2Jb···c·");
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_it_may_be(text in "\\PC{0,80}", most in 0_usize..60) {
            prop_assert!(width(&fit(&clean(&text), most)) <= most);
            let lines = wrapped(&clean(&text), most.max(2));
            prop_assert!(lines.iter().all(|line| width(line) <= most.max(2)), "{:?}", lines);
        }

        #[test]
        fn what_is_wrapped_has_every_word(text in "[a-zäß界 ]{0,80}", most in 2_usize..60) {
            let letters = |text: &str| text.replace(' ', "");
            prop_assert_eq!(letters(&wrapped(&text, most).concat()), letters(&text));
        }
    }
}
