//! What alerts say, in one sentence each.

use tollgate_core::{
    NanoUsd,
    alert::{AlertName, Event},
    policy::settings::AlertRule,
};

use super::{
    Firing,
    conditions::{Scene, all_costs, cost},
};
use crate::nodes::Group;

/// What is said of one that begins.
pub(super) fn of(event: &Event, rule: &AlertRule, scene: &Scene<'_>) -> String {
    let (about, value) = (event.subject.as_str(), event.value.unwrap_or_default());
    let percent = (value * 100.0).round();
    let threshold = (rule.rule.threshold * 100.0).round();
    match event.name {
        AlertName::Budget => {
            let of = of_one(about, scene).map_or_else(String::new, of_at_least_one);
            format!(
                "{percent} % of the budget {about}{of} is used: the alert begins at {threshold} %"
            )
        }
        AlertName::BudgetExhausted => {
            let of = of_one(about, scene).map_or_else(String::new, of_at_least_one);
            let (nearly, percent) =
                if value < 1.0 { ("nearly ", percent.min(99.0)) } else { ("", percent) };
            format!("the budget {about}{of} is {nearly}used up, to {percent} %")
        }
        AlertName::CircuitOpen => circuit(about, scene),
        AlertName::CostSpike => spike(event, scene),
        AlertName::CriticalHealth => format!(
            "the health score is {value:.0}, below {:.0}: see GET /v1/monitor",
            rule.rule.threshold
        ),
        AlertName::FailOpen if away(scene).is_some() => {
            let why = away(scene).unwrap_or_default();
            format!("Redis is away, and each node decides by itself: {why}")
        }
        AlertName::FailOpen if !scene.look.is_stored => {
            "the store can't be written: what has a budget is not admitted".to_owned()
        }
        AlertName::FailOpen => format!("{value:.0} decisions could not be made by the store"),
        AlertName::FailureRate => {
            format!("{percent} % of the calls of {about} fail: the alert begins at {threshold} %")
        }
        AlertName::LowTokens => {
            format!("{percent} % of {about} are left: the alert begins below {threshold} %")
        }
        AlertName::NodesDisagree => {
            let differences = scene.app.group.as_ref().map(Group::differences).unwrap_or_default();
            let its = differences.into_iter().find(|one| one.of == about);
            its.map_or_else(|| format!("nodes do not agree: {about}"), |one| one.sentence)
        }
        AlertName::RedisMemory => memory(scene),
        AlertName::QueueFilling => {
            format!(
                "the queue of {about} is full to {percent} %: the alert begins at {threshold} %"
            )
        }
        AlertName::Refused => {
            format!("{percent} % of requests are refused: the alert begins at {threshold} %")
        }
        AlertName::Utilisation => {
            format!(
                "{percent} % of the sessions of {about} are taken: the alert begins at {threshold} %"
            )
        }
    }
}

/// What is said of one that is over.
pub(super) fn over(firing: &Firing) -> String {
    match &firing.subject {
        Some(subject) => format!("{} of {subject} is over", firing.name),
        None => format!("{} is over", firing.name),
    }
}

/// That nobody knows any more whether it holds.
pub(super) fn unwatched(firing: &Firing) -> String {
    let of = firing.subject.as_deref().map_or_else(String::new, |subject| format!(" of {subject}"));
    format!("{}{of} is watched no longer: the gateway stops", firing.name)
}

fn memory(scene: &Scene<'_>) -> String {
    let fullest = scene.app.group.as_ref().and_then(Group::fullest);
    let (of, percent) = fullest.map_or_else(
        || ("Redis".to_owned(), 0.0),
        |(server, memory)| (format!("Redis at {server}"), (memory.share() * 100.0).round()),
    );
    format!(
        "the memory of {of} is full to {percent} %, or it has evicted keys: what it does not keep is not counted; give it more memory and the policy noeviction"
    )
}

/// Why Redis is away, if it is.
fn away(scene: &Scene<'_>) -> Option<String> {
    scene.app.group.as_ref()?.away().map(|(_, why)| why)
}

/// Whose budget it is, where it is one user's or the like and not that of all together.
pub(super) fn of_one<'a>(budget: &str, scene: &Scene<'a>) -> Option<&'a str> {
    let mut of_all = scene.live.policy.limits().iter().filter(|limit| limit.name == budget);
    let first = of_all.next().filter(|first| !first.per.is_empty())?;
    of_all.all(|limit| !limit.per.is_empty()).then(|| match first.per.as_slice() {
        [attribute] => attribute.name(),
        _ => "account",
    })
}

fn of_at_least_one(who: &str) -> String {
    format!(" of at least one {who}")
}

fn circuit(about: &str, scene: &Scene<'_>) -> String {
    let service = scene.look.services.get(about);
    let model = service.and_then(|service| service.model.as_deref()).filter(|it| !it.is_empty());
    let (of, what) = match model {
        Some(model) => (format!(" for the model {model}"), "requests for it"),
        None => (String::new(), "requests for what it is open for"),
    };
    format!(
        "Circuit breaker of {about} is open{of}: {what} are not sent there until it answers well again"
    )
}

fn spike(event: &Event, scene: &Scene<'_>) -> String {
    let (about, costs) = if event.subject.is_empty() {
        ("all services together", all_costs(scene.look))
    } else {
        let service = scene.look.services.get(&event.subject);
        (event.subject.as_str(), service.map_or_else(|| all_costs(scene.look), cost))
    };
    let (minute, usual) = (NanoUsd(costs.0), NanoUsd(costs.1));
    format!(
        "Cost spike: {about} cost ${minute} in the last minute, where a minute usually costs ${usual}"
    )
}
