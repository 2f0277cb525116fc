//! Budgets that warn, and soft ones that do nothing else.

use super::{bad::assert_limit_wrong, load};

#[test]
fn budgets_warn_where_they_say_so() {
    let text = r#"
        [[limits]]
        name = "soft"
        usd = "5/day"
        soft = true
        [[limits]]
        name = "hard"
        tokens = "500/total"
        warn_at = [1.0, 0.55]
        [[limits]]
        name = "quiet"
        usd = "5/month"
        soft = true
        warn_at = []
        [[limits]]
        name = "plain"
        usd = "5/week"
    "#;
    let config = load(text).expect("a good policy");
    let limits = config.policy.limits().iter();
    let said: Vec<_> =
        limits.map(|limit| (limit.refuses(), limit.warn.percents().collect::<Vec<_>>())).collect();
    assert_eq!(
        said,
        [(false, vec![80, 100]), (true, vec![55, 100]), (false, vec![]), (true, vec![])]
    );
}

#[test]
fn only_budgets_are_soft_or_warn_and_shares_make_sense() {
    for (text, expected) in [
        (
            "requests = \"5/day\"\nsoft = true",
            "5:8: `limits.x.soft`: only a budget can be soft or warn: an amount per calendar day, week or month, or in all",
        ),
        (
            "concurrency = 5\nwarn_at = [0.5]",
            "5:11: `limits.x.warn_at`: only a budget can be soft or warn: an amount per calendar day, week or month, or in all",
        ),
        (
            "usd = \"5/day\"\nsoft = true\nshadow = true",
            "5:8: `limits.x.soft`: a limit is soft or in shadow: soft budgets warn, shadow limits report what they would refuse",
        ),
        (
            "usd = \"5/day\"\nwarn_at = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]",
            "5:11: `limits.x.warn_at`: at most 5 thresholds, not 6",
        ),
        (
            "usd = \"5/day\"\nwarn_at = [0.955]",
            "5:12: `limits.x.warn_at.1`: 0.955 is no threshold: write a share in whole percent from 0.01 to 2.55, like 0.8",
        ),
    ] {
        assert_limit_wrong(text, expected);
    }
}
