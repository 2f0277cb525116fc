use proptest::prelude::*;

use super::*;
use crate::store::embedded::row::Row;
use crate::store::embedded::rows::tests::{rows, some, told, told_by};

/// Frames of rows one after the other, each of which follows the one before; and where each ends.
fn frames(groups: &[Rows], epoch: u64) -> (Vec<u8>, Vec<usize>) {
    let (mut bytes, mut ends) = (Vec::new(), Vec::new());
    for (nth, group) in (10_u64..).zip(groups) {
        let mut rows = Rows::default();
        rows.append(&mut Rows::read(group.all()).expect("rows"));
        bytes.extend_from_slice(frame(
            &mut rows,
            Head { format: FORMAT, epoch, after: nth, last: nth + 1 },
        ));
        ends.push(bytes.len());
    }
    (bytes, ends)
}

fn groups(most: usize) -> impl Strategy<Value = Vec<Rows>> {
    prop::collection::vec(some().prop_map(|made| rows(&made)), 1..most)
}

fn told_in_all(groups: &[Rows]) -> Vec<String> {
    groups.iter().flat_map(told).collect()
}

proptest! {
    #[test]
    fn what_is_written_is_read(made in some()) {
        let (bytes, _) = frames(&[rows(&made)], 4);
        let (all, last) = read_all(&bytes, (3, 10)).expect("rows");
        prop_assert_eq!(told(&all), told_by(&made));
        prop_assert_eq!(last, 11);
    }

    #[test]
    fn a_tear_ends_what_is_read(
        groups in groups(4),
        at in any::<prop::sample::Index>(),
        flip in 1_u8..,
        is_cut in any::<bool>(),
    ) {
        let (mut bytes, ends) = frames(&groups, 4);
        let at = at.index(bytes.len());
        if is_cut { bytes.truncate(at) } else { bytes[at] ^= flip }
        let whole = ends.iter().take_while(|end| **end <= at).count();
        let (all, last) = read_all(&bytes, (3, 10)).expect("rows");
        prop_assert_eq!(told(&all), told_in_all(&groups[..whole]));
        prop_assert_eq!(last, 10 + whole as u64);
    }

    /// What an earlier group has left behind a shorter one is not its own.
    #[test]
    fn frames_of_another_group_are_none_of_this(before in groups(4), now in groups(4)) {
        let ((mut bytes, _), (own, _)) = (frames(&before, 3), frames(&now, 4));
        let length = bytes.len().max(own.len());
        bytes.resize(length, 0);
        bytes[..own.len()].copy_from_slice(&own);
        prop_assert_eq!(told(&read_all(&bytes, (3, 10)).expect("rows").0), told_in_all(&now));
        let (none, last) = read_all(&own, (4, 10)).expect("none");
        prop_assert_eq!((none.len(), last), (0, 10), "the ledger has them");
        let (none, last) = read_all(&own, (3, 9)).expect("none");
        prop_assert_eq!((none.len(), last), (0, 9), "they follow another entry");
    }
}

#[test]
fn what_another_version_has_left_is_an_error() {
    let mut rows = Rows::default();
    rows.add(&Row::Close { cell: 1 }, &[], None);
    let other = Head { format: FORMAT + 1, epoch: 4, after: 10, last: 11 };
    let bytes = frame(&mut rows, other).to_vec();
    let error = read_all(&bytes, (3, 10)).map(|_| ()).expect_err("another format");
    assert!(error.contains("another version"), "{error}");
    assert!(read_all(&bytes, (4, 10)).is_ok(), "it is in the ledger already");
}
