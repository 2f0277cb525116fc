//! How often a request may begin.

use std::time::Duration;

use proptest::{collection::vec, prelude::*};
use tollgate_core::{
    Time,
    adaptive::{Interval, IntervalSettings},
};

fn at(ms: u64) -> Time {
    Time::from_millis(ms)
}

fn interval() -> Interval {
    Interval::new(IntervalSettings::default())
}

#[test]
fn it_is_a_tenth_of_a_second_to_five_and_grows_by_half() {
    let mut interval = interval();
    let mut seen = vec![interval.length().as_millis()];
    for _ in 0..12 {
        interval.failed();
        seen.push(interval.length().as_millis());
    }
    assert_eq!(seen, [100, 150, 225, 337, 506, 759, 1139, 1708, 2562, 3844, 5000, 5000, 5000]);
    for _ in 0..11 {
        interval.succeeded();
    }
    assert_eq!(interval.length(), Duration::from_millis(100));
}

#[test]
fn beginnings_are_an_interval_apart() {
    let mut interval = interval();
    assert_eq!(interval.begin(at(0)), Ok(()));
    assert_eq!(interval.begin(at(99)), Err(at(100)));
    assert_eq!(interval.begin(at(100)), Ok(()));
    interval.failed();
    assert_eq!(interval.begin(at(249)), Err(at(250)));
    assert_eq!(interval.begin(at(1_000)), Ok(()));
    assert_eq!(interval.begin(at(1_001)), Err(at(1_150)));
    assert_eq!(interval.begin(at(900)), Err(at(1_150)));
}

#[test]
fn settings_have_their_order() {
    for json in [r#"{"backoff": 0.9}"#, r#"{"min": "6s"}"#, r#"{"backoff": null}"#] {
        assert!(serde_json::from_str::<IntervalSettings>(json).is_err(), "{json}");
    }
    let read: IntervalSettings = serde_json::from_str(r#"{"backoff": 2.0}"#).expect("it is fine");
    assert_eq!(read, IntervalSettings { backoff: 2.0, ..IntervalSettings::default() });
}

proptest! {
    #[test]
    fn beginnings_keep_what_it_promises(steps in vec((0..400_u64, 0..3_u8), 0..200)) {
        let mut interval = interval();
        let (mut now, mut last) = (at(0), None);
        for (ms, what) in steps {
            now = now.after(Duration::from_millis(ms));
            match what {
                0 => interval.failed(),
                1 => interval.succeeded(),
                _ => match interval.begin(now) {
                    Ok(()) => {
                        prop_assert!(last.is_none_or(|last| now.since(last) >= interval.length()));
                        last = Some(now);
                    }
                    Err(when) => {
                        prop_assert!(when > now);
                        prop_assert_eq!(interval.begin(when), Ok(()));
                        (now, last) = (when, Some(when));
                    }
                },
            }
            let within = Duration::from_millis(100)..=Duration::from_secs(5);
            prop_assert!(within.contains(&interval.length()));
        }
    }
}

#[test]
fn other_settings_keep_it_as_long_as_it_is_within_their_bounds() {
    let mut interval = interval();
    assert_eq!(interval.begin(at(0)), Ok(()));
    (0..3).for_each(|_| interval.failed());
    let set = |min, max| IntervalSettings {
        min: Duration::from_millis(min),
        max: Duration::from_millis(max),
        backoff: 2.0,
    };
    for (min, max, length) in [(100, 5_000, 337), (400, 5_000, 400), (50, 200, 200)] {
        interval.reconfigure(set(min, max));
        assert_eq!(interval.length().as_millis(), length);
        assert_eq!(interval.begin(at(1)), Err(at(0).after(interval.length())));
    }
    interval.failed();
    assert_eq!(interval.length().as_millis(), 200);
}
