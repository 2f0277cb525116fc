//! Tools beside the search of the web: of files, containers for code, maps, and what is kept.

use super::*;
use crate::testing::run;

const TOOLS: [Tool; 3] = [Tool::FileSearch, Tool::CodeInterpreter, Tool::Maps];

fn allowed(request: &dyn AnyRequest) -> [u64; 3] {
    TOOLS.map(|tool| request.scan().tools.allowed()[tool])
}

fn calls<const N: usize>(of: [(Tool, u64); N]) -> Calls {
    let mut calls = Calls::NONE;
    of.into_iter().for_each(|(tool, times)| calls[tool] = times);
    calls
}

#[test]
fn models_that_always_search_are_told_by_their_names() {
    for (model, searches) in [
        ("sonar", 1),
        ("perplexity/sonar-reasoning-pro", 1),
        ("sonar-medium-online", 1),
        ("sonar-medium-chat", 0),
        ("gpt-4o-search-preview-2025-03-11", 1),
        ("lunar-sonar", 0),
        ("gpt-5", 0),
    ] {
        let mut request = chat("");
        request.rename(model.to_owned());
        assert_eq!(super::tools(&request), (searches, false), "{model}");
    }
    let sonar = |model| PriceTable::builtin().price("perplexity", model).expect("a price").fees;
    assert_eq!(sonar("sonar-pro")[Tool::Search], Some(14_000_000));
    assert_eq!(sonar("sonar-medium-online")[Tool::Search], Some(5_000_000));
}

#[test]
fn tools_that_have_prices_of_their_own_are_told_apart() {
    const CODE: &str = r#"{"type":"code_interpreter","container":{"type":"auto"}}"#;
    for (members, expected) in [
        (r#","tools":[{"type":"file_search"}]"#.to_owned(), [ALLOWED_CALLS, 0, 0]),
        (r#","tools":[{"type":"file_search"}],"max_tool_calls":2"#.to_owned(), [2, 0, 0]),
        (format!(r#","tools":[{CODE}],"max_tool_calls":9"#), [0, 1, 0]),
        (format!(r#","tools":[{CODE},{{"type":"function"}},{CODE}]"#), [0, 2, 0]),
    ] {
        let request = response(&members);
        assert_eq!(allowed(&request), expected, "{members}");
        assert_eq!(request.scan.tools.others, None, "{members}");
    }
    for (model, most) in [("gemini-2.5-pro", 1), ("gemini-3-flash", ALLOWED_CALLS)] {
        for maps in [r#"{"googleMaps":{}}"#, r#"{"google_maps":{"enableWidget":true}}"#] {
            let request = generate(model, maps);
            assert_eq!(allowed(&request), [0, 0, most], "{maps}");
            assert_eq!(request.scan.tools.others, None, "{maps}");
        }
    }
    let other = generate("gemini-3-flash", r#"{"googleMaps":{}},{"somethingNew":{}}"#);
    assert_eq!(other.scan.tools.others, Some("tools"));
}

#[test]
fn a_container_of_more_than_the_usual_size_is_of_a_dearer_tier() {
    for (container, expected) in [
        (r#""cntr_1""#, None),
        (r#"{"type":"auto"}"#, None),
        (r#"{"type":"auto","memory_limit":null}"#, None),
        (r#"{"type":"auto","memory_limit":"1g"}"#, None),
        (r#"{"type":"auto","memory_limit":"4g"}"#, Some("memory_limit")),
        (r#"{"type":"auto","memory_limit":4}"#, Some("memory_limit")),
        ("null", None),
    ] {
        let tools = format!(
            r#","tools":[{{"type":"code_interpreter","container":{container}}},{{"type":"x","container":{{"memory_limit":"9g"}}}}]"#
        );
        assert_eq!(response(&tools).scan.dearer, expected, "{container}");
    }
}

#[test]
fn what_is_kept_is_guessed_until_it_has_a_price() {
    const ENDED: &str =
        "data: {\"type\":\"response.completed\",\"candidates\":[{\"finishReason\":\"STOP\"}]}\n\n";
    let prompt = response(r#","prompt":{"id":"pmpt_1"}"#);
    let contents = content("gemini-3-flash", r#","cachedContent":"cachedContents/1""#);
    let kept: [Box<dyn AnyRequest>; 2] = [Box::new(prompt), Box::new(contents)];
    for mut request in kept {
        let guessed = calls([(Tool::Search, ALLOWED_CALLS)]);
        assert_eq!(request.scan().tools.allowed(), guessed);
        request.scan_mut().tools.price_kept();
        let priced = calls([(Tool::Kept, 1)]);
        assert_eq!(request.scan().tools.allowed(), priced);
        let plain = every_plain_split(&*request, b"{}");
        assert_eq!(plain.counts.calls, priced, "whatever its answer tells");
        let cut = run_plain(request.plain_meter(), b"{", 1);
        assert_eq!(cut.counts.calls, priced, "and if it breaks off");
        let (_, streamed) = run(request.stream_meter(Gauge::Bytes), ENDED.as_bytes(), 5);
        assert_eq!((streamed.ending, streamed.counts.calls), (Ending::Complete, priced));
        let (_, cut) = run(request.stream_meter(Gauge::Bytes), b"data: {}\n\n", 5);
        assert_eq!((cut.ending, cut.counts.calls), (Ending::Cut, priced));
    }
    let mut none = response("");
    none.scan.tools.price_kept();
    assert_eq!(none.scan.tools.allowed(), Calls::NONE, "nothing is kept");
}

#[test]
fn files_and_containers_are_counted_plain_and_streamed() {
    const ITEMS: [(&str, &str); 7] = [
        ("file_search_call", r#""queries":["a","b"]"#),
        ("code_interpreter_call", r#""container_id":"cntr_1","code":"\"file_search_call\"""#),
        ("message", r#""content":[{"annotations":[{"container_id":"cntr_9"}]}]"#),
        ("code_interpreter_call", r#""container_id":"cntr_1""#),
        ("file_search_call", r#""status":"failed""#),
        ("code_interpreter_call", r#""container_id":"cntr_2""#),
        ("code_interpreter_call", r#""container_id":null"#),
    ];
    const USAGE: &str = r#""usage":{"input_tokens":37,"output_tokens":11,"total_tokens":48}"#;
    let items = ITEMS.map(|(kind, members)| format!(r#"{{"type":"{kind}",{members}}}"#));
    let answer = format!(r#"{{"output":[{}],{USAGE}}}"#, items.join(","));
    let event = |item: &String| {
        let [added, done] = ["added", "done"].map(|what| {
            format!("data: {{\"type\":\"response.output_item.{what}\",\"item\":{item}}}\n\n")
        });
        added + &done
    };
    let begun: Vec<String> = items.iter().map(event).collect();
    let end = format!("data: {{\"type\":\"response.completed\",\"response\":{{{USAGE}}}}}\n\n");
    let request = response(
        r#","tools":[{"type":"file_search"},{"type":"code_interpreter","container":"cntr_1"}]"#,
    );
    // Two containers that are named, and one that is not.
    let expected = calls([(Tool::FileSearch, 2), (Tool::CodeInterpreter, 3)]);
    assert_eq!(every_plain_split(&request, answer.as_bytes()).counts.calls, expected);
    let whole = every_split(&request, (begun.concat() + &end).as_bytes());
    assert_eq!(whole.counts.calls, expected);
    let cut = every_split(&request, begun[..2].concat().as_bytes());
    let seen = calls([(Tool::FileSearch, 2), (Tool::CodeInterpreter, 1)]);
    assert_eq!((cut.ending, cut.counts.calls), (Ending::Cut, seen), "one more may have begun");
    let broken = run_plain(request.plain_meter(), &answer.as_bytes()[..60], 7);
    let all = calls([(Tool::FileSearch, ALLOWED_CALLS), (Tool::CodeInterpreter, 1)]);
    assert_eq!(broken.counts.calls, all, "of an answer that broke off");
}

#[test]
fn maps_are_charged_by_the_answer_or_by_the_query() {
    const USAGE: &str =
        r#""usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":5,"totalTokenCount":15}"#;
    const MAPS: &str = r#"{"maps":{"uri":"u","title":"t"}}"#;
    let answer = |queries: &str, chunks: &str| {
        format!(
            r#"{{"candidates":[{{"groundingMetadata":{{"webSearchQueries":[{queries}],"groundingChunks":[{chunks}]}},"finishReason":"STOP"}}],{USAGE}}}"#
        )
    };
    let both = format!(r#"{{"web":{{"uri":"w"}}}},{MAPS}"#);
    for (queries, chunks, by_query, by_answer) in [
        (r#""a","","b","a""#, MAPS, (0, 2), (0, 1)),
        ("", MAPS, (0, 1), (0, 1)),
        (r#""a","b""#, &both, (2, 1), (1, 1)),
        (r#""a","b""#, r#"{"web":{"uri":"maps"}}"#, (2, 0), (1, 0)),
        ("", "", (0, 0), (0, 0)),
    ] {
        let answer = answer(queries, chunks);
        for (model, (searches, maps)) in
            [("gemini-3-flash", by_query), ("gemini-2.5-pro", by_answer)]
        {
            let expected = calls([(Tool::Search, searches), (Tool::Maps, maps)]);
            let tools = generate(model, r#"{"googleMaps":{}},{"googleSearch":{}}"#);
            let plain = every_plain_split(&tools, answer.as_bytes());
            assert_eq!(plain.counts.calls, expected, "{model} {answer}");
            let twice = format!("data: {answer}\n\ndata: {answer}\n\n");
            let streamed = every_split(&streamed(model), twice.as_bytes());
            assert_eq!(streamed.counts.calls, expected, "a later piece repeats it: {model}");
        }
    }
    let cut = generate("gemini-3-flash", r#"{"googleMaps":{}}"#);
    let cut = run_plain(cut.plain_meter(), br#"{"candidates":[{"#, 3);
    assert_eq!(cut.counts.calls, calls([(Tool::Maps, ALLOWED_CALLS)]));
    let price = |model| PriceTable::builtin().price("gemini", model).expect("a price").fees;
    assert_eq!(price("gemini-2.5-pro")[Tool::Maps], Some(25_000_000));
    assert_eq!(price("gemini-3.1-pro-preview")[Tool::Maps], Some(14_000_000));
}
