//! What holds for every policy and every crowd, checked by counting the outcomes anew.

use proptest::prelude::*;

use super::*;

/// A limit of a random policy, as the naive check understands it.
#[derive(Debug, Clone, Copy)]
struct Rule {
    per_user: bool,
    kind: Kind,
    /// For how many seconds one waits, where there is a waiting room.
    queue: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Requests { most: u64, seconds: u64 },
    Tokens { most: u64, seconds: u64 },
    Slots { most: u64 },
    Bucket { per_minute: u64, burst: u64 },
}

/// Tokens of every request.
const TOKENS: u64 = 60;

impl Rule {
    fn text(self, nth: usize) -> String {
        let per = if self.per_user { "per = [\"user\"]\n" } else { "" };
        let says = match self.kind {
            Kind::Requests { most, seconds } => format!("requests = \"{most}/{seconds}s\""),
            Kind::Tokens { most, seconds } => format!("tokens = \"{most}/{seconds}s\""),
            Kind::Slots { most } => format!("concurrency = {most}"),
            Kind::Bucket { per_minute, burst } => {
                format!("bucket = {{ rate = \"{per_minute}/minute\", burst = {burst} }}")
            }
        };
        let queue = self.queue.map(|s| format!("queue = {{ size = 4, timeout = \"{s}s\" }}\n"));
        format!("[[limits]]\nname = \"l{nth}\"\n{per}{says}\n{}", queue.unwrap_or_default())
    }

    /// Nothing that ran was more than it allows, by counting alone. `ran` is in the order of
    /// admission.
    fn holds(self, ran: &[(Duration, Duration)]) {
        let within = |nth: usize, length: Duration| {
            ran[..=nth].iter().filter(|(at, _)| *at + length > ran[nth].0).count() as u64
        };
        for (nth, (at, _)) in ran.iter().enumerate() {
            match self.kind {
                Kind::Requests { most, seconds } => {
                    assert!(
                        within(nth, Duration::from_secs(seconds)) <= most,
                        "{self:?} at {at:?}"
                    );
                }
                Kind::Tokens { most, seconds } => {
                    let tokens = within(nth, Duration::from_secs(seconds)) * TOKENS;
                    assert!(tokens <= most, "{self:?} at {at:?}");
                }
                Kind::Slots { most } => {
                    let others = ran[..=nth].iter().filter(|(_, end)| end > at).count() as u64;
                    assert!(others <= most, "{self:?} at {at:?}");
                }
                Kind::Bucket { per_minute, burst } => {
                    for (before, (since, _)) in ran[..=nth].iter().enumerate() {
                        let due = per_minute as f64 * (*at - *since).as_secs_f64() / 60.0;
                        let came = (nth - before + 1) as f64;
                        assert!(came <= burst as f64 + due + 1e-6, "{self:?} at {at:?}");
                    }
                }
            }
        }
    }
}

fn rules() -> impl Strategy<Value = Vec<Rule>> {
    let kind = prop_oneof![
        (1_u64..12, 5_u64..90).prop_map(|(most, seconds)| Kind::Requests { most, seconds }),
        (8 * TOKENS..30 * TOKENS, 5_u64..90)
            .prop_map(|(most, seconds)| Kind::Tokens { most, seconds }),
        (1_u64..5).prop_map(|most| Kind::Slots { most }),
        (1_u64..60, 1_u64..6).prop_map(|(per_minute, burst)| Kind::Bucket { per_minute, burst }),
    ];
    let rule = (any::<bool>(), kind, prop::option::of(1_u64..20))
        .prop_map(|(per_user, kind, queue)| Rule { per_user, kind, queue });
    prop::collection::vec(rule, 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_and_no_limit_is_passed(
        rules in rules(),
        count in 1_u32..9,
        think_seconds in 1_u64..8,
        seed: u64,
    ) {
        let limits = rules.iter().enumerate().map(|(nth, rule)| rule.text(nth));
        let policy: String = limits.collect();
        let think = format!("0s..{think_seconds}s");
        let lasts = Duration::from_secs(90);
        let scene = Scene { seed, ..users(&think, &TOKENS.to_string(), lasts) };
        let (row, outcomes) = play(&policy, &scene, count, Variation::Whole);

        prop_assert_eq!(row.asked, row.served + row.refused + row.failed, "{}", policy);
        prop_assert_eq!(row.asked, outcomes.len() as u64);
        prop_assert_eq!(row.failed, 0, "{}", policy);
        let told: u64 = row.timeline.iter().map(|it| it.first + it.fallback + it.refused).sum();
        prop_assert_eq!(told, row.asked, "the plot shows all of them");
        for outcome in &outcomes {
            prop_assert!(outcome.asked <= lasts, "nobody asks afterwards");
            prop_assert!((1..=count).contains(&outcome.user));
        }
        let mut ran_by: Vec<(u32, (Duration, Duration))> =
            outcomes.iter().filter_map(|it| Some((it.user, ran(it)?))).collect();
        ran_by.sort_by_key(|(_, (at, _))| *at);
        for rule in rules {
            let users = if rule.per_user { 1..=count } else { 0..=0 };
            for user in users {
                let is_its = |it: &&(u32, _)| user == 0 || it.0 == user;
                let ran: Vec<_> = ran_by.iter().filter(is_its).map(|it| it.1).collect();
                rule.holds(&ran);
            }
        }
    }
}
