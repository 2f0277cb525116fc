//! What is decided, request by request.

use std::time::Duration;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// How each request of a trace ended, in the order of their ends: when it was asked and how long
/// it waited, in milliseconds.
fn ends(policy: &str, millis: &[u64]) -> Vec<(&'static str, u128, u128)> {
    let (row, outcomes) = play(policy, &trace(millis), 3, Variation::Whole);
    assert_eq!(row.asked, millis.len() as u64);
    let end = |outcome: &Outcome| {
        let how = match &outcome.ending {
            Ending::Served { .. } => "served",
            Ending::Refused { .. } => "refused",
            Ending::Failed { .. } => "failed",
        };
        (how, outcome.asked.as_millis(), outcome.waited().as_millis())
    };
    outcomes.iter().map(end).collect()
}

#[test]
fn sizes_are_read_as_people_write_them() {
    let size = |text: &str| text.parse::<Size>().map(|Size(it)| (it.input, it.output));
    assert_eq!(size("6000"), Ok((5_000, 1_000)), "one of six is made");
    assert_eq!(size("2000 + 500"), Ok((2_000, 500)));
    assert_eq!(size("1"), Ok((1, 0)));
    for bad in ["", "0", "0+5", "+", "5+", "-1", "many", "1000001", "1+1000001"] {
        assert!(size(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_trace_meets_a_limit_as_it_came() {
    let policy = "[[limits]]\nname = \"few\"\nrequests = \"2/minute\"\n";
    let [zero, one, two, late] =
        [("served", 0, 0), ("served", 1_000, 0), ("refused", 2_500, 0), ("served", 60_000, 0)];
    assert_eq!(ends(policy, &[0, 1_000, 2_500, 60_000]), [zero, two, one, late]);
}

#[test]
fn who_waits_is_served_at_the_instant_that_there_is_room() {
    let policy =
        "[[limits]]\nname = \"one\"\nconcurrency = 1\nqueue = { size = 2, timeout = \"3s\" }\n";
    // Each is answered in two seconds, so the third would wait for four.
    let ended = ends(policy, &[0, 0, 0, 10_000]);
    let all =
        [("served", 0, 0), ("served", 0, 2_000), ("refused", 0, 3_000), ("served", 10_000, 0)];
    assert_eq!(ended, [all[0], all[2], all[1], all[3]]);
}

#[test]
fn the_same_seed_gives_the_same_and_another_one_something_else() {
    let policy = "[sandbox]\nerror_rate = 0.05\n[models.any]\nmodels = [{ model = \"sandbox/a\", weight = 2 }, { model = \"sandbox/b\", weight = 1 }]\n[[limits]]\nname = \"few\"\nrequests = \"20/minute\"\nqueue = { size = 3, timeout = \"4s\" }\n";
    let scene = users("5s±3s", "60", 120 * SECOND);
    let (row, outcomes) = play(policy, &scene, 6, Variation::Whole);
    let (again, same) = play(policy, &scene, 6, Variation::Whole);
    assert_eq!(outcomes, same);
    assert_eq!(row, again);
    assert!(row.refused > 0 && row.waited > 0 && row.failed > 0, "chances had their part: {row:?}");
    let (_, others) = play(policy, &Scene { seed: 8, ..scene }, 6, Variation::Whole);
    assert_ne!(outcomes, others);
}

#[test]
fn what_waited_and_refused_is_told_by_the_limit() {
    let policy = "[[limits]]\nname = \"few\"\nrequests = \"2/minute\"\nqueue = { size = 1, timeout = \"59s\" }\n";
    let (row, _) = play(policy, &trace(&[0, 0, 2_000, 2_000]), 3, Variation::Whole);
    let [it] = row.in_the_way.as_slice() else { panic!("{:?}", row.in_the_way) };
    assert_eq!((it.name.as_str(), it.refused, it.waited), ("few", 1, 1));
    assert_eq!(it.allows.as_deref(), Some("2 requests per minute"));
}

#[test]
fn a_provider_that_throttles_is_told_from_one_that_fails() {
    let met = |sandbox: &str| {
        let (row, _) =
            play(&format!("[sandbox]\n{sandbox} = 1.0\n"), &trace(&[0]), 1, Variation::Whole);
        (row.refused, row.failed, row.in_the_way.first().map(|it| it.name.clone()))
    };
    let itself = Some("sandbox/sandbox itself".to_owned());
    assert_eq!(met("rate_limit_rate"), (1, 0, itself));
    assert_eq!(met("error_rate"), (0, 1, None));
    assert_eq!(met("truncate_rate"), (0, 1, None), "an answer that is cut served nobody");
}

#[test]
fn a_fallback_serves_what_the_first_has_no_room_for() {
    let policy = "[models.any]\nmodels = [\"sandbox/a\", \"sandbox/b\"]\n[[limits]]\nname = \"a-few\"\nwhen = { model = \"a\" }\nrequests = \"1/minute\"\n";
    let scene = trace(&[0, 1_000, 2_000]);
    let (row, _) = play(policy, &scene, 3, Variation::Whole);
    let by: Vec<_> =
        row.by_model.iter().map(|(model, used)| (model.as_str(), used.requests)).collect();
    assert_eq!(by, [("sandbox/a", 1), ("sandbox/b", 2)]);
    assert_eq!((row.refused, row.fallback()), (0, 2));
    let (alone, _) = play(policy, &scene, 3, Variation::WithoutFallback);
    assert_eq!((alone.served, alone.refused, alone.fallback()), (1, 2, 0));
}

#[test]
fn models_with_weights_serve_by_their_weights() {
    let policy = "[models.any]\nmodels = [{ model = \"sandbox/a\", weight = 3 }, { model = \"sandbox/b\", weight = 1 }]\n";
    let (row, _) = play(policy, &users("1s", "60", 100 * SECOND), 10, Variation::Whole);
    let share = row.by_model["sandbox/a"].requests as f64 / row.served as f64;
    assert!((0.65..0.85).contains(&share), "{share} of {}", row.served);
    assert_eq!((row.first_model.as_deref(), row.fallback()), (None, 0), "there is no order");
}

#[test]
fn without_waiting_nobody_waits_and_without_limits_nobody_is_refused() {
    let policy = "[sandbox]\nrequests_per_minute = 3\n[[limits]]\nname = \"one\"\nconcurrency = 1\nqueue = { size = 9 }\n";
    let scene = trace(&[0, 0, 0, 0, 0]);
    let (waiting, _) = play(policy, &scene, 3, Variation::Whole);
    assert_eq!(
        (waiting.served, waiting.refused, waiting.waited),
        (3, 2, 2),
        "the model has its own"
    );
    let (hasty, _) = play(policy, &scene, 3, Variation::WithoutWaiting);
    assert_eq!((hasty.served, hasty.refused, hasty.waited), (1, 4, 0));
    let (free, _) = play(policy, &scene, 3, Variation::Unlimited);
    assert_eq!((free.served, free.at_once), (5, 5));
}

#[test]
fn what_a_provider_announces_is_waited_for_and_never_passed() {
    let policy =
        "[providers.up]\ndialect = \"openai\"\nbase_url = \"https://example.invalid/v1\"\n";
    let scene = Scene {
        model: Some("up/m".to_owned()),
        requests_per_minute: Some(30),
        ..users("2s±1s", "60", 300 * SECOND)
    };
    let (row, _) = play(policy, &scene, 4, Variation::Whole);
    assert_eq!((row.refused, row.failed), (0, 0), "{:?}", row.in_the_way);
    assert!(row.waited > 0, "four users ask for more than 30 a minute");
    assert!(row.requests_per_minute < 37.0, "30 a minute and a bucket of 30: {row:?}");
}

#[test]
fn every_dialect_that_answers_text_is_asked_in_its_own_words() {
    for dialect in ["openai", "azure", "anthropic", "gemini", "bedrock"] {
        let policy = format!(
            "[providers.up]\ndialect = \"{dialect}\"\nbase_url = \"https://example.invalid\"\n[models.any]\nmodels = [\"up/m\", \"up/n\"]\n[[limits]]\nname = \"some\"\ntokens = \"1000000/minute\"\n"
        );
        let scene = Scene { model: Some("any".to_owned()), ..trace(&[0, 5_000]) };
        let (row, outcomes) = play(&policy, &scene, 3, Variation::Whole);
        assert_eq!((row.served, row.failed), (2, 0), "{dialect}: {outcomes:?}");
        assert_eq!(row.by_model["up/m"].tokens, 40, "{dialect}");
    }
}

#[test]
fn whom_nobody_can_ask_is_told_in_a_sentence() {
    let two = "[models.a]\nmodels = [\"sandbox/a\"]\n[models.b]\nmodels = [\"sandbox/b\"]\n";
    let deaf = "[providers.ear]\ndialect = \"deepgram\"\nbase_url = \"https://example.invalid\"\n";
    for (policy, model, sentence) in [
        (two, None, "the policy has several models (a, b): say which with --model"),
        (
            two,
            Some("c"),
            "`c` is no model of the policy: it has a, b; or write it like PROVIDER/MODEL",
        ),
        (
            "",
            Some("openai/m"),
            "`openai/m` is no model of the policy: write it like PROVIDER/MODEL",
        ),
        (
            deaf,
            Some("ear/nova"),
            "`ear` speaks deepgram, in which nobody is simulated: name a model that answers text with --model",
        ),
    ] {
        let scene = Scene { model: model.map(str::to_owned), ..trace(&[0]) };
        let error = run(config(policy), &scene, 1, Variation::Whole, |_| {}).unwrap_err();
        assert_eq!(error.to_string(), sentence);
    }
}
