//! A timetable: who starts when, if not all can start at once.

use serde::Serialize;

/// A crowd that wants to use a server: whole numbers, so small that no product overflows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Crowd {
    pub(crate) users: u32,
    /// How many users share one session: 2 where they work in pairs; 0 counts as 1.
    pub(crate) users_per_session: u32,
    /// How long everybody's session lasts.
    pub(crate) session_minutes: u16,
    /// From the end of one wave's sessions to the start of the next wave's.
    pub(crate) changeover_minutes: u16,
}

/// The waves of a crowd on so many sessions at once: as many as fit start together, the next
/// as many after a session's length and a changeover, until everybody had a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waves {
    crowd: Crowd,
    /// At least 1.
    limit: u64,
}

/// One wave: the group that starts together. Times are from the first wave's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Wave {
    /// From 1 on.
    pub(crate) number: u64,
    /// The first session of the group, counted from 1 over the whole crowd.
    pub(crate) first: u64,
    /// The last one.
    pub(crate) last: u64,
    /// How many sessions start, which is what the group's size is.
    pub(crate) sessions: u64,
    /// When it starts, which is how long the group waits.
    #[serde(rename = "start_minutes")]
    pub(crate) start: u64,
    /// When its sessions end.
    #[serde(rename = "end_minutes")]
    pub(crate) end: u64,
}

impl Crowd {
    /// How many sessions it needs: users who share one count once.
    pub(crate) fn sessions(&self) -> u64 {
        u64::from(self.users.div_ceil(self.users_per_session.max(1)))
    }
}

impl Waves {
    /// Nothing where there is no session to take turns on.
    pub(crate) fn new(crowd: Crowd, limit: u64) -> Option<Self> {
        (limit > 0).then_some(Self { crowd, limit })
    }

    /// How many waves, which is how many groups.
    pub(crate) fn count(&self) -> u64 {
        self.crowd.sessions().div_ceil(self.limit)
    }

    /// How many sessions start at once.
    pub(crate) fn started_at_once(&self) -> u64 {
        self.crowd.sessions().min(self.limit)
    }

    /// How many wait for a later wave.
    pub(crate) fn waiting(&self) -> u64 {
        self.crowd.sessions() - self.started_at_once()
    }

    /// Minutes until everybody had a turn, each wave with its changeover, the last one too.
    pub(crate) fn total_minutes(&self) -> u64 {
        self.count() * self.turn()
    }

    /// Minutes until the last session ends.
    pub(crate) fn last_end_minutes(&self) -> u64 {
        self.total_minutes().saturating_sub(self.crowd.changeover_minutes.into())
    }

    /// Minutes that the last group waits.
    pub(crate) fn longest_wait_minutes(&self) -> u64 {
        self.count().saturating_sub(1) * self.turn()
    }

    /// Minutes that a session of the crowd waits in the mean; 0 for nobody.
    pub(crate) fn mean_wait_minutes(&self) -> f64 {
        let (sessions, count) = (self.crowd.sessions(), self.count());
        if sessions == 0 {
            return 0.0;
        }
        // Wave k of 0.. waits k turns; all but the last are full.
        let (last, limit) = ((count - 1) as f64, self.limit as f64);
        let in_last = sessions as f64 - last * limit;
        let waited = limit * last * (last - 1.0) / 2.0 + in_last * last;
        waited * self.turn() as f64 / sessions as f64
    }

    /// The waves in order.
    pub(crate) fn iter(self) -> impl Iterator<Item = Wave> {
        (0..self.count()).map(move |index| self.wave(index))
    }

    /// The last wave, where there is any.
    pub(crate) fn last(&self) -> Option<Wave> {
        self.count().checked_sub(1).map(|index| self.wave(index))
    }

    fn wave(&self, index: u64) -> Wave {
        let before = index * self.limit;
        let sessions = self.limit.min(self.crowd.sessions() - before);
        let start = index * self.turn();
        Wave {
            number: index + 1,
            first: before + 1,
            last: before + sessions,
            sessions,
            start,
            end: start + u64::from(self.crowd.session_minutes),
        }
    }

    fn turn(&self) -> u64 {
        u64::from(self.crowd.session_minutes) + u64::from(self.crowd.changeover_minutes)
    }
}
