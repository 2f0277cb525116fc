//! How many wait before a limit, for whoever watches.

use std::collections::HashMap;

use tollgate_core::{LimitId, queue::Room};

/// How many wait before one limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QueueDepth {
    /// The limit.
    pub limit: LimitId,
    /// How many wait before all of its accounts, also those who wait for a place.
    pub waiting: usize,
    /// How full its fullest room is, from 0 to 1.
    pub fullest: f64,
}

impl QueueDepth {
    /// Of one room before a limit.
    pub fn of<T>(limit: LimitId, room: &Room<T>) -> Self {
        let (places, size) = (room.waiting(), room.rules().size.max(1));
        let fullest = (places as f64 / size as f64).min(1.0);
        Self { limit, waiting: places + room.blocked(), fullest }
    }

    /// Those of all rooms of each limit; nothing of rooms in which nobody waits.
    pub fn by_limit(rooms: impl IntoIterator<Item = Self>) -> Vec<Self> {
        let mut all: HashMap<LimitId, Self> = HashMap::new();
        for depth in rooms.into_iter().filter(|depth| depth.waiting > 0) {
            let sum = all.entry(depth.limit).or_insert(Self { waiting: 0, ..depth });
            sum.waiting += depth.waiting;
            sum.fullest = sum.fullest.max(depth.fullest);
        }
        all.into_values().collect()
    }
}
