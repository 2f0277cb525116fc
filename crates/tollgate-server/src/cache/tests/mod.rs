//! Answers that are kept, and many requests for the same one at once.

mod files;
mod flights;
mod recordings;

use std::time::Duration;

use bytes::Bytes;
use compact_str::CompactString;
use tollgate::Clock;
use tollgate_core::{Amounts, Time};

use super::{Answers, Errand, Kept, Key, Labels, Looked};

const KEY: Key = Key([7; 32]);
const LONG: Duration = Duration::from_secs(3_600);

fn of_user(name: &str) -> Labels {
    Labels { user: Some(CompactString::from(name)), ..Labels::default() }
}

/// Brings an answer that is known by a number.
fn bring(errand: Errand, number: u64) -> bool {
    errand.bring(|labels, begun| Kept {
        content_type: None,
        body: Bytes::new(),
        usage: Amounts { requests: number, ..Amounts::default() },
        since: Time::ZERO,
        wall: Time::ZERO,
        expires: Time::MAX,
        gone: Time::MAX,
        labels,
        begun,
    })
}

async fn look(answers: &Answers, user: &str, wait: Duration) -> Looked {
    answers.look(KEY, of_user(user), wait, &Clock::set_at(Time::ZERO)).await
}

#[track_caller]
fn goes(looked: Looked) -> Errand {
    match looked {
        Looked::Go(errand) => errand,
        Looked::Kept(kept) | Looked::Brought(kept) => panic!("there was {kept:?}"),
    }
}
