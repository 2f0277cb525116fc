//! Limits that make no sense, and what is said about them.

use super::bad::assert_limit_wrong;

/// Lines of a limit that make no sense, and what is said about them.
const LIMITS: &[(&str, &str)] = &[
    (
        "",
        "2:1: limit `x` does not say what it counts (give it one of requests, tokens, input_tokens, output_tokens, usd, seconds, bucket, concurrency, sessions)",
    ),
    (
        "requests = \"1/s\"\nusd = \"1/day\"",
        "5:1: limit `x` counts several things: requests and usd (write a limit of its own for each)",
    ),
    (
        "requests = 10",
        "4:12: `limits.x.requests`: `10` is no rate: write an amount per time, like 10/minute or 100/15m",
    ),
    (
        "requests = \"10\"",
        "4:12: `limits.x.requests`: `10` is no rate: write an amount per time, like 10/minute or 100/15m",
    ),
    (
        "requests = \"10/fortnight\"",
        "4:12: `limits.x.requests`: `fortnight` is no unit of time: write second, minute, hour, day, week, month or total, or a length such as 15m",
    ),
    (
        "requests = \"-1/s\"",
        "4:12: `limits.x.requests`: `-1` is no amount: write a number like 5, 180000 or 0.25, at least 0 and with at most 9 decimals",
    ),
    (
        "requests = \"1.5/s\"",
        "4:12: `limits.x.requests`: requests are counted in whole units, and 1.5 is none",
    ),
    (
        "requests = \"99999999999999999999/s\"",
        "4:12: `limits.x.requests`: `99999999999999999999` is no amount: write a number like 5, 180000 or 0.25, at least 0 and with at most 9 decimals",
    ),
    (
        "requests = \"9999999999999999999/s\"",
        "4:12: `limits.x.requests`: 9999999999999999999 requests are more than can be counted",
    ),
    (
        "requests = \"500/month\"",
        "4:12: `limits.x.requests`: a window cannot last a month, since months differ: write 30d, or { amount = …, per = \"month\", kind = \"period\" } for the calendar's",
    ),
    (
        "usd = \"0.0000000001/day\"",
        "4:7: `limits.x.usd`: `0.0000000001` is no amount: write a number like 5, 180000 or 0.25, at least 0 and with at most 9 decimals",
    ),
    (
        "usd = { amount = 5, per = \"hour\", kind = \"period\" }",
        "4:7: `limits.x.usd`: `hour` is no calendar period: write day, week, month or total, or kind = \"window\"",
    ),
    (
        "usd = { amount = 5, per = \"day\", kind = \"concurrency\" }",
        "4:41: `limits.x.usd.kind`: `concurrency` is not known in this version (the choices are window, period, bucket)",
    ),
    ("usd = { amount = 5 }", "4:7: `limits.x.usd`: `per` is missing"),
    (
        "usd = { amount = 5, per = \"day\", burst = 3 }",
        "4:7: `limits.x.usd`: only a bucket has a burst: say kind = \"bucket\" or leave it out",
    ),
    (
        "bucket = { rate = \"0/s\" }",
        "4:10: `limits.x.bucket`: a bucket that is never refilled is of no use: write a rate above 0, or concurrency = 0 to close",
    ),
    (
        "bucket = { rate = \"1/month\" }",
        "4:10: `limits.x.bucket`: a bucket cannot last a month, since months differ: write 30d, or { amount = …, per = \"month\", kind = \"period\" } for the calendar's",
    ),
    (
        "bucket = { rate = \"0.5/s\" }",
        "4:10: `limits.x.bucket`: 0.5 requests are no whole number: say how much the bucket holds with `burst`",
    ),
    (
        "bucket = { rate = \"1/s\", tokens = 0.5 }",
        "4:10: `limits.x.bucket`: requests are counted in whole units, and 0.5 is none",
    ),
    ("bucket = \"1/s\"", "4:10: `limits.x.bucket`: expected a table, found the text `1/s`"),
    (
        "concurrency = \"5/minute\"",
        "4:15: `limits.x.concurrency`: `5/minute` is no amount: write a number like 5, 180000 or 0.25, at least 0 and with at most 9 decimals",
    ),
    (
        "concurrency = -1",
        "4:15: `limits.x.concurrency`: `-1` is no amount: write a number like 5, 180000 or 0.25, at least 0 and with at most 9 decimals",
    ),
    (
        "sessions = { max = 5, idle = \"0s\" }",
        "4:12: `limits.x.sessions`: sessions that are gone at once count nothing: write an idle time above 0",
    ),
    (
        "usd = { amount = 5, per = \"total\", kind = \"window\" }",
        "4:7: `limits.x.usd`: a window has a length, and a total has none: leave the kind out, or write kind = \"period\"",
    ),
    (
        "usd = \"5/total\"\ntimezone = \"Europe/Berlin\"",
        "5:12: `limits.x.timezone`: a time zone is for calendar periods, and this limit has none",
    ),
    (
        "requests = \"1/s\"\ntimezone = \"UTC\"",
        "5:12: `limits.x.timezone`: a time zone is for calendar periods, and this limit has none",
    ),
    (
        "usd = \"1/day\"\ntimezone = \"Europe/Berlim\"",
        "5:12: `limits.x.timezone`: `Europe/Berlim` is no time zone: write one like UTC or Europe/Berlin",
    ),
    (
        "requests = \"1/s\"\nstatus = 200",
        "5:10: `limits.x.status`: 200 is no status of a refusal: write one from 400 to 599, such as 429 or 503",
    ),
    (
        "requests = \"1/s\"\nper = [\"user\", \"user\"]",
        "5:7: `limits.x.per`: `user` is there twice",
    ),
    (
        "requests = \"1/s\"\nper = \"user\"",
        "5:7: `limits.x.per`: expected a list, found the text `user`",
    ),
    (
        "requests = \"1/s\"\nper = [\"User\"]",
        "5:8: `limits.x.per.1`: `User` is no name: a name has small letters, digits, `-` and `_`, at most 64",
    ),
    (
        "requests = \"1/s\"\nwhen = { model = [] }",
        "5:18: `limits.x.when.model`: an empty list matches nothing: write what to match",
    ),
    (
        "requests = \"1/s\"\ntiers = { a = 5 }",
        "5:15: `limits.x.tiers.a`: `5` is no rate: write an amount per time, like 10/minute or 100/15m",
    ),
    (
        "requests = \"1/s\"\ntiers = { a = \"5/minute\" }",
        "5:15: `limits.x.tiers.a`: a tier changes how much, not what is counted or how often: write it as requests is written",
    ),
    (
        "requests = \"1/s\"\ntiers = { a = { amount = 5, per = \"s\", kind = \"bucket\" } }",
        "5:15: `limits.x.tiers.a`: a tier changes how much, not what is counted or how often: write it as requests is written",
    ),
    (
        "concurrency = 1\ntiers = { a = \"5/minute\" }",
        "5:15: `limits.x.tiers.a`: `5/minute` is no amount: write a number like 5, 180000 or 0.25, at least 0 and with at most 9 decimals",
    ),
    (
        "requests = \"10/s\"\nminimum = 11",
        "5:11: `limits.x.minimum`: it is more than the limit itself allows",
    ),
    (
        "requests = \"10/s\"\ntighten = { budget = \"nobody\" }",
        "5:22: `limits.x.tighten.budget`: there is no limit of that name that is kept for all together: `nobody`",
    ),
    (
        "usd = \"10/total\"\ntighten = { budget = \"x\" }",
        "5:22: `limits.x.tighten.budget`: it has no calendar period, and so no pace: `x`",
    ),
    (
        "requests = { amount = 5, per = \"day\", kind = \"period\" }\ntighten = { budget = \"x\" }",
        "5:22: `limits.x.tighten.budget`: it counts no money: `x`",
    ),
];

#[test]
fn limits_that_make_no_sense_are_refused() {
    for (text, expected) in LIMITS {
        assert_limit_wrong(text, expected);
    }
}
