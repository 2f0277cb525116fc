use proptest::prelude::*;
use tollgate_core::Time;

use super::*;

fn read(headers: &[(&str, &str)]) -> Signals {
    let headers = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
    Signals::read(200, headers, b"", Time::ZERO)
}

fn of(policy: &str, left: &str) -> Signals {
    read(&[("ratelimit-policy", policy), ("ratelimit", left)])
}

fn quota(limit: u64, remaining: u64, reset_seconds: u64) -> Quota {
    Quota {
        limit: Some(limit),
        remaining: Some(remaining),
        reset_after: Some(Duration::from_secs(reset_seconds)),
    }
}

#[test]
fn a_limit_is_read_by_its_name() {
    let told = of(r#""default";q=100;w=60"#, r#""default";r=50;t=30"#);
    assert_eq!(told.requests, quota(100, 50, 30));
    let turned = read(&[
        ("ratelimit", r#""default";r=0;t=5"#),
        ("ratelimit-policy", r#""default";w=60;q=100;acme=?1"#),
    ]);
    assert_eq!((turned.requests, turned.wait()), (quota(100, 0, 5), Some(Duration::from_secs(5))));
    let windowed = of(r#""default";q=100;w=60"#, r#""default";r=50"#);
    assert_eq!(windowed.requests, quota(100, 50, 60), "a window later at the latest");
    let alone = read(&[("ratelimit", r#""default";r=50;t=30;pk=:QXBwLTk5OQ==:"#)]);
    assert_eq!(alone.requests, Quota { limit: None, ..quota(0, 50, 30) });
}

#[test]
fn of_several_the_one_in_the_way_counts() {
    let policy = r#""burst";q=100;w=60,"daily";q=1000;w=86400"#;
    let told = |left| of(policy, left).requests;
    assert_eq!(told(r#""burst";r=50;t=30, "daily";r=400;t=40000"#), quota(100, 50, 30));
    assert_eq!(told(r#""burst";r=50;t=30, "daily";r=3;t=40000"#), quota(1_000, 3, 40_000));
    assert_eq!(told(r#""daily";r=0;t=40000, "burst";r=0;t=30"#), quota(1_000, 0, 40_000));
    let lines = read(&[
        ("ratelimit-policy", r#""burst";q=100;w=60"#),
        ("ratelimit-policy", r#""daily";q=1000;w=86400"#),
        ("ratelimit", r#""burst";r=9;t=30"#),
        ("ratelimit", r#""daily";r=8;t=30"#),
    ]);
    assert_eq!(lines.requests, quota(1_000, 8, 30));
}

#[test]
fn each_unit_is_counted_by_itself() {
    let told = of(
        r#""a";q=10;w=60;qu="tokens", "b";q=20;w=60;qu="input-tokens", "c";q=30;w=60;qu="output-tokens", "d";q=40;w=60;qu="requests""#,
        r#""a";r=1;t=1, "b";r=2;t=2, "c";r=3;t=3, "d";r=4;t=4"#,
    );
    let all = [told.tokens, told.input_tokens, told.output_tokens, told.requests];
    assert_eq!(all, [quota(10, 1, 1), quota(20, 2, 2), quota(30, 3, 3), quota(40, 4, 4)]);
    for other in [r#""content-bytes""#, r#""concurrent-requests""#, "requests", "1"] {
        let told = of(&format!(r#""a";q=10;w=60;qu={other}"#), r#""a";r=0;t=9"#);
        assert_eq!(told, Signals::default(), "{other}");
    }
}

#[test]
fn the_stricter_of_the_providers_own_and_these_counts() {
    let own = |remaining, policy, left| {
        read(&[
            ("ratelimit-policy", policy),
            ("ratelimit", left),
            ("x-ratelimit-limit-requests", "60"),
            ("x-ratelimit-remaining-requests", remaining),
            ("x-ratelimit-reset-requests", "7s"),
        ])
        .requests
    };
    let told = (r#""p";q=100;w=60"#, r#""p";r=5;t=30"#);
    assert_eq!(own("4", told.0, told.1), quota(60, 4, 7));
    assert_eq!(own("5", told.0, told.1), quota(100, 5, 30));
    assert_eq!(own("6", told.0, told.1), quota(100, 5, 30));
    assert_eq!(own("6", told.0, "nonsense;"), quota(60, 6, 7));
}

#[test]
fn earlier_drafts_are_read() {
    let words = read(&[("ratelimit", "limit=100, remaining=50, reset=30")]);
    assert_eq!(words.requests, quota(100, 50, 30));
    let three = read(&[
        ("ratelimit-limit", "100, 100;w=60, 5000;w=3600"),
        ("ratelimit-remaining", "0"),
        ("ratelimit-reset", "30"),
    ]);
    assert_eq!((three.requests, three.wait()), (quota(100, 0, 30), Some(Duration::from_secs(30))));
}

#[test]
fn what_is_malformed_says_nothing() {
    let policy = r#""default";q=100;w=60"#;
    for left in [
        "",
        "default;r=0;t=9",
        r#""default";t=9"#,
        r#""default";r=-1;t=9"#,
        r#""default";r=0.5;t=9"#,
        r#""default";r="0";t=9"#,
        r#""default";r=1000000000000000;t=9"#,
        r#""default";r=0;t=9,"#,
        r#""default;r=0;t=9"#,
        r#""default";r=0;t=9 "other";r=0"#,
        r#"("default");r=0;t=9"#,
        r#""other";r=0;t=9"#,
        "remaining=-1, reset=9",
        "remaining=(0), reset=9",
    ] {
        assert_eq!(of(policy, left), Signals::default(), "{left}");
    }
    for policy in [r#""default";q=0;w=60"#, r#""other";q=1"#] {
        assert_eq!(of(policy, r#""default";r=0;t=9"#), Signals::default(), "{policy}");
    }
    let alone = read(&[("ratelimit", r#""default";r=0;t=9"#)]);
    for policy in [r#""default";q=-1;w=60"#, r#""default";w=60"#, r#""default";q=1;"#, "default"] {
        assert_eq!(of(policy, r#""default";r=0;t=9"#), alone, "{policy}");
    }
    let endless = of(r#""default";q=100;w=999999999999999"#, r#""default";r=0;t=999999999999999"#);
    assert_eq!(endless.requests.reset_after, None, "no such wait is believed");
    assert_eq!(read(&[("ratelimit-remaining", "-1"), ("ratelimit-reset", "9")]).wait(), None);
}

#[test]
fn no_more_is_read_or_remembered_than_is_bounded() {
    let many: Vec<String> = (0..200).map(|nth| format!(r#""n{nth}";r={}"#, 900 - nth)).collect();
    let mut fields = Fields::default();
    for line in many.chunks(30) {
        fields.field("", &line.join(","));
        fields.field("-policy", &line.join(",").replace(";r=", ";q="));
    }
    assert_eq!((fields.left.len(), fields.policies.len()), (MAX_LIMITS, MAX_LIMITS));
    let long = many.join(",").repeat(3);
    assert!(long.len() > MAX_VALUE_BYTES);
    assert_eq!(read(&[("ratelimit", &long)]), Signals::default());
}

proptest! {
    #[test]
    fn nothing_that_comes_panics_and_no_wait_is_endless(
        policy in r#"("[a-c\\\\]{0,2}"|[a-c(]);?(q|qu|w|pk)?=?[-0-9."a-z:?]{0,18},? ?"[a-c]"?;q=[0-9]{1,18}"#,
        left in prop_oneof![
            r#""[a-c]";r=[0-9]{1,17};t=[0-9]{1,17}"#,
            r#"[-a-z"0-9;=,.()?:@% ]{0,40}"#,
            r"(remaining|limit|reset)=[-0-9.]{1,18}, ?(remaining|limit|reset)=[0-9]{0,17}",
        ],
    ) {
        let names = ["ratelimit", "ratelimit-remaining", "ratelimit-limit", "ratelimit-reset"];
        let left = names.iter().map(|name| (*name, left.as_bytes()));
        let headers = left.chain([("ratelimit-policy", policy.as_bytes())]);
        let signals = Signals::read(429, headers, b"", Time::ZERO);
        prop_assert!(signals.wait().is_none_or(|wait| wait <= MAX_WAIT));
    }

    #[test]
    fn what_was_written_by_the_draft_is_read(
        name in "[ -~]{0,20}", limit in 1_u64..=999_999_999_999_999, left in 0_u64..=999_999_999_999_999,
        window in 1_u64..=31_000_000, reset in 0_u64..=31_000_000,
    ) {
        let name = name.replace('\\', r"\\").replace('"', r#"\""#);
        let told = of(&format!("\"{name}\";q={limit};w={window}"), &format!("\"{name}\";r={left};t={reset}"));
        prop_assert_eq!(told.requests, quota(limit, left, reset));
    }
}
