//! Which server is the master, by its sentinels.
//!
//! A sentinel that is cut off from the others names an old master for as long as that lasts, so
//! no single one is believed while others answer.

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use redis::Value;

use super::{
    error::{LinkError, Sent, Why},
    find::{NO_SENTINEL, ask_all},
    settings::{Address, LinkSettings},
};

/// What one sentinel says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Vote {
    master: Address,
    /// Grows with each change of the master.
    epoch: u64,
}

/// Asks all sentinels, and takes the master that most of those name that answer in time; of two
/// that equally many name, the one of the newest epoch.
///
/// # Errors
/// When none names one.
pub(super) async fn master(settings: &LinkSettings, name: &str) -> Result<Address, LinkError> {
    let sentinels = settings.addresses();
    let mut asked: FuturesUnordered<_> =
        sentinels.iter().map(|sentinel| vote(settings, sentinel, name)).collect();
    let mut error = LinkError::away(Why::NoMaster, Sent::No);
    let mut votes = Vec::new();
    while let Some(answer) = asked.next().await {
        match answer {
            Ok(vote) => votes.extend(vote),
            Err(refused @ (LinkError::Refused(_) | LinkError::Failed(_))) => error = refused,
            Err(LinkError::Away(_)) => {}
        }
        // Whatever the others say, nobody waits for one that does not answer.
        if let Some((master, for_it)) = elect(&votes)
            && for_it > sentinels.len() / 2
        {
            return Ok(master);
        }
    }
    elect(&votes).map(|(master, _)| master).ok_or(error)
}

/// What one sentinel says, if it knows a master of this name.
async fn vote(
    settings: &LinkSettings,
    sentinel: &Address,
    name: &str,
) -> Result<Option<Vote>, LinkError> {
    let command = |what: &str| {
        let mut command = redis::cmd("SENTINEL");
        command.arg(what).arg(name);
        command
    };
    let client = settings.sentinel(sentinel)?;
    let commands = [command("GET-MASTER-ADDR-BY-NAME"), command("MASTER")];
    let [address, facts] = ask_all(settings, client, commands, NO_SENTINEL).await?;
    let master = read_master(&address, sentinel.is_tls);
    Ok(master.map(|master| Vote { master, epoch: read_epoch(facts) }))
}

/// The master that most name, and how many do.
fn elect(votes: &[Vote]) -> Option<(Address, usize)> {
    let rank = |vote: &&Vote| {
        let same = votes.iter().filter(|other| other.master == vote.master);
        (same.clone().count(), same.map(|vote| vote.epoch).max())
    };
    let best = votes.iter().max_by_key(rank)?;
    Some((best.master.clone(), rank(&best).0))
}

/// A host and a port; servers are reached as their sentinels are.
fn read_master(answer: &Value, is_tls: bool) -> Option<Address> {
    let Value::Array(address) = answer else { return None };
    let [Value::BulkString(host), Value::BulkString(port)] = &address[..] else { return None };
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    Some(Address { host: text(host)?, port: text(port)?.parse().ok()?, is_tls })
}

/// The epoch among a sentinel's facts of a master; 0 where it is not told.
fn read_epoch(facts: Value) -> u64 {
    let facts: Vec<String> = redis::from_redis_value(facts).unwrap_or_default();
    let pair = facts.chunks_exact(2).find(|pair| pair[0] == "config-epoch");
    pair.and_then(|pair| pair[1].parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_votes_win_and_the_newest_epoch_where_they_are_equal() {
        let master = |port| Address { host: "host".to_owned(), port, is_tls: false };
        let elected = |votes: &[(u16, u64)]| {
            let vote = |&(port, epoch): &(u16, u64)| Vote { master: master(port), epoch };
            elect(&votes.iter().map(vote).collect::<Vec<_>>())
        };
        assert_eq!(elected(&[]), None);
        assert_eq!(elected(&[(1, 9), (2, 3), (2, 3)]), Some((master(2), 2)));
        assert_eq!(elected(&[(1, 3), (2, 4)]), Some((master(2), 1)));
        assert_eq!(elected(&[(1, 4), (2, 3)]), Some((master(1), 1)));
    }
}
