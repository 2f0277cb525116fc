//! `lease.lua` grants what the core's account grants, whatever is asked and given back when.

use std::time::Duration;

use proptest::{collection::vec, prelude::*, strategy::ValueTree, test_runner::TestRunner};
use redis_servers::Server;
use tollgate::{
    conformance::NOON,
    store::redis::{
        Link, LinkSettings, Shared, SharedSettings, TimeSource,
        leases::{LeaseAsk, Lessor},
    },
};
use tollgate_core::{
    Charge, Kind, LimitId, Now, Rule, ScopeId, Time, Unit, Warn,
    lease::{Account, Ask, Back, Terms},
};

/// One step: how long after the one before, what is asked, and which of the grants before is
/// given back how much of, in hundredths.
#[derive(Debug, Clone)]
struct Step {
    wait: u64,
    need: u64,
    least: u64,
    want: u64,
    over: u64,
    back: Option<(usize, u64)>,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let back = prop::option::of((0..40_usize, 0..=100_u64));
    let step = (0..900_000_u64, 0..80_u64, 1..20_u64, 0..150_u64, 0..3_u64, back);
    let step = step.prop_map(|(wait, need, least, want, over, back)| Step {
        wait,
        need,
        least: least.min(need),
        want: want.max(need),
        over,
        back,
    });
    vec(step, 1..40)
}

fn kinds() -> impl Strategy<Value = Kind> {
    let second = 1_000_000_000;
    prop_oneof![
        Just(Kind::Window { length_ns: 6 * second }),
        Just(Kind::Window { length_ns: 60 * second }),
        Just(Kind::Bucket { rate: 100, per_ns: second }),
        Just(Kind::Bucket { rate: 7, per_ns: second / 3 }),
    ]
}

/// What was granted, as both tell it, and what of it was not given back yet.
struct Granted {
    ours: Time,
    theirs: Time,
    amount: u64,
}

#[tokio::test]
async fn the_script_grants_what_the_model_grants() {
    let server = Server::start().await.unwrap();
    let mut link = LinkSettings::of(&server.url()).unwrap();
    link.timeout = Duration::from_secs(10);
    let settings = SharedSettings { time: TimeSource::Caller, ..SharedSettings::default() };
    let shared = Shared::new(Link::connect(&link).await.unwrap(), &settings);
    let mut runner = TestRunner::default();
    let cases = (kinds(), 65..300_u64, steps());
    for nth in 0..runner.config().cases {
        let (kind, cap, steps) = cases.new_tree(&mut runner).unwrap().current();
        agree(&shared, &format!("case-{nth}"), Rule { kind, cap }, &steps).await;
    }
}

async fn agree(shared: &Shared, key: &str, rule: Rule, steps: &[Step]) {
    let (mut account, terms) = (Account::new(&rule), Terms::default());
    let (limit, warn) = (LimitId(77 << 11), Warn::NEVER);
    let charge = Charge { limit, rule, unit: Unit::Requests, amount: 0, shadow: false, warn };
    let mut grants: Vec<Granted> = Vec::new();
    let mut now = NOON;
    for (nth, step) in steps.iter().enumerate() {
        now = now.after(Duration::from_micros(step.wait));
        let mut ours = Ask {
            need: step.need,
            least: step.least,
            want: step.want,
            over: step.over,
            ..Ask::default()
        };
        let mut theirs = ours.clone();
        if let Some((which, hundredths)) = step.back
            && let Some(grant) = grants.get_mut(which)
        {
            let amount = grant.amount * hundredths / 100;
            grant.amount -= amount;
            ours.back.push(Back { stamp: grant.ours, amount });
            theirs.back.push(Back { stamp: grant.theirs, amount });
        }
        let told = LeaseAsk { scope: ScopeId(5), key: key.into(), charge, ask: theirs };
        let place = shared.place(key);
        let answer = shared.lease(place, &[told], (2, &terms), Now::at(now)).await.unwrap();
        let answer = answer[0].expect("it can be leased");
        let want = account.ask(&rule, 2, &ours, &terms, now);
        let told = format!("step {nth} of {steps:?} with {rule:?}");
        let micros = |lasts: Duration| lasts.as_micros();
        if matches!(rule.kind, Kind::Window { .. }) {
            assert_eq!(answer.grant.amount, want.amount, "{told}");
            assert_eq!(answer.left, account.room(&rule, now), "{told}");
            assert_eq!(micros(answer.grant.lasts), micros(want.lasts), "{told}");
        } else {
            if micros(answer.grant.lasts) != micros(want.lasts) {
                // One found just room enough for a long lease and the other did not.
                return;
            }
            // Rounded by a microsecond or two at each step, and never in the node's favour.
            let granted = answer.grant.amount;
            assert!(granted <= want.amount, "{granted} of {}, {told}", want.amount);
            let just_short = granted == 0 && want.amount <= step.least + 2;
            assert!(granted + 2 >= want.amount || just_short, "{granted}, {told}");
            let back = Back { stamp: want.stamp, amount: want.amount - granted };
            let equal = Ask { back: [back].into_iter().collect(), ..Ask::default() };
            account.ask(&rule, 2, &equal, &terms, now);
        }
        grants.push(Granted {
            ours: want.stamp,
            theirs: answer.grant.stamp,
            amount: answer.grant.amount.min(want.amount),
        });
    }
}
