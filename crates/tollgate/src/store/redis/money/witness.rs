//! Whether Redis has lost what it had acknowledged, and what of it a replica has.
//!
//! A number that grows is written beside each look, and what stood there before is read with it:
//! less than what was acknowledged means that writes are lost, as by a restart without files. A
//! failover to a replica that lags by less than a look shows by the name of the server's history,
//! which is another one then.

use std::collections::VecDeque;

use parking_lot::Mutex;
use redis::from_redis_value;
use tollgate_core::Amounts;

use super::Written;
use crate::store::redis::{Link, LinkError, link::Topology};

/// What this process writes to see whether it stays.
#[derive(Debug)]
pub(in crate::store::redis) struct Witness {
    /// This process, for the name of its key.
    process: u64,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    written: u64,
    acknowledged: u64,
    history: Option<String>,
    /// How far the history was, and what was granted before, the oldest first.
    marks: VecDeque<(u64, Amounts)>,
}

/// What a server tells of its history.
#[derive(Debug, Clone, PartialEq, Eq)]
struct History {
    name: String,
    /// How far it is.
    offset: u64,
    /// How far the replica is that has most of it, if there are replicas.
    replicated: Option<u64>,
}

/// For how long it stays; a node that is away for longer counts it as lost.
const KEPT_SECONDS: u64 = 86_400;

/// Marks that wait until a replica has passed them.
const MAX_MARKS: usize = 64;

impl Default for Witness {
    fn default() -> Self {
        Self { process: rand::random(), seen: Mutex::default() }
    }
}

impl Witness {
    /// One look; whether something was lost since the last one.
    pub(in crate::store::redis) async fn look(
        &self,
        link: &Link,
        written: &Written,
    ) -> Result<bool, LinkError> {
        let so_far = written.total();
        let next = {
            let mut seen = self.seen.lock();
            seen.written += 1;
            seen.written
        };
        let key = format!("{}:{{0}}:w:{:016x}", link.settings().prefix, self.process);
        let mut set = redis::cmd("SET");
        set.arg(key).arg(next).arg("GET").arg("EX").arg(KEPT_SECONDS);
        let before: Option<u64> = from_redis_value(link.command(&set).await?).unwrap_or_default();
        let history = match link.settings().topology {
            // Each of its masters has one of its own.
            Topology::Cluster => None,
            Topology::Single | Topology::Sentinel(_) => {
                let mut info = redis::cmd("INFO");
                info.arg("replication");
                let told: Option<String> = from_redis_value(link.command(&info).await?).ok();
                told.and_then(|told| History::read(&told))
            }
        };
        let (is_lost, safe) = self.seen.lock().note(next, before, history, so_far);
        if let Some(safe) = safe {
            written.acknowledge(&safe);
        }
        Ok(is_lost)
    }
}

impl Seen {
    /// Takes note of a look: whether something was lost, and what a replica has by now.
    fn note(
        &mut self,
        next: u64,
        before: Option<u64>,
        history: Option<History>,
        so_far: Amounts,
    ) -> (bool, Option<Amounts>) {
        let is_less = self.acknowledged > 0 && before.unwrap_or(0) < self.acknowledged;
        self.acknowledged = self.acknowledged.max(next);
        let Some(History { name, offset, replicated }) = history else { return (is_less, None) };
        let is_another = self.history.as_ref().is_some_and(|known| *known != name);
        self.history = Some(name);
        if is_another {
            self.marks.clear();
        }
        let Some(replicated) = replicated else {
            // There is nothing to fail over to, and any other loss is seen before it matters.
            self.marks.clear();
            return (is_less || is_another, Some(so_far));
        };
        if self.marks.len() == MAX_MARKS {
            self.marks.pop_back();
        }
        self.marks.push_back((offset, so_far));
        let mut safe = None;
        while let Some((_, amounts)) = self.marks.pop_front_if(|(mark, _)| *mark <= replicated) {
            safe = Some(amounts);
        }
        (is_less || is_another, safe)
    }
}

impl History {
    /// Reads what `INFO replication` tells.
    fn read(told: &str) -> Option<Self> {
        let fields = || told.lines().filter_map(|line| line.split_once(':'));
        let field = |name: &str| fields().find(|(key, _)| *key == name).map(|(_, value)| value);
        let replicas = fields().filter(|(key, _)| {
            key.strip_prefix("slave").is_some_and(|nth| nth.parse::<u32>().is_ok())
        });
        let offsets = replicas.map(|(_, replica)| {
            let mut facts = replica.split(',').filter_map(|fact| fact.split_once('='));
            let offset = facts.find(|(key, _)| *key == "offset");
            offset.and_then(|(_, offset)| offset.parse().ok()).unwrap_or(0)
        });
        Some(Self {
            name: field("master_replid")?.to_owned(),
            offset: field("master_repl_offset")?.parse().ok()?,
            replicated: offsets.max(),
        })
    }
}

#[cfg(test)]
mod tests {
    use tollgate_core::NanoUsd;

    use super::*;

    const TOLD: &str = "# Replication\r\nrole:master\r\nconnected_slaves:2\r\n\
        slave0:ip=127.0.0.1,port=1,state=online,offset=90,lag=0\r\n\
        slave1:ip=127.0.0.1,port=2,state=online,offset=95,lag=1\r\n\
        master_replid:abc\r\nmaster_replid2:000\r\nmaster_repl_offset:100\r\n";

    fn costs(nanos: u64) -> Amounts {
        Amounts { cost: NanoUsd(nanos), ..Amounts::default() }
    }

    fn history(name: &str, offset: u64, replicated: Option<u64>) -> Option<History> {
        Some(History { name: name.to_owned(), offset, replicated })
    }

    #[test]
    fn a_server_tells_its_history() {
        let told = TOLD.replace("        ", "");
        assert_eq!(History::read(&told), history("abc", 100, Some(95)));
        let alone = "role:master\r\nmaster_replid:abc\r\nmaster_repl_offset:0\r\n";
        assert_eq!(History::read(alone), history("abc", 0, None));
        assert_eq!(History::read("role:master\r\n"), None);
    }

    #[test]
    fn less_than_was_acknowledged_is_lost() {
        let mut seen = Seen::default();
        let same = || history("abc", 1, None);
        assert!(!seen.note(1, None, same(), costs(0)).0, "it was never written before");
        assert!(!seen.note(2, Some(1), same(), costs(0)).0);
        assert!(!seen.note(4, Some(3), same(), costs(0)).0, "one had no answer");
        assert!(seen.note(5, Some(3), same(), costs(0)).0);
        assert!(seen.note(6, None, same(), costs(0)).0);
        assert!(!seen.note(7, Some(6), same(), costs(0)).0);
        assert!(seen.note(8, Some(7), history("def", 1, None), costs(0)).0);
        assert!(!seen.note(9, Some(8), history("def", 1, None), costs(0)).0);
    }

    #[test]
    fn what_a_replica_has_passed_is_safe() {
        let mut seen = Seen::default();
        assert_eq!(seen.note(1, None, history("abc", 10, Some(5)), costs(1)).1, None);
        assert_eq!(seen.note(2, Some(1), history("abc", 20, Some(12)), costs(2)).1, Some(costs(1)));
        let both = seen.note(3, Some(2), history("abc", 30, Some(30)), costs(3)).1;
        assert_eq!(both, Some(costs(3)));
        let alone = seen.note(4, Some(3), history("abc", 40, None), costs(4)).1;
        assert_eq!(alone, Some(costs(4)), "nobody could take over");
    }
}
