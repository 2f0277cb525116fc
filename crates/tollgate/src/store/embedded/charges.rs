//! Charges as a row tells them: an array of arrays of whole numbers, in JSON without a space.
//! Most of the time that a start takes goes into reading them, so nothing more is understood.

/// The numbers of one charge; those that its row does not have are 0. One that is below 0 is
/// there as its two's complement.
pub(super) type Numbers = [u64; 4];

/// Adds the first `count` numbers of each charge to a text.
pub(super) fn write(text: &mut String, charges: impl Iterator<Item = Numbers>, count: usize) {
    let mut digits = itoa::Buffer::new();
    text.push('[');
    for (nth, charge) in charges.enumerate() {
        text.push_str(if nth == 0 { "[" } else { ",[" });
        for (nth, number) in charge.iter().take(count).enumerate() {
            if nth > 0 {
                text.push(',');
            }
            text.push_str(digits.format(*number));
        }
        text.push(']');
    }
    text.push(']');
}

/// Reads charges of `count` numbers each; nothing if the text is anything else.
pub(super) fn read(text: &str, count: usize) -> Option<Vec<Numbers>> {
    let mut text = text.as_bytes();
    skip(&mut text, b'[')?;
    let mut charges = Vec::with_capacity(text.len() / 16);
    while !text.starts_with(b"]") {
        if !charges.is_empty() {
            skip(&mut text, b',')?;
        }
        skip(&mut text, b'[')?;
        let mut charge = Numbers::default();
        for (nth, number) in charge.iter_mut().take(count).enumerate() {
            if nth > 0 {
                skip(&mut text, b',')?;
            }
            *number = read_number(&mut text)?;
        }
        skip(&mut text, b']')?;
        charges.push(charge);
    }
    skip(&mut text, b']')?;
    text.is_empty().then_some(charges)
}

fn skip(text: &mut &[u8], byte: u8) -> Option<()> {
    *text = text.strip_prefix(&[byte])?;
    Some(())
}

fn read_number(text: &mut &[u8]) -> Option<u64> {
    let is_negative = skip(text, b'-').is_some();
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = text.split_at_checked(digits).filter(|(number, _)| !number.is_empty())?;
    *text = rest;
    let add = |sum: u64, digit: &u8| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0'));
    let number = number.iter().try_fold(0, add)?;
    Some(if is_negative { number.wrapping_neg() } else { number })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_json_and_is_read_back(
            charges in prop::collection::vec(any::<Numbers>(), 0..5),
            count in 2_usize..=4,
        ) {
            let mut text = String::new();
            write(&mut text, charges.iter().copied(), count);
            let cut: Vec<Vec<u64>> =
                charges.iter().map(|charge| charge[..count].to_vec()).collect();
            prop_assert_eq!(serde_json::from_str::<Vec<Vec<u64>>>(&text).expect("JSON"), cut);
            let read = read(&text, count).expect("charges");
            prop_assert_eq!(read.len(), charges.len());
            for (read, charge) in read.iter().zip(&charges) {
                prop_assert_eq!(&read[..count], &charge[..count]);
            }
        }

        #[test]
        fn a_damaged_text_is_not_charges(
            charges in prop::collection::vec(any::<Numbers>(), 1..3),
            at in any::<prop::sample::Index>(),
        ) {
            let mut text = String::new();
            write(&mut text, charges.into_iter(), 4);
            let at = at.index(text.len());
            prop_assert_eq!(read(&text[..at], 4), None);
            prop_assert_eq!(read(&text, 3), None);
            text.replace_range(at..=at, "x");
            prop_assert_eq!(read(&text, 4), None);
        }
    }

    #[test]
    fn a_number_below_nothing_is_the_id_of_a_limit() {
        let read = read("[[7,-3]]", 2).expect("charges");
        assert_eq!((read[0][0], read[0][1].cast_signed()), (7, -3));
        assert_eq!(super::read("[[18446744073709551616,1]]", 2), None);
    }
}
