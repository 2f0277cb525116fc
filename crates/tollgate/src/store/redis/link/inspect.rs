//! Looks at a server when a line to it is made: whether it is a master, new enough, and keeps
//! what it is told. What the user may not ask is not held against the server.

use std::{str::FromStr, sync::Arc};

use redis::{Cmd, Value};
use tokio::time::timeout;

use super::{
    Memory,
    error::{LinkError, Sent, Why},
    node::{Line, Node},
    settings::Topology,
};

/// The least version of a server, by major and minor.
const LEAST: (u32, u32) = (7, 0);

/// Sees that a line leads to a master.
///
/// A replica may be set to take writes, which its master never hears of and which it loses.
///
/// # Errors
/// When it does not.
pub(super) async fn is_master(node: &Node, line: &Line) -> Result<(), LinkError> {
    // In a cluster a replica sends who asks it to its master.
    if node.settings().topology == Topology::Cluster {
        return Ok(());
    }
    let Some(Value::Array(role)) = ask(node, line, &redis::cmd("ROLE")).await? else {
        return Ok(());
    };
    match role.first() {
        Some(Value::BulkString(role)) if role != b"master" => {
            Err(LinkError::away(Why::ReadOnly, Sent::No))
        }
        _ => Ok(()),
    }
}

/// Sees that a server is new enough, and warns where it may evict what it is told.
///
/// # Errors
/// When it is too old, or does not answer.
pub(super) async fn server(node: &Node, line: &Line) -> Result<(), LinkError> {
    if let Some(told) = info(node, line, "server").await? {
        is_new_enough(&told)?;
    }
    let told = memory(node, line).await?;
    let address = node.address();
    let warning = match &told {
        Some(told) => risk(told).map(|policy| evicts(&address.host, address.port, &policy)),
        None => None,
    };
    if told.is_none() && node.eviction().is_unasked() {
        tracing::info!(
            host = %address.host, port = address.port,
            "whether Redis may evict accounts cannot be seen, since the user may not ask INFO: \
             see to it that maxmemory-policy is noeviction"
        );
    }
    if let Some(warning) = node.eviction().set_warning(warning) {
        tracing::warn!("{warning}");
    }
    evicted(node, line).await
}

/// Sees how full the memory of a server is; what it says of it, if the user may ask.
///
/// # Errors
/// When it does not answer.
pub(super) async fn memory(node: &Node, line: &Line) -> Result<Option<String>, LinkError> {
    let told = info(node, line, "memory").await?;
    let of = |name| told.as_deref().and_then(|told| field::<u64>(told, name));
    let memory = Memory::of(of("used_memory"), of("maxmemory"), of("total_system_memory"));
    node.eviction().set_memory(memory);
    Ok(told)
}

/// Sees whether a server that may evict has done so since it was looked at last.
///
/// # Errors
/// When it does not answer.
pub(super) async fn evicted(node: &Node, line: &Line) -> Result<(), LinkError> {
    if node.eviction().warning().is_none() {
        return Ok(());
    }
    let told = info(node, line, "stats").await?;
    if let Some(count) = told.as_deref().and_then(|told| field::<u64>(told, "evicted_keys")) {
        node.eviction().count(count);
    }
    Ok(())
}

/// A section of what a server says of itself; nothing if the user may not ask.
async fn info(node: &Node, line: &Line, section: &str) -> Result<Option<String>, LinkError> {
    let mut command = redis::cmd("INFO");
    command.arg(section);
    let answer = ask(node, line, &command).await?;
    Ok(answer.and_then(|answer| redis::from_redis_value(answer).ok()))
}

/// An answer; nothing if it is refused.
async fn ask(node: &Node, line: &Line, command: &Cmd) -> Result<Option<Value>, LinkError> {
    let error = match timeout(node.settings().timeout, line.ask(command)).await {
        Ok(Ok(answer)) => return Ok(Some(answer)),
        Ok(Err(error)) => LinkError::of(&error),
        Err(_) => LinkError::away(Why::Timeout, Sent::Perhaps),
    };
    match error {
        LinkError::Refused(_) | LinkError::Failed(_) => Ok(None),
        away @ LinkError::Away(_) => Err(away),
    }
}

/// A field of what a server says of itself.
fn field<T: FromStr>(told: &str, name: &str) -> Option<T> {
    let mut lines = told.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(known, _)| *known == name)?.1.trim().parse().ok()
}

/// Whether the version is one that the scripts are written for. One that is not told passes.
fn is_new_enough(told: &str) -> Result<(), LinkError> {
    let Some(version) = field::<String>(told, "redis_version") else { return Ok(()) };
    let mut parts = version.split('.').map(|part| part.parse().ok());
    let (Some(Some(major)), Some(Some(minor))) = (parts.next(), parts.next()) else {
        return Ok(());
    };
    if (major, minor) >= LEAST {
        return Ok(());
    }
    Err(LinkError::refused(&format!(
        "the server is Redis {major}.{minor}, and {}.{} is needed at least; use a newer Redis, or \
         Valkey",
        LEAST.0, LEAST.1
    )))
}

/// By which policy a server may evict.
fn risk(told: &str) -> Option<String> {
    let limit: u64 = field(told, "maxmemory")?;
    field::<String>(told, "maxmemory_policy").filter(|policy| limit > 0 && policy != "noeviction")
}

fn evicts(host: &str, port: u16, policy: &str) -> Arc<str> {
    format!(
        "Redis at {host}:{port} evicts keys when its memory is full (maxmemory-policy {policy}): \
         slots that are taken, windows and what was spent would be forgotten, and limits passed; \
         set it by `CONFIG SET maxmemory-policy noeviction` and in its configuration"
    )
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_number_and_one_that_is_unknown_passes() {
        for (version, is_enough) in
            [("6.2.14", false), ("7.0.0", true), ("10.1", true), ("7", true), ("255.255.255", true)]
        {
            let told = format!("# Server\r\nredis_version:{version}\r\nredis_mode:standalone\r\n");
            assert_eq!(is_new_enough(&told).is_ok(), is_enough, "{version}");
        }
        assert!(is_new_enough("").is_ok());
    }

    #[test]
    fn a_server_is_a_risk_where_its_memory_has_a_limit_and_a_policy_that_evicts() {
        let told = |limit: u64, policy: &str| {
            format!("maxmemory:{limit}\r\nmaxmemory_human:1M\r\nmaxmemory_policy:{policy}\r\n")
        };
        assert_eq!(risk(&told(0, "allkeys-lru")), None);
        assert_eq!(risk(&told(1, "noeviction")), None);
        assert_eq!(risk(&told(1, "volatile-ttl")), Some("volatile-ttl".to_owned()));
    }
}
