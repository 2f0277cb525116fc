//! What answers taught about what requests will use, for all requests of the process.

use std::hash::BuildHasher as _;

use foldhash::quality::RandomState;
use parking_lot::Mutex;
use tollgate_meter::{Learned, Lesson, OpenLesson};

/// What was learned, by models apart, so that two of them seldom wait for each other.
#[derive(Debug, Default)]
pub(crate) struct Lessons {
    shards: [Mutex<Learned>; SHARDS],
    hasher: RandomState,
}

const SHARDS: usize = 8;

impl Lessons {
    /// Takes note of what an answer used.
    pub(crate) fn note(&self, caller: &str, model: &str, lesson: &Lesson) {
        self.shard(model).lock().note(caller, model, lesson);
    }

    /// Asks what is known of a model.
    pub(crate) fn ask<T>(&self, model: &str, ask: impl FnOnce(&Learned) -> T) -> T {
        ask(&self.shard(model).lock())
    }

    /// What was learned of open input since the last time, as the next process is to find it.
    pub(crate) fn changed(&self) -> Vec<OpenLesson> {
        self.shards.iter().flat_map(|shard| shard.lock().changed()).collect()
    }

    /// This was not kept after all, so it is told again.
    pub(crate) fn not_kept(&self, lessons: &[OpenLesson]) {
        lessons.iter().for_each(|lesson| self.shard(&lesson.model).lock().not_kept(lesson));
    }

    /// Goes on with what another process has learned.
    pub(crate) fn resume(&self, lessons: &[OpenLesson]) {
        lessons.iter().for_each(|lesson| self.shard(&lesson.model).lock().resume(lesson));
    }

    fn shard(&self, model: &str) -> &Mutex<Learned> {
        &self.shards[self.hasher.hash_one(model) as usize % SHARDS]
    }
}
