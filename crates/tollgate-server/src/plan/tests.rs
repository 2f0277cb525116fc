//! The worked examples, the edges, and what holds for every crowd.

use proptest::prelude::*;

use super::{
    hosting::HOSTING,
    memory::{BadMemory, safe_limit},
    waves::Waves,
    *,
};

const SESSION: Memory = Memory::from_mb(80);

fn crowd(users: u32, session_minutes: u16, changeover_minutes: u16) -> Crowd {
    Crowd { users, users_per_session: 1, session_minutes, changeover_minutes }
}

fn sizes(waves: Waves) -> Vec<u64> {
    waves.iter().map(|wave| wave.sessions).collect()
}

#[test]
fn the_safe_limits_are_the_documented_ones() {
    for (ram_mb, safe) in [(512, 5), (1024, 10), (2048, 20), (8192, 81), (0, 0), (99, 0), (100, 1)]
    {
        assert_eq!(safe_limit(Memory::from_mb(ram_mb), SESSION), safe, "{ram_mb} MB");
    }
    assert_eq!(safe_limit(Memory::from_mb(1), Memory::from_mb(0)), 838_860, "no division by zero");
}

#[test]
fn every_hosting_plan_in_use_exceeds_its_safe_limit() {
    let told: Vec<_> = HOSTING
        .iter()
        .map(|it| (it.name, it.usd_per_month, it.sessions_in_use, it.safe_limit(SESSION)))
        .collect();
    assert_eq!(
        told,
        [("Free", 0, 6, 5), ("Starter", 7, 12, 10), ("Standard", 25, 25, 20), ("Pro", 85, 100, 81)]
    );
    assert!(HOSTING.iter().all(|it| it.exceeds(SESSION)));
    assert!(!HOSTING.iter().any(|it| it.exceeds(Memory::from_mb(60))), "smaller sessions fit");
}

#[test]
fn thirty_students_on_six_sessions_are_five_groups_in_ninety_minutes() {
    let waves = Waves::new(crowd(30, 15, 3), 6).unwrap();
    assert_eq!(sizes(waves), [6; 5]);
    assert_eq!((waves.total_minutes(), waves.last_end_minutes()), (90, 87));
    let times: Vec<_> = waves.iter().map(|wave| (wave.start, wave.end)).collect();
    assert_eq!(times, [(0, 15), (18, 33), (36, 51), (54, 69), (72, 87)]);
    assert_eq!((waves.longest_wait_minutes(), waves.mean_wait_minutes()), (72, 36.0));
    let groups: Vec<_> = waves.iter().map(|wave| (wave.first, wave.last)).collect();
    assert_eq!(groups, [(1, 6), (7, 12), (13, 18), (19, 24), (25, 30)]);
}

#[test]
fn fifteen_pairs_on_twelve_sessions_are_twelve_that_start_and_three_that_wait() {
    let pairs = Crowd { users_per_session: 2, ..crowd(30, 15, 3) };
    let waves = Waves::new(pairs, 12).unwrap();
    assert_eq!((waves.started_at_once(), waves.waiting()), (12, 3));
    assert_eq!(sizes(waves), [12, 3]);
    assert_eq!(waves.mean_wait_minutes(), 18.0 * 3.0 / 15.0);
    let odd = Crowd { users: 29, ..pairs };
    assert_eq!(odd.sessions(), 15, "who has no partner has a session all the same");
}

#[test]
fn thirty_on_twenty_five_are_twenty_five_that_start_and_five_that_wait() {
    let waves = Waves::new(crowd(30, 15, 3), 25).unwrap();
    assert_eq!((waves.started_at_once(), waves.waiting()), (25, 5));
    assert_eq!(waves.total_minutes(), 36);
}

#[test]
fn nobody_takes_no_time_and_no_session_serves_nobody() {
    let nobody = Waves::new(crowd(0, 15, 3), 6).unwrap();
    assert_eq!((nobody.count(), nobody.total_minutes(), nobody.last_end_minutes()), (0, 0, 0));
    assert_eq!((nobody.longest_wait_minutes(), nobody.mean_wait_minutes()), (0, 0.0));
    assert_eq!((nobody.iter().count(), nobody.last()), (0, None));
    assert_eq!(Waves::new(crowd(30, 15, 3), 0), None);
}

#[test]
fn the_largest_crowd_is_planned_without_overflow() {
    let all = crowd(u32::MAX, u16::MAX, u16::MAX);
    let waves = Waves::new(all, 1).unwrap();
    assert_eq!(waves.total_minutes(), u64::from(u32::MAX) * u64::from(u16::MAX) * 2);
    assert_eq!(waves.last().map(|wave| wave.last), Some(u64::from(u32::MAX)));
    assert_eq!(Waves::new(all, u64::MAX).unwrap().waiting(), 0);
    assert_eq!(safe_limit("1048576GB".parse().unwrap(), SESSION), 10_737_418);
}

#[test]
fn memory_is_read_as_people_write_it() {
    for (text, shown, safe) in [
        ("512", "512 MB", 5),
        ("2GB", "2 GB", 20),
        ("2 gb", "2 GB", 20),
        ("1.5G", "1536 MB", 15),
        ("0.5GB", "512 MB", 5),
        ("2048MiB", "2 GB", 20),
        ("1TB", "1024 GB", 10_485),
        ("100.5kb", "0.10 MB", 0),
        ("0", "0 MB", 0),
    ] {
        let memory: Memory = text.parse().unwrap();
        assert_eq!(memory.to_string(), shown, "{text}");
        assert_eq!(safe_limit(memory, SESSION), safe, "{text}");
    }
    for bad in ["", "GB", "-1", "1.2.3GB", "1.GB", ".5GB", "two", "5 PB", "1.0000001GB", "1e3"] {
        assert_eq!(bad.parse::<Memory>(), Err(BadMemory::Unreadable), "{bad}");
    }
    for huge in ["1048577GB", "99999999999999999999", "18446744073709551615TB"] {
        assert_eq!(huge.parse::<Memory>(), Err(BadMemory::TooLarge), "{huge}");
    }
}

#[test]
fn a_picture_shows_wait_session_and_changeover() {
    let waves = Waves::new(crowd(4, 3, 1), 2).unwrap();
    let bars: Vec<_> = waves.iter().map(|wave| bar(&waves, &wave, 60)).collect();
    assert_eq!(bars, ["███░", "    ███░"]);
}

proptest! {
    #[test]
    fn waves_cover_everybody_once_and_none_is_above_the_limit(
        users in 0_u32..5_000,
        users_per_session in 0_u32..5,
        limit in 1_u64..400,
        session_minutes in 0_u16..10_000,
        changeover_minutes in 0_u16..1_000,
    ) {
        let crowd = Crowd { users, users_per_session, session_minutes, changeover_minutes };
        let waves = Waves::new(crowd, limit).unwrap();
        let mut next = 1;
        let mut free = 0;
        let mut waited = 0;
        for wave in waves.iter() {
            prop_assert!((1..=limit).contains(&wave.sessions));
            prop_assert_eq!((wave.first, wave.last), (next, next + wave.sessions - 1));
            prop_assert_eq!(wave.start, free, "it starts when the one before has changed over");
            prop_assert_eq!(wave.end - wave.start, u64::from(session_minutes));
            next = wave.last + 1;
            free = wave.end + u64::from(changeover_minutes);
            waited += wave.sessions * wave.start;
        }
        let sessions = crowd.sessions();
        prop_assert_eq!(next, sessions + 1);
        prop_assert!(sessions * u64::from(users_per_session.max(1)) >= u64::from(users));
        prop_assert_eq!(waves.total_minutes(), free);
        prop_assert_eq!(waves.started_at_once() + waves.waiting(), sessions);
        prop_assert_eq!(waves.last(), waves.iter().last());
        let mean = waves.mean_wait_minutes() * sessions as f64;
        prop_assert!((mean - waited as f64).abs() < 1e-3 * (1.0 + waited as f64));
    }

    #[test]
    fn the_memory_for_a_number_of_sessions_is_the_least_that_holds_them(
        sessions in 1_u64..100_000,
        session_mb in 1_u32..10_000,
    ) {
        let session = Memory::from_mb(session_mb);
        let needed = memory_for(sessions, session);
        prop_assert_eq!(safe_limit(needed, session), sessions);
        prop_assert_eq!(safe_limit(needed.less_a_byte(), session), sessions - 1);
    }

    #[test]
    fn a_bar_is_never_wider_than_asked_and_never_empty(
        users in 1_u32..1_000_000,
        limit in 1_u64..50,
        session_minutes: u16,
        changeover_minutes: u16,
        width in 0_usize..100,
    ) {
        let crowd = Crowd { users, users_per_session: 1, session_minutes, changeover_minutes };
        let waves = Waves::new(crowd, limit).unwrap();
        for wave in waves.iter().take(20).chain(waves.last()) {
            let bar = bar(&waves, &wave, width);
            prop_assert!(bar.chars().count() <= width.max(2));
            prop_assert!(bar.contains('█'));
        }
    }
}
