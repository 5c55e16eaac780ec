//! Splits the text of a JSON object or array into its members or elements, without checking the values.
//!
//! A value that is not valid JSON (`NaN`, invalid UTF-8, too many levels) does not hide the members next to it, so an
//! invalid request still gets its error response under its `id`.

use std::ops::Range;

/// One member of an object: the positions of its name, with quotation marks, and of its value in the text.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) name: Range<usize>,
    pub(super) value: Range<usize>,
}

/// Iterates over the members of an object, up to the first syntax error.
#[derive(Debug)]
pub(super) struct Members<'a> {
    text: Cursor<'a>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    Next,
    Whole,
    Broken,
}

impl<'a> Members<'a> {
    pub(super) fn of(text: &'a [u8]) -> Self {
        Self { text: Cursor { text, at: 0 }, state: State::Start }
    }

    /// Whether the text ended after the last member, without a syntax error.
    pub(super) fn are_whole(&self) -> bool {
        self.state == State::Whole
    }

    fn member(&mut self) -> Option<Member> {
        let name = self.text.string()?;
        self.text.expect(b':')?;
        let value = self.text.value()?;
        Some(Member { name, value })
    }
}

impl Iterator for Members<'_> {
    type Item = Member;

    fn next(&mut self) -> Option<Member> {
        if self.state == State::Start {
            self.state = State::Broken;
            self.text.expect(b'{')?;
            if self.text.expect(b'}').is_some() {
                self.state = self.text.end();
                return None;
            }
            self.state = State::Next;
        }
        if self.state != State::Next {
            return None;
        }
        self.state = State::Broken;
        let member = self.member()?;
        if self.text.expect(b',').is_some() {
            self.state = State::Next;
        } else if self.text.expect(b'}').is_some() {
            self.state = self.text.end();
        }
        Some(member)
    }
}

/// Iterates over the elements of an array, up to the first syntax error.
pub(super) fn elements(text: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut text = Cursor { text, at: 0 };
    let mut more = text.expect(b'[').is_some();
    std::iter::from_fn(move || {
        if !more {
            return None;
        }
        let value = text.value()?;
        more = text.expect(b',').is_some();
        (!value.is_empty()).then_some(value)
    })
}

#[derive(Debug)]
struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn peek(&mut self) -> Option<u8> {
        let blank = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        self.at += self.text.get(self.at..)?.iter().take_while(blank).count();
        self.text.get(self.at).copied()
    }

    /// Skips a byte, if it is next.
    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn end(&mut self) -> State {
        if self.peek().is_none() { State::Whole } else { State::Broken }
    }

    fn string(&mut self) -> Option<Range<usize>> {
        if self.peek()? != b'"' {
            return None;
        }
        let start = self.at;
        self.at += 1;
        loop {
            self.at += self.text.get(self.at..)?.iter().position(|&byte| matches!(byte, b'"' | b'\\'))?;
            if self.text[self.at] == b'"' {
                self.at += 1;
                return Some(start..self.at);
            }
            self.at += 2;
        }
    }

    /// Skips a value, up to the comma or bracket that ends it.
    fn value(&mut self) -> Option<Range<usize>> {
        self.peek()?;
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            match *self.text.get(self.at)? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'[' | b'{' => depth += 1,
                b']' | b'}' if depth > 0 => depth -= 1,
                b']' | b'}' | b',' if depth == 0 => break,
                _ => {}
            }
            self.at += 1;
        }
        let length = self.text[start..self.at].trim_ascii_end().len();
        Some(start..start + length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<(&str, &str)>, bool) {
        let mut members = Members::of(text.as_bytes());
        let found = members.by_ref().map(|member| (&text[member.name], &text[member.value])).collect();
        (found, members.are_whole())
    }

    #[test]
    fn members_are_found_whatever_their_values_are() {
        let (found, whole) = read(r#" { "a" : NaN , "b\"}" : {"x":["}",{}]} ,"c":"\\", "d": 1e400 } "#);
        let expected = [
            (r#""a""#, "NaN"),
            (r#""b\"}""#, r#"{"x":["}",{}]}"#),
            (r#""c""#, r#""\\""#),
            (r#""d""#, "1e400"),
        ];
        assert_eq!((found.as_slice(), whole), (expected.as_slice(), true));
        assert_eq!(read("{}"), (vec![], true));
        assert_eq!(read(" { } "), (vec![], true));
    }

    #[test]
    fn members_before_a_syntax_error_are_found() {
        let a = vec![(r#""a""#, "1")];
        for broken in [
            r#"{"a":1"#,
            r#"{"a":1,"#,
            r#"{"a":1,}"#,
            r#"{"a":1,"b"#,
            r#"{"a":1,"b":"#,
            r#"{"a":1,"b":"\"#,
            r#"{"a":1,"b":[2"#,
            r#"{"a":1} {"#,
            r#"{"a":1,'b':2}"#,
        ] {
            let (mut found, whole) = read(broken);
            found.truncate(1);
            if broken != r#"{"a":1"# {
                assert_eq!(found, a, "{broken}");
            }
            assert!(!whole, "{broken}");
        }
        for nothing in ["", "[", "x", "{", "{x", "\"a\":1"] {
            assert_eq!(read(nothing), (vec![], false), "{nothing}");
        }
    }

    #[test]
    fn elements_are_found() {
        let text = r#" [ {"a":[1,2]} , 5,"," ]"#;
        let found: Vec<&str> = elements(text.as_bytes()).map(|range| &text[range]).collect();
        assert_eq!(found, [r#"{"a":[1,2]}"#, "5", r#"",""#]);
        assert_eq!(elements(b"[]").count(), 0);
        assert_eq!(elements(b"[ ").count(), 0);
        assert_eq!(elements(b"5").count(), 0);
    }
}
