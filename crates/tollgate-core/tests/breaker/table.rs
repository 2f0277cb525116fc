//! The table of cases. Where a case does not say otherwise, five failures in a row open the
//! breaker for 30 s, three probes at once have leases of 330 s, and three successes close it.

use crate::story::Story;

const CONSECUTIVE: &str = r#"{"failure_rate": 0}"#;
const RATE_OF_CALLS: &str =
    r#"{"failures": 0, "failure_rate": 0.5, "window": "10 calls", "min_calls": 4}"#;
const RATE_OF_TIME: &str =
    r#"{"failures": 0, "failure_rate": 0.5, "window": "60s", "min_calls": 4}"#;
const SLOW: &str = r#"{"failures": 0, "failure_rate": 0, "slow_rate": 0.5,
    "slow_after": "10s", "window": "10 calls", "min_calls": 4}"#;
const ONE_PROBE: &str = r#"{"failures": 1, "probes": 1, "successes": 2, "probe_lease": "20s"}"#;
const OBSERVE: &str = r#"{"mode": "observe", "failures": 2, "probes": 1, "successes": 1}"#;

#[rustfmt::skip]
const STORIES: &[Story] = &[
    // By failures in a row.
    Story { name: "one failure less than the threshold leaves it closed", settings: CONSECUTIVE, lines: "
        0s fail x4
        0s is closed
        1s fail
        1s is open until 31s
        1s told: closed > open (failures)" },
    Story { name: "a success between failures begins the row anew", settings: CONSECUTIVE, lines: "
        0s fail x4
        0s ok
        0s fail x4
        0s is closed
        0s fail
        0s is open until 30s" },
    Story { name: "ten failures in a row and 60 s, as the team has it", settings: r#"{"failures": 10, "recovery": "60s"}"#, lines: "
        0s fail x9
        0s is closed
        5s fail
        5s refused until 65s
        64.9s refused until 65s
        65s a probes" },
    Story { name: "failures do not count in a row where that is off", settings: RATE_OF_CALLS, lines: "
        0s ok x5
        0s fail x4
        0s is closed" },

    // By rate over a number of calls.
    Story { name: "too few calls say nothing about a rate", settings: RATE_OF_CALLS, lines: "
        0s fail x3
        0s is closed
        0s fail
        0s told: closed > open (failure rate)" },
    Story { name: "a rate just below its threshold leaves it closed", settings: RATE_OF_CALLS, lines: "
        0s ok x3
        0s fail x2
        0s is closed
        0s fail
        0s is open until 30s" },
    Story { name: "a success can complete the number of calls that a rate needs", settings: RATE_OF_CALLS, lines: "
        0s fail x3
        0s ok
        0s is open until 30s" },
    Story { name: "a window of calls forgets the oldest call with each new one", settings: RATE_OF_CALLS, lines: "
        0s ok x6
        0s fail x4
        0s counts 10 failed 4 slow 0
        9s ok x8
        9s counts 10 failed 2 slow 0
        9999s counts 10 failed 2 slow 0" },

    // By rate over a length of time.
    Story { name: "a window of time forgets what is older", settings: RATE_OF_TIME, lines: "
        0s fail x3
        30s ok
        30s is open until 60s" },
    Story { name: "failures of an earlier minute do not open it", settings: RATE_OF_TIME, lines: "
        0s fail x3
        59.9s counts 3 failed 3 slow 0
        60s counts 0 failed 0 slow 0
        60s fail x3
        60s is closed" },
    Story { name: "a window of time moves on by tenths", settings: RATE_OF_TIME, lines: "
        5.9s ok x3
        6s ok x3
        59.9s counts 6 failed 0 slow 0
        60s counts 3 failed 0 slow 0
        66s counts 0 failed 0 slow 0" },
    Story { name: "an idle day empties a window of time", settings: RATE_OF_TIME, lines: "
        0s fail x3
        86400s counts 0 failed 0 slow 0" },

    // Slow calls.
    Story { name: "slow successes open it by their rate", settings: SLOW, lines: "
        0s ok x2
        0s slow
        0s counts 3 failed 0 slow 1
        0s slow
        0s told: closed > open (slow calls)" },
    Story { name: "slow calls do not count where no rate of them is set", settings: CONSECUTIVE, lines: "
        0s slow x50
        0s is closed" },
    Story { name: "a slow success is a success between failures", settings: CONSECUTIVE, lines: "
        0s fail x4
        0s slow
        0s fail x4
        0s is closed" },
    Story { name: "a slow failure is both", settings: SLOW, lines: "
        0s slow fail
        0s counts 1 failed 1 slow 1" },
    Story { name: "a slow probe opens it again where slow calls count", settings: SLOW, lines: "
        0s slow x4
        30s slow
        30s told: closed > open (slow calls), open > half-open (time is up), half-open > open (slow probe)" },

    // Open.
    Story { name: "it opens for its time and not a nanosecond less", settings: CONSECUTIVE, lines: "
        0s fail x5
        29.999999999s is open until 30s
        30s is half-open with 0 probes and 0 successes
        30s told: closed > open (failures), open > half-open (time is up)" },
    Story { name: "a provider's retry time is respected where it is longer", settings: CONSECUTIVE, lines: "
        0s fail x4
        0s fail after 90s
        89s refused until 90s
        90s a probes" },
    Story { name: "a provider's retry time does not cut the recovery short", settings: CONSECUTIVE, lines: "
        0s fail x4
        0s fail after 1s
        0s is open until 30s" },
    Story { name: "a provider's retry time has a bound", settings: r#"{"failures": 1, "max_recovery": "10m"}"#, lines: "
        0s fail after 86400s
        0s is open until 600s" },

    // Half-open.
    Story { name: "no more probes at once than allowed", settings: CONSECUTIVE, lines: "
        0s fail x5
        30s a probes
        30s b probes
        30s c probes
        31s is half-open with 3 probes and 0 successes
        31s refused until 390s or by a probe
        32s a ends ok
        32s d probes
        32s refused until 390s or by a probe" },
    Story { name: "three successes close it, and it counts anew", settings: CONSECUTIVE, lines: "
        0s fail x5
        30s ok x2
        30s is half-open with 0 probes and 2 successes
        30s ok
        30s is closed
        30s counts 0 failed 0 slow 0
        30s fail x4
        30s is closed" },
    Story { name: "one failed probe opens it again for all of its time", settings: CONSECUTIVE, lines: "
        0s fail x5
        30s ok x2
        33s fail
        33s is open until 63s
        63s is half-open with 0 probes and 0 successes" },
    Story { name: "a failed probe's retry time counts", settings: CONSECUTIVE, lines: "
        0s fail x5
        30s fail after 100s
        30s is open until 130s" },
    Story { name: "a probe whose result never comes opens it again when its lease ends", settings: ONE_PROBE, lines: "
        0s fail
        30s a probes
        49.9s refused until 80s or by a probe
        50s is open until 80s
        80s b probes
        80s told: closed > open (failures), open > half-open (time is up), half-open > open (lost probe), open > half-open (time is up)" },
    Story { name: "nobody looks for a day: what happened meanwhile has happened", settings: ONE_PROBE, lines: "
        0s fail
        30s a probes
        86400s is half-open with 0 probes and 0 successes
        86400s told: closed > open (failures), open > half-open (time is up), half-open > open (lost probe), open > half-open (time is up)" },
    Story { name: "the result of a lost probe counts no more", settings: ONE_PROBE, lines: "
        0s fail
        30s a probes
        80s b probes
        80s a ends ok
        80s is half-open with 1 probes and 0 successes" },
    Story { name: "a probe that is alive keeps its lease", settings: ONE_PROBE, lines: "
        0s fail
        30s a probes
        49s a is alive
        68s a ends ok
        68s is half-open with 0 probes and 1 successes" },
    Story { name: "a lease that has ended is not renewed", settings: ONE_PROBE, lines: "
        0s fail
        30s a probes
        50s a is alive
        50s is open until 80s" },

    // Late results.
    Story { name: "a failure of a call begun before it opened does not open it again", settings: CONSECUTIVE, lines: "
        0s late begins
        0s fail x5
        30s ok x3
        31s is closed
        31s late ends fail
        31s counts 0 failed 0 slow 0" },
    Story { name: "a success of a call begun before it opened does not close it", settings: ONE_PROBE, lines: "
        0s late begins
        0s other begins
        0s fail
        1s late ends ok
        1s is open until 30s
        30s other ends ok
        30s is half-open with 0 probes and 0 successes" },
    Story { name: "a failure of a call begun before it opened makes it open no longer", settings: CONSECUTIVE, lines: "
        0s late begins
        0s fail x5
        20s late ends fail after 90s
        20s is open until 30s" },
    Story { name: "a probe that ends after another one failed is late", settings: CONSECUTIVE, lines: "
        0s fail x5
        30s a probes
        30s b probes
        31s a ends fail
        61s c probes
        61s b ends ok
        61s is half-open with 1 probes and 0 successes" },

    // What is nobody's fault but the caller's.
    Story { name: "ignored errors count as nothing", settings: CONSECUTIVE, lines: "
        0s fail x4
        0s ignored x100
        0s counts 4 failed 4 slow 0
        0s fail
        0s is open until 30s" },
    Story { name: "an ignored error gives its probe back", settings: ONE_PROBE, lines: "
        0s fail
        30s a probes
        30s a ends ignored
        30s is half-open with 0 probes and 0 successes
        30s b probes" },

    // 429s.
    Story { name: "429s never open it", settings: CONSECUTIVE, lines: "
        0s 429 after 60s x100
        0s is closed
        0s counts 0 failed 0 slow 0" },
    Story { name: "a 429 gives its probe back", settings: ONE_PROBE, lines: "
        0s fail
        30s ok
        30s 429
        30s is half-open with 0 probes and 1 successes
        30s ok
        30s is closed" },
    Story { name: "429s open it where the policy says so", settings: r#"{"failures": 2, "throttled": "failure"}"#, lines: "
        0s 429 x2
        0s is open until 30s" },

    // Forced, and observing.
    Story { name: "forced open refuses everything for good", settings: r#"{"mode": "open"}"#, lines: "
        0s is forced open
        0s refused for good
        86400s refused for good" },
    Story { name: "forced closed lets everything pass", settings: r#"{"mode": "closed", "failures": 1}"#, lines: "
        0s fail x100
        0s is forced closed
        0s counts 100 failed 100 slow 0" },
    Story { name: "what was forced begins closed and empty when it is let go", settings: CONSECUTIVE, lines: r#"
        0s fail x5
        1s set {"mode": "open"}
        2s refused for good
        3s set {}
        3s is closed
        3s told: closed > open (failures), open > forced open (set), forced open > closed (set)"# },
    Story { name: "observing counts, tells and never refuses", settings: OBSERVE, lines: "
        0s fail x2
        0s is open until 30s
        1s a would be refused until 30s
        1s a ends fail after 90s
        1s is open until 30s
        30s b probes
        30s c would be refused until 390s
        31s c ends fail
        31s is half-open with 1 probes and 0 successes
        32s b ends ok
        32s is closed" },
    Story { name: "other settings keep the state", settings: CONSECUTIVE, lines: r#"
        0s fail x4
        0s set {"failures": 6, "failure_rate": 0}
        0s fail
        0s is closed
        0s fail
        0s is open until 30s
        1s set {"recovery": "5s"}
        1s is open until 30s
        2s set {"recovery": "5s", "max_recovery": "10s"}
        2s is open until 12s"# },

    // Restarts.
    Story {
        name: "what was open is open after a restart",
        settings: CONSECUTIVE,
        lines: "
        0s fail x5
        10s restarts
        10s is open until 30s
        10s told: closed > open (resumed)
        30s a probes",
    },
    Story {
        name: "what was half-open begins to probe after a restart",
        settings: CONSECUTIVE,
        lines: "
        0s fail x5
        30s ok
        30s a probes
        31s restarts
        31s is half-open with 0 probes and 0 successes",
    },
    Story {
        name: "what was closed, or forced, is as the settings say after a restart",
        settings: CONSECUTIVE,
        lines: r#"
        0s fail x4
        1s restarts
        1s is closed
        1s fail x5
        2s set {"mode": "closed"}
        3s restarts
        3s is forced closed"#,
    },
    Story {
        name: "what another clock left is not waited for longer than the settings allow",
        settings: r#"{"failures": 1}"#,
        lines: r#"
        0s fail after 3600s
        1s set {"max_recovery": "60s"}
        1s restarts
        1s is open until 61s"#,
    },
    // Clocks.
    Story { name: "time that runs backwards is taken for no time", settings: CONSECUTIVE, lines: "
        100s is closed
        50s fail x5
        50s is open until 130s
        130s is half-open with 0 probes and 0 successes
        50s is half-open with 0 probes and 0 successes" },
];

#[test]
fn every_story_is_true() {
    let untrue: Vec<_> = STORIES.iter().filter_map(|story| story.tell().err()).collect();
    assert!(untrue.is_empty(), "{}", untrue.join("\n"));
}
