//! In what nodes do not agree that share their numbers, though they should.

use tollgate::store::redis::nodes::{Facts, Members};

/// What they do not agree in, and what there is to say of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) of: &'static str,
    pub(crate) sentence: String,
}

/// All that nodes should agree in.
pub(crate) const SUBJECTS: [&str; 5] = ["changes", "clock", "name", "policy", "secret"];

/// The furthest that a node's clock may be from that of Redis, in microseconds.
const APART: i64 = 5_000_000;

/// By what all say of themselves, and what keeps this one from hearing of the others' changes.
pub(super) fn of(members: &Members, trouble: Option<String>) -> Vec<Difference> {
    let mut found = Vec::new();
    if let Some(why) = trouble {
        let sentence = format!("this node does not hear of all that is changed at others: {why}");
        found.push(Difference { of: "changes", sentence });
    }
    if members.ahead_micros.unsigned_abs() > APART.unsigned_abs() {
        let seconds = members.ahead_micros.unsigned_abs() / 1_000_000;
        let way = if members.ahead_micros > 0 { "ahead of" } else { "behind" };
        let sentence = format!(
            "the clock of this node is {seconds} s {way} that of Redis: periods of budgets and emergencies end at the wrong time"
        );
        found.push(Difference { of: "clock", sentence });
    }
    if members.is_doubled {
        let sentence = "another process has the name of this node: give each a name of its own by [store] node";
        found.push(Difference { of: "name", sentence: sentence.to_owned() });
    }
    let policies = several(members, |facts| &facts.policy);
    if policies > 1 {
        let sentence = format!(
            "the nodes that live serve {policies} policies: limits may be passed until those that lag behind are reloaded"
        );
        found.push(Difference { of: "policy", sentence });
    }
    let secrets = several(members, |facts| &facts.secret);
    if secrets > 1 {
        let sentence = format!(
            "the nodes that live have {secrets} secrets: give all the same TOLLGATE_SECRET, or keys that one makes are refused by others"
        );
        found.push(Difference { of: "secret", sentence });
    }
    found
}

/// How many different ones the nodes that live have.
fn several(members: &Members, what: impl Fn(&Facts) -> &str) -> usize {
    let live = members.nodes.iter().filter(|node| node.is_live);
    let all: std::collections::BTreeSet<&str> =
        live.map(|node| what(&node.facts)).filter(|text| !text.is_empty()).collect();
    all.len()
}

#[cfg(test)]
mod tests {
    use tollgate::store::redis::nodes::Node;

    use super::*;

    fn node(policy: &str, secret: &str, is_live: bool) -> Node {
        Node {
            name: policy.to_owned(),
            process: 1,
            silent: std::time::Duration::ZERO,
            is_live,
            facts: Facts {
                policy: policy.to_owned(),
                secret: secret.to_owned(),
                ..Facts::default()
            },
        }
    }

    fn found(members: &Members, trouble: Option<&str>) -> Vec<&'static str> {
        let all = of(members, trouble.map(str::to_owned));
        assert!(all.iter().all(|one| SUBJECTS.contains(&one.of)), "{all:?}");
        all.into_iter().map(|one| one.of).collect()
    }

    #[test]
    fn nodes_that_agree_differ_in_nothing_and_the_dead_do_not_count() {
        let nodes = vec![node("p", "s", true), node("p", "s", true), node("q", "t", false)];
        let members = Members { nodes, ahead_micros: -APART, ..Members::default() };
        assert!(found(&members, None).is_empty());
        let starting = vec![node("p", "s", true), node("", "", true)];
        assert!(found(&Members { nodes: starting, ..Members::default() }, None).is_empty());
    }

    #[test]
    fn each_difference_is_told_by_its_name() {
        let nodes = vec![node("p", "s", true), node("q", "t", true)];
        let members =
            Members { nodes, ahead_micros: APART + 1, is_doubled: true, ..Members::default() };
        assert_eq!(found(&members, Some("it is forged")), SUBJECTS);
        let behind = Members { ahead_micros: -63_000_000, ..Members::default() };
        let told = of(&behind, None).remove(0).sentence;
        assert!(told.contains("63 s behind"), "{told}");
    }
}
