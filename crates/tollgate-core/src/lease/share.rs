//! How much of an account's room one node gets.

/// What is granted of `room` to a node whose requests wait for `need`, the smallest of them for
/// `least`, and which would like to have `want` in all; `nodes` live.
///
/// Who waits gets what an exact decision would give. Beyond that a node gets at most half of an
/// equal share of what is left then, so that others still find room, and the less there is left
/// the closer all come to exact decisions.
pub fn share(need: u64, least: u64, want: u64, room: u64, nodes: u32) -> u64 {
    if need > room {
        return if least <= room && need > 0 { room } else { 0 };
    }
    let ahead = (room - need) / (2 * u64::from(nodes.max(1)));
    need + want.saturating_sub(need).min(ahead)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_gets_all_there_is_and_foresight_half_a_share() {
        assert_eq!(share(10, 1, 10, 10, 5), 10, "the last room is nobody's share");
        assert_eq!(share(11, 1, 11, 10, 5), 10, "ten of eleven who wait for one each");
        assert_eq!(share(11, 11, 11, 10, 5), 0, "the one who waits finds no room");
        assert_eq!(share(10, 1, 1_000, 110, 5), 20);
        assert_eq!(share(0, 0, 1_000, 9, 5), 0, "near the end nothing is kept in store");
        assert_eq!(share(0, 0, 1_000, 0, 5), 0);
        assert_eq!(share(5, 5, 7, 1_000_000, 5), 7, "no more than is wanted");
    }
}
