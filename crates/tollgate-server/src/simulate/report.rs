//! What all runs together say, and what they recommend.

use std::time::Duration;

use serde::Serialize;

use super::{
    row::{InTheWay, Row, Verdict},
    scene::{Crowding, Scene, Variation},
};

/// What was found. Serialised as one JSON object.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) policy: String,
    /// What was asked for.
    pub(crate) model: Option<String>,
    pub(crate) seed: u64,
    pub(crate) rows: Vec<Row>,
    pub(crate) needs: Vec<Needs>,
    pub(crate) recommendation: Recommendation,
    pub(crate) assumptions: Vec<String>,
}

/// What so many users take where nothing is in their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Needs {
    pub(crate) users: u32,
    /// In the minute that has the most.
    pub(crate) requests_per_minute: u64,
    pub(crate) tokens_per_minute: u64,
    pub(crate) at_once: u64,
    /// Limits that leave a quarter of room above that, and a place for every user at once.
    pub(crate) limits: Limits,
    /// Instances of which each serves so many requests at once: for the most there were at once,
    /// and for all users at once.
    pub(crate) instances_least: u64,
    pub(crate) instances_most: u64,
    pub(crate) at_once_each: u64,
}

/// Limits to set, each a round number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Limits {
    pub(crate) requests_per_minute: u64,
    pub(crate) tokens_per_minute: u64,
    pub(crate) concurrency: u64,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Recommendation {
    /// The most users of those tried of whom, and of all fewer, less than 2 % are throttled.
    pub(crate) users: Option<u32>,
    /// What is in the way of more.
    pub(crate) raise: Option<InTheWay>,
    pub(crate) sentence: String,
}

impl Report {
    /// What rows of a scene say; those without limits say what users need, where an instance
    /// serves so many requests `at_once`.
    pub(crate) fn new(policy: String, scene: &Scene, rows: Vec<Row>, at_once: u64) -> Self {
        let (free, rows): (Vec<Row>, Vec<Row>) =
            rows.into_iter().partition(|row| row.variation == Variation::Unlimited);
        Self {
            policy,
            model: scene.model.clone(),
            seed: scene.seed,
            needs: free.iter().map(|row| Needs::of(row, at_once)).collect(),
            recommendation: Recommendation::of(&rows),
            rows,
            assumptions: assumptions(scene),
        }
    }

    /// The rows of one variation.
    pub(crate) fn of(&self, variation: Variation) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.variation == variation)
    }

    /// The variations there are, in their order.
    pub(crate) fn variations(&self) -> Vec<Variation> {
        let all = Variation::ALL.into_iter();
        all.filter(|variation| self.of(*variation).next().is_some()).collect()
    }
}

impl Needs {
    /// How many instances of what size, as people say it.
    pub(crate) fn instances(&self) -> String {
        let Self { instances_least: least, instances_most: most, at_once_each: each, .. } = self;
        if least == most {
            format!("{least} of {each}")
        } else {
            format!("{least} to {most} of {each}")
        }
    }

    fn of(row: &Row, at_once_each: u64) -> Self {
        let instances = |at_once: u64| at_once.div_ceil(at_once_each.max(1)).max(1);
        let least = instances(row.at_once);
        Self {
            users: row.users,
            requests_per_minute: row.peak_requests_per_minute,
            tokens_per_minute: row.peak_tokens_per_minute,
            at_once: row.at_once,
            limits: Limits {
                requests_per_minute: with_room(row.peak_requests_per_minute),
                tokens_per_minute: with_room(row.peak_tokens_per_minute),
                concurrency: with_room(row.at_once.max(row.users.into())),
            },
            instances_least: least,
            instances_most: instances(row.users.into()).max(least),
            at_once_each,
        }
    }
}

/// A quarter more, up to the next round number: an even one up to 10, a multiple of five up to 50,
/// one of ten up to 100, and so on with each digit.
pub(super) fn with_room(number: u64) -> u64 {
    let mut wanted = number.saturating_add(number.div_ceil(4)).max(1);
    let mut scale = 1_u64;
    while wanted > 100 {
        (wanted, scale) = (wanted.div_ceil(10), scale * 10);
    }
    let step = match wanted {
        ..=10 => 2,
        11..=50 => 5,
        _ => 10,
    };
    wanted.next_multiple_of(step).saturating_mul(scale)
}

impl Recommendation {
    /// What the rows of the whole policy come to.
    fn of(rows: &[Row]) -> Self {
        let mut whole: Vec<&Row> =
            rows.iter().filter(|row| row.variation == Variation::Whole).collect();
        whole.sort_by_key(|row| row.users);
        let is_good = |row: &Row| row.verdict == Verdict::Good && row.failed == 0;
        let good = whole.iter().take_while(|row| is_good(row)).count();
        let best = good.checked_sub(1).map(|nth| whole[nth]);
        let beyond = whole.get(good).copied();
        let raise = beyond.and_then(|row| row.in_the_way.first()).cloned();
        let mut sentence = match best {
            Some(row) => format!("{} users are served well: {}", row.users, throttled(row)),
            None => "Not even the fewest users are served well".to_owned(),
        };
        match beyond {
            Some(row) => sentence.push_str(&format!("; of {} users, {}", row.users, met(row))),
            None if best.is_some() => sentence.push_str(", and more were not tried"),
            None => {}
        }
        sentence.push('.');
        if let (Some(row), Some(raise)) = (beyond, &raise) {
            let all = row.in_the_way.iter().map(|it| it.refused + it.waited).sum();
            let share = crate::load::percent(raise.refused + raise.waited, all);
            let what = match &raise.allows {
                Some(allows) => format!("`{}` ({allows})", raise.name),
                None => format!("what is in the way as `{}`", raise.name),
            };
            sentence.push_str(&format!(
                " Raise {what} first: it was in the way of {share:.0} % of those that waited for a limit or were refused."
            ));
        }
        Self { users: best.map(|row| row.users), raise, sentence }
    }
}

/// What of a row's requests was throttled, and how long the others waited.
fn throttled(row: &Row) -> String {
    let waits = match row.waits_us {
        Some(waits) if waits.most > 0 => format!(
            "waits of {:.1} s at p95 and {:.1} s at most",
            row.wait_seconds(|waits| waits.p95),
            row.wait_seconds(|waits| waits.most),
        ),
        _ => "no waits".to_owned(),
    };
    format!("{} % throttled, {waits}", percentage(row.throttled_percent))
}

fn met(row: &Row) -> String {
    let mut met = format!("{} % are throttled", percentage(row.throttled_percent));
    if row.failed > 0 {
        met.push_str(&format!(" and {} of {} requests fail", row.failed, row.asked));
    }
    met
}

/// A percentage as people read it: none is not rounded to none.
pub(crate) fn percentage(percent: f64) -> String {
    match percent {
        0.0 => "0".to_owned(),
        percent if percent < 0.1 => "< 0.1".to_owned(),
        percent => format!("{percent:.1}"),
    }
}

/// What is taken for granted.
fn assumptions(scene: &Scene) -> Vec<String> {
    let answers = format!("a model takes {} for an answer, however many it makes", scene.answer);
    let mut all = match &scene.crowding {
        Crowding::Users { think, size, lasts } => vec![
            format!(
                "{} minutes of users who each think {think}, ask, wait for the answer and think again",
                minutes(*lasts)
            ),
            format!(
                "a request sends {} tokens and lets {} be made, which it uses; it asks for no stream",
                size.0.input, size.0.output
            ),
        ],
        Crowding::Trace(trace) => vec![format!(
            "{} requests of a trace come when they came, whatever became of those before, dealt over users of whom few ask for most",
            trace.rows().len()
        )],
    };
    all.push(answers);
    all.push(
        "who is refused thinks again before asking anew; SDKs that retry at once ask more"
            .to_owned(),
    );
    all.push(
        "each model of each provider is simulated, with limits of its own where they are given"
            .to_owned(),
    );
    if let Some(patience) = scene.patience {
        all.push(format!("users wait for {} s at most", patience.as_secs_f64()));
    }
    all
}

fn minutes(lasts: Duration) -> String {
    let minutes = format!("{:.1}", lasts.as_secs_f64() / 60.0);
    minutes.strip_suffix(".0").unwrap_or(&minutes).to_owned()
}
