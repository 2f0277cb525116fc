//! `.env` files: `NAME=value` lines, read without any substitution.
//!
//! A value stands for itself, so that a `$` in a password stays one; and nothing of the
//! process's own environment can leak into it.

use crate::policy::PolicyError;

/// Reads the lines of a `.env` file: blank ones and `# comments` are skipped, `export` is
/// allowed, quotes are taken off, and in double quotes `\n`, `\"` and `\\` are unescaped.
///
/// # Errors
/// Every line that sets nothing; none is shown, since it may hold a secret.
pub(crate) fn parse(name: &str, text: &str) -> Result<Vec<(String, String)>, Vec<PolicyError>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut variables = Vec::new();
    let mut errors = Vec::new();
    for (place, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match variable(line) {
            Ok(variable) => variables.push(variable),
            Err(why) => {
                let message = format!("{name}, line {}: {why}", place + 1);
                errors
                    .push(PolicyError::new(message).help("write NAME=value on a line of its own"));
            }
        }
    }
    if errors.is_empty() { Ok(variables) } else { Err(errors) }
}

fn variable(line: &str) -> Result<(String, String), &'static str> {
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=').ok_or("there is no `=`")?;
    let name = name.trim();
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !starts || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err("what stands before `=` is no name of a variable");
    }
    Ok((name.to_owned(), unquoted(value.trim())?))
}

fn unquoted(value: &str) -> Result<String, &'static str> {
    const OPEN: &str = "a quote is not closed";
    if let Some(rest) = value.strip_prefix('\'') {
        let end = rest.find('\'').ok_or(OPEN)?;
        return nothing_after(&rest[end + 1..]).map(|()| rest[..end].to_owned());
    }
    let Some(rest) = value.strip_prefix('"') else {
        let end = value.find(" #").unwrap_or(value.len());
        return Ok(value[..end].trim_end().to_owned());
    };
    let mut unquoted = String::new();
    let mut chars = rest.chars();
    loop {
        match chars.next().ok_or(OPEN)? {
            '"' => return nothing_after(chars.as_str()).map(|()| unquoted),
            '\\' => match chars.next().ok_or(OPEN)? {
                'n' => unquoted.push('\n'),
                escaped @ ('"' | '\\' | '$') => unquoted.push(escaped),
                other => unquoted.extend(['\\', other]),
            },
            other => unquoted.push(other),
        }
    }
}

fn nothing_after(rest: &str) -> Result<(), &'static str> {
    let rest = rest.trim_start();
    if rest.is_empty() || rest.starts_with('#') {
        Ok(())
    } else {
        Err("something follows the closing quote")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_for_themselves() {
        for (line, value) in [
            ("A=b", "b"),
            ("export A = b c # comment", "b c"),
            ("A=b#c", "b#c"),
            ("A='b # $c'", "b # $c"),
            (r#"A="b\n\"c\" \d" # e"#, "b\n\"c\" \\d"),
            ("A=", ""),
            ("A=b=c", "b=c"),
        ] {
            let read = parse(".env", line).expect(line);
            assert_eq!(read, [("A".to_owned(), value.to_owned())], "{line}");
        }
    }

    #[test]
    fn every_bad_line_is_told_without_its_secret() {
        let text = "# ok\nA=1\nsecret\n1A=secret\nB=\"secret\nC='x' secret\n";
        let errors = parse(".env", text).expect_err("four bad lines");
        let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                ".env, line 3: there is no `=`",
                ".env, line 4: what stands before `=` is no name of a variable",
                ".env, line 5: a quote is not closed",
                ".env, line 6: something follows the closing quote",
            ]
        );
    }
}
