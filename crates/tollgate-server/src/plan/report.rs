//! All that is planned for one server and one crowd.

use serde::Serialize;

use super::{
    hosting::{HOSTING, Hosting},
    memory::{Memory, memory_for, safe_limit},
    waves::{Crowd, Wave, Waves},
};

/// All that is planned.
#[derive(Debug, Serialize)]
pub(crate) struct Plan {
    pub(crate) ram_mb: Memory,
    pub(crate) session_mb: Memory,
    pub(crate) safe_limit: u64,
    /// How many sessions at once are planned for.
    pub(crate) sessions: u64,
    pub(crate) exceeds_safe_limit: bool,
    /// The least memory on which everybody could start at once.
    pub(crate) ram_for_all_mb: Memory,
    pub(crate) hosting: Vec<Hosted>,
    pub(crate) crowd: Crowd,
    /// Nothing where there is no session at all.
    pub(crate) waves: Option<Timetable>,
    pub(crate) assumptions: Vec<String>,
}

/// A hosting plan, and what the crowd would meet there.
#[derive(Debug, Serialize)]
pub(crate) struct Hosted {
    #[serde(flatten)]
    pub(crate) hosting: Hosting,
    pub(crate) safe_limit: u64,
    pub(crate) exceeds_safe_limit: bool,
    pub(crate) minutes_in_use: Option<u64>,
    pub(crate) minutes_at_safe_limit: Option<u64>,
}

/// The crowd's waves.
#[derive(Debug, Serialize)]
pub(crate) struct Timetable {
    #[serde(skip)]
    pub(crate) waves: Waves,
    pub(crate) count: u64,
    pub(crate) start_at_once: u64,
    pub(crate) wait: u64,
    pub(crate) total_minutes: u64,
    pub(crate) last_end_minutes: u64,
    pub(crate) longest_wait_minutes: u64,
    pub(crate) mean_wait_minutes: f64,
    pub(crate) listed: Vec<Wave>,
    /// Waves beyond those that are listed.
    pub(crate) not_listed: u64,
}

/// The most waves that are listed; the plan counts all of them.
const MAX_LISTED: usize = 1_000;

impl Plan {
    /// Plans for a server with so much memory, on `sessions` at once, or on as many as are
    /// safe where nothing is said.
    pub(crate) fn new(ram: Memory, session: Memory, sessions: Option<u32>, crowd: Crowd) -> Self {
        let safe_limit = safe_limit(ram, session);
        let sessions = sessions.map_or(safe_limit, u64::from);
        Self {
            ram_mb: ram,
            session_mb: session,
            safe_limit,
            sessions,
            exceeds_safe_limit: sessions > safe_limit,
            ram_for_all_mb: memory_for(crowd.sessions(), session),
            hosting: HOSTING.iter().map(|it| Hosted::new(*it, session, crowd)).collect(),
            crowd,
            waves: Waves::new(crowd, sessions).map(Timetable::new),
            assumptions: assumptions(crowd, session),
        }
    }
}

impl Hosted {
    fn new(hosting: Hosting, session: Memory, crowd: Crowd) -> Self {
        let minutes = |limit| Waves::new(crowd, limit).map(|waves| waves.total_minutes());
        let safe_limit = hosting.safe_limit(session);
        Self {
            hosting,
            safe_limit,
            exceeds_safe_limit: hosting.exceeds(session),
            minutes_in_use: minutes(hosting.sessions_in_use),
            minutes_at_safe_limit: minutes(safe_limit),
        }
    }
}

impl Timetable {
    fn new(waves: Waves) -> Self {
        let listed: Vec<_> = waves.iter().take(MAX_LISTED).collect();
        Self {
            waves,
            count: waves.count(),
            start_at_once: waves.started_at_once(),
            wait: waves.waiting(),
            total_minutes: waves.total_minutes(),
            last_end_minutes: waves.last_end_minutes(),
            longest_wait_minutes: waves.longest_wait_minutes(),
            mean_wait_minutes: waves.mean_wait_minutes(),
            not_listed: waves.count() - listed.len() as u64,
            listed,
        }
    }
}

/// What the plan takes for granted.
fn assumptions(crowd: Crowd, session: Memory) -> Vec<String> {
    let mut all = vec![
        format!("a session takes {session}, and sessions may take 80 % of the memory"),
        "everybody is there at the start and has one session".to_owned(),
        format!("a session lasts its {} min and is then ended, not left to time out", crowd.session_minutes),
        "the sessions of a wave start together; nobody takes a slot before the whole wave changes over"
            .to_owned(),
        format!(
            "a changeover of {} min follows every wave, the last one too",
            crowd.changeover_minutes
        ),
    ];
    if crowd.users_per_session > 1 {
        all.push(format!("{} users share one session", crowd.users_per_session));
    }
    all
}
