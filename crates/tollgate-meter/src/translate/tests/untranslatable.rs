//! What cannot be said in the other dialect is told in one sentence that names it.

use super::{Dialect, request};

fn refused(caller: Dialect, body: &str) -> String {
    let error = request(caller, body.as_bytes(), &caller.target()).expect_err(body);
    error.to_string()
}

/// What a completion's request with these members comes to.
fn chat(members: &str) -> String {
    refused(Dialect::ChatCompletions, &format!(r#"{{"messages":[],{members}}}"#))
}

fn said(message: &str) -> String {
    refused(Dialect::ChatCompletions, &format!(r#"{{"messages":[{message}]}}"#))
}

fn messages(members: &str) -> String {
    refused(Dialect::Messages, &format!(r#"{{"max_tokens":1,{members}}}"#))
}

fn block(block: &str) -> String {
    messages(&format!(r#""messages":[{{"role":"user","content":[{block}]}}]"#))
}

#[test]
fn members_of_a_completion_that_messages_lack_are_named() {
    for (members, sentence) in [
        (r#""n":2"#, "`n` cannot be translated: only one choice can be asked for."),
        (r#""audio":{}"#, "`audio` cannot be translated: only text can be asked for."),
        (
            r#""modalities":["text","audio"]"#,
            "`modalities` cannot be translated: only text can be asked for.",
        ),
        (
            r#""logprobs":true"#,
            "`logprobs` cannot be translated: probabilities of tokens are not told there.",
        ),
        (
            r#""logit_bias":{"1":2}"#,
            "`logit_bias` cannot be translated: tokens cannot be weighed there.",
        ),
        (
            r#""presence_penalty":0.5"#,
            "`presence_penalty` cannot be translated: repetition cannot be punished there.",
        ),
        (
            r#""functions":[{}]"#,
            "`functions` cannot be translated: it is out of use; send `tools`.",
        ),
        (
            r#""response_format":{"type":"json_object"}"#,
            "`response_format.type` cannot be translated: only a JSON schema can be demanded there.",
        ),
        (
            r#""tools":[{"type":"custom","custom":{"name":"f"}}]"#,
            "`tools[0].type` cannot be translated: only functions are tools there.",
        ),
        (
            r#""tool_choice":{"type":"allowed_tools"}"#,
            "`tool_choice.type` cannot be translated: only one function, any or none can be demanded.",
        ),
        (
            r#""stop":["a"," \n"]"#,
            "`stop[1]` cannot be translated: a text of blanks alone stops nobody there.",
        ),
        (
            r#""unheard_of":0"#,
            "`unheard_of` cannot be translated: nothing is known to mean the same in the other dialect.",
        ),
        (
            r#""stream_options":{"x":0}"#,
            "`stream_options.x` cannot be translated: nothing is known to mean the same in the other dialect.",
        ),
        (r#""tool_choice":"required""#, "`tool_choice` cannot be translated: there are no tools."),
        (r#""temperature":"hot""#, "`temperature` must be a number."),
        (r#""max_tokens":-1"#, "`max_tokens` must be a whole number."),
        (r#""tools":{}"#, "`tools` must be an array."),
        (r#""tools":[{"type":"function"}]"#, "`tools[0].function` is missing."),
        (
            r#""tool_choice":1"#,
            "`tool_choice` must be `none`, `auto`, `required` or an object that names a tool.",
        ),
        (r#""n":1,"n":2"#, "`n` must be there only once."),
    ] {
        assert_eq!(chat(members), sentence);
    }
}

#[test]
fn parts_of_a_completions_messages_are_named_by_their_place() {
    for (message, sentence) in [
        (
            r#"{"role":"user","content":[{"type":"text","text":"a"},{"type":"input_audio"}]}"#,
            "`messages[0].content[1].type` cannot be translated: only text and images can be sent.",
        ),
        (
            r#"{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:x"}}]}"#,
            "`messages[0].content[0].image_url.url` must be a link, or `data:image/…;base64,` with the image.",
        ),
        (
            r#"{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/tiff;base64,AA"}}]}"#,
            "`messages[0].content` cannot be translated: only JPEG, PNG, GIF and WebP images are taken there.",
        ),
        (
            r#"{"role":"user","content":"a","name":"Ann"}"#,
            "`messages[0].name` cannot be translated: nothing is known to mean the same in the other dialect.",
        ),
        (
            r#"{"role":"function","name":"f","content":"a"}"#,
            "`messages[0].role` cannot be translated: nobody else has this role.",
        ),
        (r#"{"role":"user"}"#, "`messages[0].content` is missing."),
        (
            r#"{"role":"user","content":7}"#,
            "`messages[0].content` must be a string or an array of parts.",
        ),
        (
            r#"{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f","arguments":"[secret]"}}]}"#,
            "`messages[0].tool_calls[0].function.arguments` must be a JSON object in a string.",
        ),
        (
            r#"{"role":"assistant","audio":{"id":"a"}}"#,
            "`messages[0].audio` cannot be translated: only text can be sent.",
        ),
        ("7", "`messages[0]` must be a JSON object that can be read."),
    ] {
        assert_eq!(said(message), sentence);
    }
    assert_eq!(refused(Dialect::ChatCompletions, "{}"), "`messages` is missing.");
    assert_eq!(
        refused(Dialect::ChatCompletions, "[secret]"),
        "The body must be a JSON object that can be read."
    );
}

#[test]
fn members_of_a_message_that_completions_lack_are_named() {
    for (members, sentence) in [
        (
            r#""messages":[],"top_k":5"#,
            "`top_k` cannot be translated: so few tokens cannot be demanded there.",
        ),
        (
            r#""messages":[],"thinking":{"type":"enabled","budget_tokens":1024}"#,
            "`thinking.type` cannot be translated: thoughts cannot be demanded there.",
        ),
        (
            r#""messages":[],"tools":[{"type":"web_search_20250305","name":"web_search"}]"#,
            "`tools[0].type` cannot be translated: the provider's own tools are not the other's.",
        ),
        (
            r#""messages":[],"mcp_servers":[{}]"#,
            "`mcp_servers` cannot be translated: the provider's own tools are not the other's.",
        ),
        (
            r#""messages":[],"stop_sequences":["a","b","c","d","e"]"#,
            "`stop_sequences` cannot be translated: there are at most four there.",
        ),
        (
            r#""messages":[],"container":"c""#,
            "`container` cannot be translated: there are no containers there.",
        ),
        (r#""messages":[{"role":"user"}]"#, "`messages[0].content` is missing."),
        (
            r#""messages":[],"tool_choice":{"type":"one"}"#,
            "`tool_choice.type` must be `auto`, `any`, `tool` or `none`.",
        ),
        (
            r#""messages":[],"metadata":{"a":1}"#,
            "`metadata.a` cannot be translated: nothing is known to mean the same in the other dialect.",
        ),
    ] {
        assert_eq!(messages(members), sentence);
    }
}

#[test]
fn blocks_that_completions_lack_are_named_by_their_place() {
    let result = |content: &str| {
        format!(r#"{{"type":"tool_result","tool_use_id":"c","content":[{content}]}}"#)
    };
    let image = r#"{"type":"image","source":{"type":"url","url":"u"}}"#;
    for (sent, sentence) in [
        (
            r#"{"type":"thinking","thinking":"t","signature":"s"}"#,
            "`messages[0].content[0]` cannot be translated: thoughts can be shown to the model that had them alone.",
        ),
        (
            r#"{"type":"document","source":{}}"#,
            "`messages[0].content[0].type` cannot be translated: there is no such block.",
        ),
        (
            r#"{"type":"image","source":{"type":"file","file_id":"f"}}"#,
            "`messages[0].content[0].source.type` cannot be translated: only data and links can be shown there.",
        ),
        (
            &result(image),
            "`messages[0].content` cannot be translated: only users can show images there.",
        ),
        (
            &result(&result("")),
            "`messages[0].content[0].content[0]` cannot be translated: only texts and images can be shown by a tool.",
        ),
        (
            r#"{"type":"tool_use","id":"c","name":"f","input":{}}"#,
            "`messages[0].content[0].type` cannot be translated: there is no such block.",
        ),
    ] {
        assert_eq!(block(sent), sentence);
    }
}

#[test]
fn a_long_name_is_told_in_part_and_on_one_line() {
    let sentence = chat(&format!(r#""\n{}é":0"#, "x".repeat(62)));
    assert!(sentence.starts_with(&format!("`?{}` cannot", "x".repeat(62))), "{sentence}");
}

#[test]
fn an_answer_that_has_begun_is_not_continued() {
    let sentence = "`messages` cannot be translated: an answer that has begun is continued by one provider alone.";
    for role in ["assistant\",\"content\":\"The\"},{\"role\":\"system", "assistant"] {
        let begun = format!(r#"{{"max_tokens":1,"messages":[{{"role":"{role}","content":"a"}}]}}"#);
        assert_eq!(refused(Dialect::ChatCompletions, &begun), sentence);
        assert_eq!(refused(Dialect::Messages, &begun), sentence);
    }
}
