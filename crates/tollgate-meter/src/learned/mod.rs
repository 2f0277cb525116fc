//! What answers turned out to use, learned from those that told it.
//!
//! A request reserves what is likely instead of the worst that could be, so that others need
//! not wait for money that nobody will use. Nothing here is a bound: who reserves a likely
//! amount asks for more while the answer comes.

mod kept;
mod recent;
mod sketch;

use kept::Changed;
pub use kept::OpenLesson;
use recent::Recent;
use sketch::Sketch;

use crate::tokenizer::is_thinker;

/// What was learned, for callers and models apart.
#[derive(Debug)]
pub struct Learned {
    outputs: Recent<(String, String), Sketch>,
    opened: Recent<(String, String), Sketch>,
    models: Recent<String, Model>,
    /// Of which of those who opened something more was learned.
    changed: Changed,
}

/// What one answer taught.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lesson {
    /// Bytes of text that were sent, with the allowances of [`Input`](crate::Input); 0 where
    /// something else than text was sent.
    pub sent_bytes: u64,
    /// Tokens that they were.
    pub input_tokens: u64,
    /// What was read where the provider may have read more than was sent, in tokens; in seconds
    /// where it is heard. 0 elsewhere.
    pub opened: u64,
    /// Bytes of text that came; 0 where they were not told apart.
    pub made_bytes: u64,
    /// Tokens that were made.
    pub output_tokens: u64,
    /// Of these, tokens that were thought and not sent.
    pub hidden_tokens: u64,
}

#[derive(Debug, Default)]
struct Model {
    output: Sketch,
    opened: Sketch,
    /// Bytes to a token, in sixteenths.
    sent: Sketch,
    made: Sketch,
    /// Answers to come before it counts as one that shows all it makes.
    hides_for: u8,
}

/// Pairs of a caller and a model that are remembered.
const MAX_PAIRS: usize = 10_000;

/// Models that are remembered.
const MAX_MODELS: usize = 1_000;

const SIXTEENTHS: u64 = 16;

/// How many times the most that was read of late is relied on to bound what will be.
const OPEN_FACTOR: u64 = 2;

/// The share of requests whose text is denser than what is reserved for it, before the
/// margin.
const DENSE: f64 = 0.02;

/// Of the bytes to a token that were learned, so much is relied on.
const MARGIN_PERCENT: u64 = 80;

/// Answers that show all they make before a model is believed to do so.
const HIDING: u8 = 100;

impl Model {
    /// One of which nothing is known but its name.
    fn named(model: &str) -> Self {
        Self { hides_for: if is_thinker(model) { HIDING } else { 0 }, ..Self::default() }
    }
}

impl Default for Learned {
    fn default() -> Self {
        let (outputs, opened) = (Recent::new(MAX_PAIRS), Recent::new(MAX_PAIRS));
        Self { outputs, opened, models: Recent::new(MAX_MODELS), changed: Changed::default() }
    }
}

impl Learned {
    /// Takes note of what an answer used.
    pub fn note(&mut self, caller: &str, model: &str, lesson: &Lesson) {
        let pair = || (caller.into(), model.into());
        if lesson.output_tokens > 0 {
            self.outputs.entry(pair(), Sketch::default).note(lesson.output_tokens);
        }
        if lesson.opened > 0 {
            self.opened.entry(pair(), Sketch::default).note(lesson.opened);
            self.changed.note(caller, model);
        }
        let known = self.models.entry(model.into(), || Model::named(model));
        if lesson.output_tokens > 0 {
            known.output.note(lesson.output_tokens);
        }
        if lesson.opened > 0 {
            known.opened.note(lesson.opened);
        }
        note_density(&mut known.sent, lesson.sent_bytes, lesson.input_tokens);
        let shown = lesson.output_tokens.saturating_sub(lesson.hidden_tokens);
        note_density(&mut known.made, lesson.made_bytes, shown);
        let hides = lesson.hidden_tokens > 0;
        known.hides_for = if hides { HIDING } else { known.hides_for.saturating_sub(1) };
    }

    /// The tokens that this share of answers does not exceed: of the caller's if enough of
    /// them are known, else of the model's.
    pub fn output(&self, caller: &str, model: &str, share: f64) -> Option<u64> {
        let of_caller = self.outputs.find(&(caller.into(), model.into()));
        let of_model = || self.models.find(&model.into())?.output.at_most(share);
        of_caller.and_then(|sketch| sketch.at_most(share)).or_else(of_model)
    }

    /// What a request is hardly more than whose provider may read more than is sent: twice the
    /// most that any of the caller's was of late if enough of them are known, else of the
    /// model's. One that was larger raises it at once, and is forgotten after hundreds.
    pub fn open_bound(&self, caller: &str, model: &str) -> Option<u64> {
        self.opened(caller, model, 1.0).map(|most| most.saturating_mul(OPEN_FACTOR))
    }

    /// What this share of such requests does not exceed.
    pub fn opened(&self, caller: &str, model: &str, share: f64) -> Option<u64> {
        let of_caller = self.opened.find(&(caller.into(), model.into()));
        let of_model = || self.models.find(&model.into())?.opened.at_most(share);
        of_caller.and_then(|sketch| sketch.at_most(share)).or_else(of_model)
    }

    /// The tokens that so much text is hardly more than, if enough is known of the model.
    pub fn input(&self, model: &str, text_bytes: u64) -> Option<u64> {
        let density = self.models.find(&model.into())?.sent.at_least(DENSE)?;
        let relied_on = density * MARGIN_PERCENT / 100;
        // A token is at least one byte.
        let tokens = text_bytes.saturating_mul(SIXTEENTHS).div_ceil(relied_on.max(SIXTEENTHS));
        Some(tokens.min(text_bytes))
    }

    /// Bytes to a token that the model makes, in sixteenths: what is usual, rather too few.
    pub fn made_density(&self, model: &str) -> Option<u64> {
        self.models.find(&model.into())?.made.at_least(0.5)
    }

    /// Whether the model makes tokens that it does not send, so that what it makes cannot be
    /// metered while it comes.
    pub fn hides(&self, model: &str) -> bool {
        self.models
            .find(&model.into())
            .map_or_else(|| is_thinker(model), |known| known.hides_for > 0)
    }
}

fn note_density(sketch: &mut Sketch, bytes: u64, tokens: u64) {
    if bytes > 0 && tokens > 0 {
        sketch.note(bytes.saturating_mul(SIXTEENTHS) / tokens);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENGLISH: Lesson = Lesson {
        sent_bytes: 4_000,
        input_tokens: 1_000,
        made_bytes: 450,
        output_tokens: 100,
        hidden_tokens: 0,
        opened: 0,
    };

    fn taught(lesson: &Lesson, times: usize) -> Learned {
        let mut learned = Learned::default();
        (0..times).for_each(|_| learned.note("ann", "m", lesson));
        learned
    }

    #[test]
    fn a_caller_is_known_by_its_own_answers_and_a_stranger_by_the_models() {
        let mut learned = taught(&ENGLISH, 20);
        let long = Lesson { output_tokens: 5_000, ..ENGLISH };
        (0..20).for_each(|_| learned.note("bob", "m", &long));
        let output = |caller| learned.output(caller, "m", 0.9);
        assert!(output("ann").is_some_and(|most| (100..120).contains(&most)));
        assert!(output("bob").is_some_and(|most| (5_000..6_000).contains(&most)));
        assert!(output("new").is_some_and(|most| (5_000..6_000).contains(&most)));
        assert_eq!(learned.output("ann", "other", 0.9), None);
    }

    #[test]
    fn input_is_reserved_above_what_is_usual_and_below_what_could_be() {
        let learned = taught(&ENGLISH, 20);
        let tokens = learned.input("m", 4_000).expect("known");
        assert!((1_000..1_700).contains(&tokens), "{tokens}");
        let dense = Lesson { sent_bytes: 100, input_tokens: 100, ..ENGLISH };
        assert_eq!(taught(&dense, 20).input("m", 4_000), Some(4_000), "never above the bound");
        assert_eq!(learned.input("other", 4_000), None);
    }

    #[test]
    fn open_input_is_bounded_by_twice_the_most_of_late_and_by_one_surprise_at_once() {
        let opened = |opened| Lesson { opened, ..ENGLISH };
        let mut learned = taught(&opened(5_000), 7);
        assert_eq!(learned.open_bound("ann", "m"), None, "a few tell nothing");
        learned.note("ann", "m", &opened(20_000));
        let bound = |learned: &Learned, who| learned.open_bound(who, "m").expect("known");
        assert!((40_000..48_000).contains(&bound(&learned, "ann")));
        (0..400).for_each(|_| learned.note("ann", "m", &opened(100)));
        assert!((40_000..48_000).contains(&bound(&learned, "new")), "the model's own");
        learned.note("ann", "m", &opened(900_000));
        assert!((1_800_000..2_200_000).contains(&bound(&learned, "ann")));
        (0..1_500).for_each(|_| learned.note("ann", "m", &opened(100)));
        assert!(bound(&learned, "ann") < 300, "it is forgotten");
        assert_eq!(taught(&ENGLISH, 20).open_bound("ann", "m"), None, "none was open");
    }

    #[test]
    fn a_model_that_thinks_is_known_by_what_it_tells_and_first_by_its_name() {
        let thinking = Lesson { hidden_tokens: 40, ..ENGLISH };
        assert!(taught(&thinking, 1).hides("m"));
        assert!(!taught(&ENGLISH, 1).hides("m"));
        let fresh = Learned::default();
        assert!(fresh.hides("o3-mini") && !fresh.hides("gpt-4o"));
        let mut named = Learned::default();
        (1..HIDING).for_each(|_| named.note("ann", "o3-mini", &ENGLISH));
        assert!(named.hides("o3-mini"), "a few answers without a thought say little");
        named.note("ann", "o3-mini", &ENGLISH);
        assert!(!named.hides("o3-mini"));
        let mut changed = taught(&thinking, 1);
        (0..HIDING).for_each(|_| changed.note("ann", "m", &ENGLISH));
        assert!(!changed.hides("m"));
    }
}
