//! Entries in memory: never more bytes than it may hold, none beyond its time, and none that
//! was cleared.
//!
//! What is evicted is chosen by how recently and how often it was asked for (`quick_cache`'s
//! CLOCK-Pro). That crate's table for one thread stands behind our lock, since its sharded one
//! bounds each shard by itself, and since flights must be looked up together with entries. It
//! knows no time, so an entry's end is looked at here, in the time that callers tell.

use std::sync::Arc;

use foldhash::fast::RandomState;
use quick_cache::{
    OptionsBuilder, Weighter,
    unsync::{Cache, DefaultLifecycle},
};
use serde::Serialize;
use tollgate_core::Time;

use super::{
    Key,
    labels::{Clearings, Labels, Mark, Selector},
};

/// What may stand on a shelf.
pub(super) trait Shelved {
    /// Bytes that it takes beside its place.
    fn bytes(&self) -> usize;

    /// From when on it is not there any more.
    fn gone(&self) -> Time;

    fn labels(&self) -> &Labels;
}

/// Entries in memory.
pub(super) struct Shelf<V> {
    entries: Cache<Key, Arc<V>, Weigh, RandomState, DefaultLifecycle<Key, Arc<V>>>,
    clearings: Clearings,
}

/// How much is kept, or was cleared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct Holding {
    /// Entries.
    pub(crate) entries: u64,
    /// Bytes of memory that they take.
    pub(crate) bytes: u64,
}

/// Weighs an entry in bytes.
#[derive(Debug, Clone, Copy)]
struct Weigh;

/// Bytes that an entry takes on the shelf itself and for its headers.
const PLACE_BYTES: u64 = 384;

/// What an entry is taken to weigh when the table is made; it grows.
const USUAL_BYTES: u64 = 16 << 10;

impl<V: Shelved> Weighter<Key, Arc<V>> for Weigh {
    fn weight(&self, _: &Key, entry: &Arc<V>) -> u64 {
        PLACE_BYTES + entry.bytes() as u64
    }
}

impl<V: Shelved> Shelf<V> {
    pub(super) fn of_bytes(max_bytes: u64) -> Self {
        let items = (max_bytes / USUAL_BYTES).clamp(16, 16_384) as usize;
        let mut options = OptionsBuilder::new();
        options.estimated_items_capacity(items).weight_capacity(max_bytes);
        // Both that it asks for are there.
        let options = options.build().unwrap_or_else(|_| unreachable!("bounds are given"));
        let entries = Cache::with_options(
            options,
            Weigh,
            RandomState::default(),
            DefaultLifecycle::default(),
        );
        Self { entries, clearings: Clearings::default() }
    }

    /// Holds no more than this from now on.
    pub(super) fn resize(&mut self, max_bytes: u64) {
        if self.entries.capacity() != max_bytes {
            self.entries.set_capacity(max_bytes);
        }
    }

    /// An entry whose time is not over.
    pub(super) fn find(&mut self, key: &Key, now: Time) -> Option<Arc<V>> {
        let entry = self.entries.get(key)?;
        if now < entry.gone() {
            return Some(Arc::clone(entry));
        }
        self.entries.remove(key);
        None
    }

    /// Puts an entry that was begun then in its place; whether it stands there now.
    pub(super) fn put(&mut self, key: Key, entry: Arc<V>, begun: Mark) -> bool {
        if self.is_cleared(entry.labels(), begun) {
            return false;
        }
        self.entries.insert(key, entry);
        self.entries.contains_key(&key)
    }

    pub(super) fn remove(&mut self, key: &Key, now: Time) -> bool {
        self.entries.remove(key).is_some_and(|(_, entry)| now < entry.gone())
    }

    /// How far clearing has come.
    pub(super) const fn mark(&self) -> Mark {
        self.clearings.mark()
    }

    /// Whether what has these labels was cleared since then.
    pub(super) fn is_cleared(&self, labels: &Labels, since: Mark) -> bool {
        self.clearings.cover(labels, since)
    }

    /// Takes away what is meant, for good: what is under way does not come back either.
    pub(super) fn clear(&mut self, selector: &Selector) -> Holding {
        self.clearings.note(selector.clone());
        self.sweep(|entry| selector.selects(entry.labels()))
    }

    /// How much is kept, once what is over is gone.
    pub(super) fn holding(&mut self, now: Time) -> Holding {
        self.sweep(|entry| entry.gone() <= now);
        Holding { entries: self.entries.len() as u64, bytes: self.entries.weight() }
    }

    fn sweep(&mut self, goes: impl Fn(&V) -> bool) -> Holding {
        let before = Holding { entries: self.entries.len() as u64, bytes: self.entries.weight() };
        self.entries.retain(|_, entry| !goes(entry));
        Holding {
            entries: before.entries - self.entries.len() as u64,
            bytes: before.bytes - self.entries.weight(),
        }
    }
}

impl<V> std::fmt::Debug for Shelf<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shelf").field("clearings", &self.clearings).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, time::Duration};

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug)]
    struct Thing {
        bytes: usize,
        expires: Time,
        labels: Labels,
    }

    impl Shelved for Thing {
        fn bytes(&self) -> usize {
            self.bytes
        }

        fn gone(&self) -> Time {
            self.expires
        }

        fn labels(&self) -> &Labels {
            &self.labels
        }
    }

    const MAX: u64 = 8_192;

    #[derive(Debug, Clone)]
    enum Step {
        Begin,
        /// Which of those that began ends, under which key, of whom, how large, for how long.
        Put {
            begun: prop::sample::Index,
            key: u8,
            user: u8,
            bytes: usize,
            millis: u64,
        },
        Find(u8),
        Remove(u8),
        Clear(Option<u8>),
        Pass(u64),
        Resize(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let put = (any::<prop::sample::Index>(), 0_u8..24, 0_u8..3, 0_usize..5_000, 0_u64..2_000)
            .prop_map(|(begun, key, user, bytes, millis)| Step::Put {
                begun,
                key,
                user,
                bytes,
                millis,
            });
        prop_oneof![
            2 => Just(Step::Begin),
            8 => put,
            6 => (0_u8..24).prop_map(Step::Find),
            1 => (0_u8..24).prop_map(Step::Remove),
            1 => prop::option::of(0_u8..3).prop_map(Step::Clear),
            2 => (0_u64..900).prop_map(Step::Pass),
            1 => (0_u64..MAX).prop_map(Step::Resize),
        ]
    }

    fn key(number: u8) -> Key {
        Key([number; 32])
    }

    fn user(number: u8) -> Option<compact_str::CompactString> {
        Some(number.to_string().into())
    }

    proptest! {
        #[test]
        fn it_never_holds_too_much_nor_gives_what_is_over_or_cleared(
            steps in prop::collection::vec(step(), 0..400),
        ) {
            let (mut shelf, mut now, mut max) = (Shelf::of_bytes(MAX), Time::ZERO, MAX);
            let mut begun = vec![shelf.mark()];
            // What may be found: the last that was put there and by what it was begun.
            let mut put: HashMap<u8, Arc<Thing>> = HashMap::new();
            let mut cleared: Vec<(Mark, Option<u8>)> = Vec::new();
            for step in steps {
                match step {
                    Step::Begin => begun.push(shelf.mark()),
                    Step::Put { begun: which, key: number, user: of, bytes, millis } => {
                        let since = begun[which.index(begun.len())];
                        let expires = now.after(Duration::from_millis(millis));
                        let labels = Labels { user: user(of), ..Labels::default() };
                        let thing = Arc::new(Thing { bytes, expires, labels });
                        let is_stale = cleared.iter().any(|(at, whose)| {
                            since <= *at && whose.is_none_or(|whose| whose == of)
                        });
                        let stands = shelf.put(key(number), Arc::clone(&thing), since);
                        prop_assert!(!(is_stale && stands), "cleared while it was under way");
                        if !is_stale {
                            put.insert(number, thing);
                        }
                    }
                    Step::Find(number) => {
                        if let Some(found) = shelf.find(&key(number), now) {
                            prop_assert!(now < found.expires);
                            prop_assert!(put.get(&number).is_some_and(|it| Arc::ptr_eq(it, &found)));
                        }
                    }
                    Step::Remove(number) => {
                        shelf.remove(&key(number), now);
                        put.remove(&number);
                    }
                    Step::Clear(whose) => {
                        cleared.push((shelf.mark(), whose));
                        let whose = whose.and_then(user);
                        shelf.clear(&Selector { user: whose.clone(), ..Selector::default() });
                        put.retain(|_, it| whose.is_some() && it.labels.user != whose);
                    }
                    Step::Pass(millis) => now = now.after(Duration::from_millis(millis)),
                    Step::Resize(to) => {
                        max = to;
                        shelf.resize(to);
                    }
                }
                let weighed: u64 = shelf.entries.iter().map(|(k, it)| Weigh.weight(k, it)).sum();
                prop_assert!(weighed <= max, "{weighed} of {max}");
                prop_assert_eq!(weighed, shelf.entries.weight());
            }
        }
    }

    #[test]
    fn what_is_asked_for_often_stays() {
        let mut shelf = Shelf::of_bytes(100 * PLACE_BYTES);
        let thing = || Arc::new(Thing { bytes: 0, expires: Time::MAX, labels: Labels::default() });
        for number in 0..200 {
            shelf.put(key(number), thing(), shelf.mark());
            shelf.find(&key(0), Time::ZERO);
        }
        assert!(shelf.find(&key(0), Time::ZERO).is_some());
        assert!(shelf.holding(Time::ZERO).entries <= 100);
    }

    #[test]
    fn what_is_too_large_takes_the_place_of_nothing() {
        let mut shelf = Shelf::of_bytes(MAX);
        let thing =
            |bytes| Arc::new(Thing { bytes, expires: Time::MAX, labels: Labels::default() });
        assert!(shelf.put(key(1), thing(100), shelf.mark()));
        assert!(!shelf.put(key(2), thing(MAX as usize), shelf.mark()));
        assert!(shelf.find(&key(1), Time::ZERO).is_some());
        assert_eq!(shelf.clear(&Selector::default()).entries, 1);
    }
}
