// SPDX-License-Identifier: BSD-2-Clause
//! The language of the shell.
//!
//! ```text
//! list    = [command] { (";" | "&" | newline) [command] }
//! command = word { word } [group] | group
//! group   = "{" list "}"
//! ```
//! `&` puts the command before it into the background. `'…'` takes everything as it is; `"…"` and a backslash outside of quotes take the next
//! character as it is; `#` at the start of a word makes the rest of the line a comment.
//! `{` and `}` are groups only as words of their own.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::string::String;
use alloc::vec::Vec;

/// A command of a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Command {
    /// Its words; empty if it is a group alone.
    pub words: Vec<String>,
    /// The group at its end (`repeat 10 { … }`).
    pub group: Option<Vec<Command>>,
    /// Whether the shell goes on without waiting for it.
    pub background: bool,
    /// As it was written, without what ended it.
    pub text: String,
}

/// What is wrong with a script.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SyntaxError {
    /// A quote is not closed.
    Quote,
    /// A `{` is not closed.
    Open,
    /// A `}` closes nothing.
    Close,
    /// Words follow a group.
    AfterGroup,
    /// `&` without a command before it.
    Ampersand,
    /// Groups are nested deeper than [`MAX_DEPTH`].
    Depth,
}

impl core::fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            SyntaxError::Quote => "a quote is not closed",
            SyntaxError::Open => "a { is not closed",
            SyntaxError::Close => "a } closes nothing",
            SyntaxError::AfterGroup => "a ; is missing after }",
            SyntaxError::Ampersand => "there is no command before &",
            SyntaxError::Depth => "groups are nested too deep",
        })
    }
}

/// Deepest nesting of groups.
pub const MAX_DEPTH: usize = 16;

#[derive(Clone, PartialEq, Eq, Debug)]
enum Token {
    Word(String),
    Open,
    Close,
    /// `;` or a newline.
    End,
    Background,
}

/// Parses a script.
pub fn parse(text: &str) -> Result<Vec<Command>, SyntaxError> {
    let tokens = tokens(text)?;
    let mut parser = Parser { text, tokens: &tokens, at: 0 };
    let list = parser.list(0)?;
    if parser.at < tokens.len() { Err(SyntaxError::Close) } else { Ok(list) }
}

/// Tokens, each with the bytes of the script that it spans.
fn tokens(text: &str) -> Result<Vec<(Token, usize, usize)>, SyntaxError> {
    let mut out = Vec::new();
    let mut chars = text.char_indices().peekable();
    while let Some(&(start, c)) = chars.peek() {
        match c {
            ';' | '\n' | '&' => {
                chars.next();
                out.push((if c == '&' { Token::Background } else { Token::End }, start, start + 1));
            }
            '#' => while chars.next_if(|(_, c)| *c != '\n').is_some() {},
            c if c.is_whitespace() => {
                chars.next();
            }
            _ => {
                let mut word = String::new();
                let mut quoted = false;
                while let Some((_, c)) = chars.next_if(|(_, c)| !c.is_whitespace() && !matches!(c, ';' | '&'))
                {
                    match c {
                        '\'' => {
                            quoted = true;
                            loop {
                                match chars.next().ok_or(SyntaxError::Quote)?.1 {
                                    '\'' => break,
                                    c => word.push(c),
                                }
                            }
                        }
                        '"' => {
                            quoted = true;
                            loop {
                                match chars.next().ok_or(SyntaxError::Quote)?.1 {
                                    '"' => break,
                                    '\\' => word.push(chars.next().ok_or(SyntaxError::Quote)?.1),
                                    c => word.push(c),
                                }
                            }
                        }
                        '\\' => {
                            quoted = true;
                            word.push(chars.next().ok_or(SyntaxError::Quote)?.1);
                        }
                        c => word.push(c),
                    }
                }
                let end = chars.peek().map_or(text.len(), |(at, _)| *at);
                let token = match word.as_str() {
                    "{" if !quoted => Token::Open,
                    "}" if !quoted => Token::Close,
                    _ => Token::Word(word),
                };
                out.push((token, start, end));
            }
        }
    }
    Ok(out)
}

struct Parser<'a> {
    text: &'a str,
    tokens: &'a [(Token, usize, usize)],
    at: usize,
}

impl Parser<'_> {
    /// Commands up to the end or to a `}`, which is left for the caller.
    fn list(&mut self, depth: usize) -> Result<Vec<Command>, SyntaxError> {
        if depth > MAX_DEPTH {
            return Err(SyntaxError::Depth);
        }
        let mut list = Vec::new();
        while let Some((token, _, _)) = self.tokens.get(self.at) {
            match token {
                Token::End => self.at += 1,
                Token::Background => return Err(SyntaxError::Ampersand),
                Token::Close => break,
                Token::Word(_) | Token::Open => list.push(self.command(depth)?),
            }
        }
        Ok(list)
    }

    fn command(&mut self, depth: usize) -> Result<Command, SyntaxError> {
        let start = self.tokens[self.at].1;
        let mut end = start;
        let mut command = Command { words: Vec::new(), group: None, background: false, text: String::new() };
        while let Some((token, _, after)) = self.tokens.get(self.at) {
            match token {
                Token::Word(_) | Token::Open if command.group.is_some() => {
                    return Err(SyntaxError::AfterGroup);
                }
                Token::Word(word) => command.words.push(word.clone()),
                Token::Open => {
                    self.at += 1;
                    command.group = Some(self.list(depth + 1)?);
                    // Only a `}` or the end of the script ends an inner list.
                    end = self.tokens.get(self.at).ok_or(SyntaxError::Open)?.2;
                    self.at += 1;
                    continue;
                }
                Token::Background => {
                    command.background = true;
                    self.at += 1;
                    break;
                }
                Token::End | Token::Close => break,
            }
            end = *after;
            self.at += 1;
        }
        command.text = self.text[start..end].into();
        Ok(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn words(text: &str) -> Vec<Vec<String>> {
        parse(text).unwrap().into_iter().map(|c| c.words).collect()
    }

    #[test]
    fn commands_words_and_comments() {
        assert_eq!(
            words("vmstat -n 1; ;swapinfo\n# nothing\naudit # the end"),
            [vec!["vmstat", "-n", "1"], vec!["swapinfo"], vec!["audit"]]
        );
        assert_eq!(words("  "), Vec::<Vec<String>>::new());
        assert_eq!(words("echo a#b"), [["echo", "a#b"]]);
    }

    #[test]
    fn quotes_keep_what_is_in_them() {
        assert_eq!(words(r#"echo 'a; b' "c \" & d" e\ f '' "#), [["echo", "a; b", "c \" & d", "e f", ""]]);
        assert_eq!(words("echo '{' \\}"), [["echo", "{", "}"]]);
        assert_eq!(words("echo ü'ö'ä"), [["echo", "üöä"]]);
        for open in ["echo 'a", "echo \"a", "echo \"a\\", "echo \\"] {
            assert_eq!(parse(open), Err(SyntaxError::Quote), "{open}");
        }
    }

    #[test]
    fn background_belongs_to_the_command_before_it() {
        let list = parse("thrash --mem 2x & service replace pageout fifo; wait").unwrap();
        assert_eq!(list.iter().map(|c| c.background).collect::<Vec<_>>(), [true, false, false]);
        assert_eq!(list[0].text, "thrash --mem 2x");
        assert_eq!(parse("& wait"), Err(SyntaxError::Ampersand));
        assert_eq!(parse("a &; b").unwrap().len(), 2);
    }

    #[test]
    fn groups_nest() {
        let list = parse("repeat 10 { service kill pageout; repeat 2 { sleep 0.3 } } & wait").unwrap();
        assert_eq!(list[0].words, ["repeat", "10"]);
        assert_eq!(list[0].text, "repeat 10 { service kill pageout; repeat 2 { sleep 0.3 } }");
        assert!(list[0].background);
        let inner = list[0].group.as_ref().unwrap();
        assert_eq!(inner[1].group.as_ref().unwrap()[0].words, ["sleep", "0.3"]);
        assert_eq!(parse("{ a; b }").unwrap()[0].group.as_ref().unwrap().len(), 2);
        assert_eq!(parse("{ a"), Err(SyntaxError::Open));
        assert_eq!(parse("a }"), Err(SyntaxError::Close));
        assert_eq!(parse("{ a } b"), Err(SyntaxError::AfterGroup));
        assert_eq!(parse(&"{ ".repeat(MAX_DEPTH + 2)), Err(SyntaxError::Depth));
    }

    #[test]
    fn no_input_makes_it_stumble() {
        // A small deterministic fuzz over the characters that mean something.
        let alphabet = ['a', ' ', ';', '&', '{', '}', '\'', '"', '\\', '#', '\n', 'ü'];
        let mut state = 1u64;
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..12 {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                text.push(alphabet[(state >> 33) as usize % alphabet.len()]);
            }
            // What it parses to must parse again, command by command, to the same words.
            for command in parse(&text).unwrap_or_default() {
                assert_eq!(parse(&command.text).unwrap()[0].words, command.words, "{text:?}");
            }
        }
    }
}
