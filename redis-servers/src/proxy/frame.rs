//! Where one message of Redis's protocol ends and the next begins.

/// How deep the elements of elements are looked into, and how many there may be: more than any
/// test sends.
const ELEMENTS: usize = 1 << 20;

/// The length of the message that `bytes` begin with, if all of it is there. What is no message
/// of the protocol is one to the end of its line.
pub(crate) fn length(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    let mut left = 1_usize;
    while left > 0 {
        let line = bytes[at..].windows(2).position(|two| two == b"\r\n")?;
        let kind = bytes[at];
        let number = std::str::from_utf8(&bytes[at + 1..at + line]).ok();
        let number = number.and_then(|number| number.parse::<i64>().ok()).unwrap_or(-1);
        let number = usize::try_from(number).ok();
        at += line + 2;
        left -= 1;
        match kind {
            b'$' | b'!' | b'=' => at += number.map_or(0, |length| length.saturating_add(2)),
            b'*' | b'~' | b'>' => left = left.saturating_add(number.unwrap_or(0)),
            b'%' => left = left.saturating_add(number.unwrap_or(0).saturating_mul(2)),
            _ => {}
        }
        if left > ELEMENTS || at > bytes.len() {
            return None;
        }
    }
    Some(at)
}

/// The first word of a command, in capitals.
pub(crate) fn verb(command: &[u8]) -> String {
    let mut lines = command.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let is_array = lines.next().is_some_and(|line| line.starts_with(b"*"));
    let word = if is_array { lines.nth(1) } else { command.split(u8::is_ascii_whitespace).next() };
    String::from_utf8_lossy(word.unwrap_or_default()).to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_end_where_they_end_and_not_before() {
        let messages: [&[u8]; 9] = [
            b"+OK\r\n",
            b"-ERR what\r\n",
            b":1000\r\n",
            b"$6\r\nfo\r\nob\r\n",
            b"$-1\r\n",
            b"*-1\r\n",
            b"*2\r\n*1\r\n:1\r\n$1\r\nx\r\n",
            b"%1\r\n+key\r\n*0\r\n",
            b"PING\r\n",
        ];
        for message in messages {
            let more = [message, b"+next\r\n"].concat();
            assert_eq!(length(&more), Some(message.len()), "{message:?}");
            for end in 0..message.len() {
                assert_eq!(length(&message[..end]), None, "{message:?} up to {end}");
            }
        }
    }

    #[test]
    fn the_verb_of_a_command_is_found() {
        assert_eq!(verb(b"*2\r\n$7\r\nevalsha\r\n$1\r\nx\r\n"), "EVALSHA");
        assert_eq!(verb(b"ping\r\n"), "PING");
    }
}
