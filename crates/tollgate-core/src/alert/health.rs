//! How the whole is, in one number.
//!
//! ```text
//! score = 100 − 40 × worst − 40 × failed − 20 × refused − 20 × crowded,   at least 0
//! ```
//!
//! - *worst*: the trouble of the service that is worst off: the share of its calls that failed,
//!   0.5 at least while its circuit is half-open and was asked of late, 0.9 while it is open;
//! - *failed*: the share of all services' calls that failed;
//! - *refused*: the share of requests that were refused, whatever refused them;
//! - *crowded*: how full the fullest queue is beyond its half, from 0 to 1.
//!
//! All of the last minutes. A share is counted as if ten more had gone well, so that one
//! failure at night is no disaster. A process whose store fails has 0; one that does not serve yet
//! or any more has 50 at most. 90 and more is healthy, less than 50 critical.
//!
//! **More failures never raise it**, nor do more refusals, a longer queue or an opened circuit:
//! no part of it falls when one of these grows.

/// What the whole is judged by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Signs<'a> {
    /// Every service.
    pub services: &'a [Service],
    /// Requests that were admitted of late.
    pub admitted: u64,
    /// Requests that were refused of late.
    pub refused: u64,
    /// How full the fullest queue is, from 0 to 1.
    pub fullest: f64,
    /// Whether what is answered is kept as the store promises.
    pub is_stored: bool,
    /// Whether requests are taken.
    pub is_serving: bool,
}

/// How one service did of late.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Service {
    /// Calls that did what they were asked.
    pub served: u64,
    /// Calls that failed, or that the service turned away for being too many.
    pub failed: u64,
    /// Whether its circuit lets calls pass.
    pub path: Path,
}

/// Whether calls pass a circuit; of several circuits, the worst.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Path {
    /// It is closed: calls pass.
    #[default]
    Clear,
    /// Some may pass and show how the service is; where none asked of late, nobody waits for that.
    Probed,
    /// None pass.
    Blocked,
}

/// How something is, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Nobody asked it anything of late.
    Idle,
    /// It does what it is asked.
    Healthy,
    /// It does part of it.
    Degraded,
    /// It does little of it or nothing.
    Critical,
}

/// Calls and requests that are taken to have gone well beside those that were counted.
const BESIDE: u64 = 10;

/// From this score on all is well.
const HEALTHY: u8 = 90;
/// Below this score little is.
const CRITICAL: u8 = 50;

/// What each part of the score is worth.
const WORST: f64 = 40.0;
const FAILED: f64 = 40.0;
const REFUSED: f64 = 20.0;
const CROWDED: f64 = 20.0;

/// The trouble of a service that lets probes through alone, or nothing.
const PROBED: f64 = 0.5;
const BLOCKED: f64 = 0.9;

/// The most that a process has which takes no requests.
const NOT_SERVING: f64 = 50.0;

impl Signs<'_> {
    /// The score, from 0 to 100.
    pub fn score(&self) -> u8 {
        if !self.is_stored {
            return 0;
        }
        let worst = self.services.iter().map(Service::trouble).fold(0.0, f64::max);
        let served = sum(self.services, |service| service.served);
        let failed = share(sum(self.services, |service| service.failed), served);
        let refused = share(self.refused, self.admitted);
        let crowded = ((self.fullest - 0.5) * 2.0).clamp(0.0, 1.0);
        let most = if self.is_serving { 100.0 } else { NOT_SERVING };
        let lost = WORST * worst + FAILED * failed + REFUSED * refused + CROWDED * crowded;
        let score = (100.0 - lost).clamp(0.0, most).floor();
        // It is a whole number from 0 to 100.
        score as u8
    }
}

impl Service {
    /// The share of its calls that succeeded; nothing where there were none.
    pub fn success_rate(&self) -> Option<f64> {
        let calls = self.served.saturating_add(self.failed);
        (calls > 0).then(|| self.served as f64 / calls as f64)
    }

    /// How it is, in a word.
    pub fn status(&self) -> Status {
        match self.trouble() {
            _ if self.path == Path::Blocked => Status::Critical,
            trouble if trouble > 0.5 => Status::Critical,
            trouble if trouble > 0.1 => Status::Degraded,
            _ if self.is_idle() => Status::Idle,
            _ => Status::Healthy,
        }
    }

    /// Whether it was asked nothing of late.
    pub const fn is_idle(&self) -> bool {
        self.served == 0 && self.failed == 0
    }

    /// From 0 to 1.
    fn trouble(&self) -> f64 {
        let least = match self.path {
            Path::Clear => 0.0,
            Path::Probed if self.is_idle() => 0.0,
            Path::Probed => PROBED,
            Path::Blocked => BLOCKED,
        };
        share(self.failed, self.served).max(least)
    }
}

impl Status {
    /// How a whole of this score is.
    pub const fn of_score(score: u8) -> Self {
        match score {
            HEALTHY.. => Self::Healthy,
            CRITICAL.. => Self::Degraded,
            _ => Self::Critical,
        }
    }

    /// In a word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Critical => "critical",
        }
    }
}

fn sum(services: &[Service], of: impl Fn(&Service) -> u64) -> u64 {
    services.iter().map(of).fold(0, u64::saturating_add)
}

/// What went wrong as a share of all, beside what is taken to have gone well.
fn share(wrong: u64, well: u64) -> f64 {
    let all = wrong.saturating_add(well).saturating_add(BESIDE);
    wrong as f64 / all as f64
}
