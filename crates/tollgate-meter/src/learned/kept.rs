//! What was learned of open input, as another process finds it: how much requests do not show is
//! not bounded by anything else but a model's maximum, so it is worth keeping.

use std::collections::HashSet;

use super::{Learned, MAX_PAIRS, Model, Sketch};

/// How much was read of late where more may be read than is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenLesson {
    /// Whose requests it was; nobody's where it is all of a model's.
    pub caller: Option<String>,
    /// Of which model.
    pub model: String,
    /// How they were distributed. Numbers that another version wrote teach nothing.
    pub numbers: Vec<u8>,
}

/// Callers and models of which more was learned, [`MAX_PAIRS`] at most.
#[derive(Debug, Default)]
pub(super) struct Changed(HashSet<(String, String)>);

impl Changed {
    pub(super) fn note(&mut self, caller: &str, model: &str) {
        if self.0.len() < MAX_PAIRS {
            self.0.insert((caller.into(), model.into()));
        }
    }
}

impl Learned {
    /// What was learned of open input since this was asked for the last time.
    pub fn changed(&mut self) -> Vec<OpenLesson> {
        let pairs = std::mem::take(&mut self.changed).0;
        let models: HashSet<String> = pairs.iter().map(|(_, model)| model.clone()).collect();
        let of_models = models.into_iter().filter_map(|model| {
            let numbers = self.models.find(&model)?.opened.to_bytes();
            Some(OpenLesson { caller: None, model, numbers })
        });
        let of_models: Vec<_> = of_models.collect();
        let of_pairs = pairs.into_iter().filter_map(|pair| {
            let numbers = self.opened.find(&pair)?.to_bytes();
            let (caller, model) = pair;
            Some(OpenLesson { caller: Some(caller), model, numbers })
        });
        of_models.into_iter().chain(of_pairs).collect()
    }

    /// This was not kept after all, so it is told again.
    pub fn not_kept(&mut self, lesson: &OpenLesson) {
        if let Some(caller) = &lesson.caller {
            self.changed.note(caller, &lesson.model);
        }
    }

    /// Goes on with what another process has learned, in the place of what is known.
    pub fn resume(&mut self, lesson: &OpenLesson) {
        let Some(sketch) = Sketch::from_bytes(&lesson.numbers) else { return };
        let model = &lesson.model;
        match &lesson.caller {
            Some(caller) => {
                *self.opened.entry((caller.clone(), model.clone()), Sketch::default) = sketch;
            }
            None => self.models.entry(model.clone(), || Model::named(model)).opened = sketch,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Lesson;

    #[test]
    fn another_process_bounds_open_input_as_this_one_does() {
        let mut learned = Learned::default();
        let opened = |opened| Lesson { opened, ..Lesson::default() };
        (0..20).for_each(|nth| learned.note("ann", "m", &opened(1_000 * nth)));
        (0..20).for_each(|_| learned.note("bob", "m", &opened(90)));
        learned.note("ann", "other", &Lesson { output_tokens: 9, ..Lesson::default() });
        let kept = learned.changed();
        let mut again = Learned::default();
        kept.iter().for_each(|lesson| again.resume(lesson));
        assert_eq!(kept.len(), 3, "two callers and their model: {kept:?}");
        for caller in ["ann", "bob", "new"] {
            let bound = learned.open_bound(caller, "m");
            assert!(bound.is_some() && again.open_bound(caller, "m") == bound, "{caller}");
        }
        assert!(learned.changed().is_empty(), "it was told");
        kept.iter().for_each(|lesson| learned.not_kept(lesson));
        let again = learned.changed();
        assert!(again.len() == 3 && kept.iter().all(|it| again.contains(it)), "{again:?}");
        learned.note("bob", "m", &opened(90));
        assert_eq!(learned.changed().len(), 2, "bob's and the model's");
    }

    #[test]
    fn what_is_no_lesson_teaches_nothing() {
        let mut learned = Learned::default();
        (0..20).for_each(|_| learned.note("ann", "m", &Lesson { opened: 70, ..Lesson::default() }));
        let bound = learned.open_bound("ann", "m");
        for numbers in [vec![1], vec![3, 0], vec![255, 1, 1], vec![0; 4_000], vec![3, 255, 255]] {
            let lesson =
                |caller| OpenLesson { caller, model: "m".into(), numbers: numbers.clone() };
            learned.resume(&lesson(Some("ann".into())));
            learned.resume(&lesson(None));
            let known = learned.open_bound("ann", "m");
            assert_eq!(known, bound, "{numbers:?}");
        }
    }
}
