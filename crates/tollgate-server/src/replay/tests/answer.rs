//! Usage is read from answers, however they are split, and never from half of one.

use super::super::{answer::Answer, outcome::Loss, price::Tokens};

const STREAM: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"\u{e9}\"}}],\"usage\":null}\r\n\r\n\
    : a comment\n\
    data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":5}}\n\n\
    data: [DONE]\n\n";

fn read(stream: bool, pieces: &[&[u8]]) -> Result<Option<Tokens>, Loss> {
    let mut answer = Answer::new(stream);
    pieces.iter().try_for_each(|piece| answer.push(piece))?;
    answer.finish()
}

#[test]
fn splits_do_not_matter() {
    let bytes = STREAM.as_bytes();
    for at in 0..=bytes.len() {
        let (one, two) = bytes.split_at(at);
        assert_eq!(read(true, &[one, two]), Ok(Some(Tokens { input: 3, output: 5 })), "at {at}");
    }
    let bytewise: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(read(true, &bytewise), Ok(Some(Tokens { input: 3, output: 5 })));
}

#[test]
fn a_stream_counts_only_when_it_is_terminated() {
    let done = STREAM.find("data: [DONE]").unwrap();
    assert_eq!(read(true, &[&STREAM.as_bytes()[..done]]), Err(Loss::Unterminated));
    let failed = format!("data: {{\"error\":{{\"message\":\"x\"}}}}\n\n{STREAM}");
    assert_eq!(read(true, &[failed.as_bytes()]), Err(Loss::Unterminated));
    assert_eq!(read(true, &[b"data: {\n\n"]), Err(Loss::Unreadable));
    assert_eq!(read(true, &[b"data: {}\n\ndata: [DONE]\n\n"]), Ok(None));
}

#[test]
fn a_plain_answer_is_read_when_it_is_whole() {
    let document = br#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":5}}"#;
    let (one, two) = document.split_at(30);
    assert_eq!(read(false, &[one, two]), Ok(Some(Tokens { input: 3, output: 5 })));
    assert_eq!(read(false, &[one]), Err(Loss::Unreadable));
    assert_eq!(read(false, &[b"{}"]), Ok(None));
    let lie = br#"{"usage":{"prompt_tokens":-1,"completion_tokens":1e30}}"#;
    assert_eq!(read(false, &[lie]), Err(Loss::Unreadable));
}

#[test]
fn what_is_held_is_bounded() {
    let megabyte = vec![b'x'; 1 << 20];
    for stream in [false, true] {
        let pieces = vec![&megabyte[..]; 17];
        assert_eq!(read(stream, &pieces), Err(Loss::Unreadable));
    }
}
