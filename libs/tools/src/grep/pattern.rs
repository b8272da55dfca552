// SPDX-License-Identifier: BSD-2-Clause
//! Regular expressions as POSIX writes them, basic and extended, read into the form that the matcher takes.
//!
//! With the extensions that people use: in basic ones `\|`, `\+`, `\?`; in both `\w`, `\W`, `\s`, `\S`, `\b`, `\B`, `\<`, `\>`. Text is bytes.
//! A reference to a group (`\1`) is refused: the matcher is one that never takes more than linear time.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use regex_syntax::hir::{Class, ClassBytes, ClassBytesRange, Hir, Look, Repetition};

/// Which language a pattern is in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Syntax {
    /// `-G`.
    Basic,
    /// `-E`.
    Extended,
    /// `-F`: no language, the text itself.
    Fixed,
}

/// Groups within groups at most: the parser calls itself for each.
const MAX_DEPTH: usize = 200;
/// Largest count in braces (`RE_DUP_MAX`).
const MAX_COUNT: u32 = 32_767;

/// Reads a pattern; an error is a line for a person.
pub fn parse(pattern: &[u8], syntax: Syntax, fold: bool) -> Result<Hir, String> {
    if syntax == Syntax::Fixed {
        return Ok(Hir::concat(pattern.iter().map(|b| literal(*b, fold)).collect()));
    }
    let mut parser = Parser { text: pattern, at: 0, extended: syntax == Syntax::Extended, fold, depth: 0 };
    let hir = parser.alternation()?;
    if parser.at < pattern.len() { Err("Unmatched ) or \\)".to_string()) } else { Ok(hir) }
}

fn literal(byte: u8, fold: bool) -> Hir {
    if fold && byte.is_ascii_alphabetic() {
        return class(ClassBytes::new(
            [byte.to_ascii_lowercase(), byte.to_ascii_uppercase()].map(|b| ClassBytesRange::new(b, b)),
        ));
    }
    Hir::literal([byte])
}

fn class(class: ClassBytes) -> Hir {
    Hir::class(Class::Bytes(class))
}

fn ranges(ranges: &[(u8, u8)]) -> ClassBytes {
    ClassBytes::new(ranges.iter().map(|(low, high)| ClassBytesRange::new(*low, *high)))
}

fn word() -> ClassBytes {
    ranges(&[(b'0', b'9'), (b'A', b'Z'), (b'_', b'_'), (b'a', b'z')])
}

fn space() -> ClassBytes {
    ranges(&[(b'\t', b'\r'), (b' ', b' ')])
}

fn not(mut class: ClassBytes) -> ClassBytes {
    class.negate();
    class
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    extended: bool,
    fold: bool,
    depth: usize,
}

/// What stands next, the two languages made one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    Byte(u8),
    Escaped(u8),
    Open,
    Close,
    Or,
    Star,
    Plus,
    Question,
    Brace,
    Dot,
    Bracket,
    Caret,
    Dollar,
}

impl Parser<'_> {
    /// The next token and its length.
    fn peek(&self) -> Result<Option<(Token, usize)>, String> {
        let rest = self.text.get(self.at..).unwrap_or(&[]);
        let Some(&byte) = rest.first() else { return Ok(None) };
        let (marked, byte, len) = if byte == b'\\' {
            (true, *rest.get(1).ok_or("Trailing backslash")?, 2)
        } else {
            (false, byte, 1)
        };
        let token = match byte {
            b'(' | b')' | b'|' | b'+' | b'?' | b'{' if marked != self.extended => match byte {
                b'(' => Token::Open,
                b')' => Token::Close,
                b'|' => Token::Or,
                b'+' => Token::Plus,
                b'?' => Token::Question,
                _ => Token::Brace,
            },
            _ if marked => Token::Escaped(byte),
            b'*' => Token::Star,
            b'.' => Token::Dot,
            b'[' => Token::Bracket,
            b'^' => Token::Caret,
            b'$' => Token::Dollar,
            _ => Token::Byte(byte),
        };
        Ok(Some((token, len)))
    }

    fn alternation(&mut self) -> Result<Hir, String> {
        let mut branches = Vec::new();
        loop {
            branches.push(self.branch()?);
            match self.peek()? {
                Some((Token::Or, len)) => self.at += len,
                _ => return Ok(Hir::alternation(branches)),
            }
        }
    }

    fn branch(&mut self) -> Result<Hir, String> {
        let mut parts: Vec<Hir> = Vec::new();
        // Whether nothing stands before that could be repeated.
        let mut start = true;
        while let Some((token, len)) = self.peek()? {
            let repeats = matches!(token, Token::Star | Token::Plus | Token::Question | Token::Brace);
            // Outside a group an extended `)` is itself, a basic `\)` an error, which the caller sees.
            let lonely = token == Token::Close && self.extended && self.depth == 0;
            if matches!(token, Token::Or | Token::Close) && !lonely {
                break;
            }
            if repeats && start && !self.extended {
                // In a basic expression what cannot repeat is itself.
                self.at += len;
                let byte = self.text.get(self.at - 1).copied().unwrap_or(b'*');
                if token == Token::Brace {
                    return Err("Invalid preceding regular expression".to_string());
                }
                parts.push(literal(byte, self.fold));
                start = false;
                continue;
            }
            if repeats {
                self.at += len;
                match self.counts(token)? {
                    Some((min, max)) => {
                        let sub = parts.pop().unwrap_or_else(Hir::empty);
                        parts.push(Hir::repetition(Repetition {
                            min,
                            max,
                            greedy: true,
                            sub: Box::new(sub),
                        }));
                    }
                    // A brace that begins no count is a brace.
                    None => parts.push(literal(b'{', self.fold)),
                }
                start = false;
                continue;
            }
            self.at += len;
            let anchor = self.anchor(token, parts.is_empty())?;
            // After an anchor a basic star is a star.
            start = anchor.is_some() && token == Token::Caret;
            let part = match anchor {
                Some(look) => Hir::look(look),
                None => self.atom(token)?,
            };
            parts.push(part);
        }
        Ok(Hir::concat(parts))
    }

    /// What `^` and `$` mean where they stand: in a basic expression only at the ends.
    fn anchor(&self, token: Token, start: bool) -> Result<Option<Look>, String> {
        Ok(match token {
            Token::Caret if self.extended || start => Some(Look::Start),
            Token::Dollar => {
                let ends = matches!(self.peek()?, None | Some((Token::Or | Token::Close, _)));
                if self.extended || ends { Some(Look::End) } else { None }
            }
            _ => None,
        })
    }

    fn atom(&mut self, token: Token) -> Result<Hir, String> {
        Ok(match token {
            Token::Open => {
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err("Regular expression too big".to_string());
                }
                let inner = self.alternation()?;
                match self.peek()? {
                    Some((Token::Close, len)) => self.at += len,
                    _ => return Err("Unmatched ( or \\(".to_string()),
                }
                self.depth -= 1;
                inner
            }
            Token::Bracket => class(self.bracket()?),
            Token::Dot => class(not(ranges(&[(b'\n', b'\n')]))),
            Token::Escaped(byte) => match byte {
                b'w' => class(word()),
                b'W' => class(not(word())),
                b's' => class(space()),
                b'S' => class(not(space())),
                b'b' => Hir::look(Look::WordAscii),
                b'B' => Hir::look(Look::WordAsciiNegate),
                b'<' => Hir::look(Look::WordStartAscii),
                b'>' => Hir::look(Look::WordEndAscii),
                b'`' => Hir::look(Look::Start),
                b'\'' => Hir::look(Look::End),
                b'1'..=b'9' => return Err("references to groups (\\1 to \\9) are not supported".to_string()),
                other => literal(other, self.fold),
            },
            Token::Caret => literal(b'^', self.fold),
            Token::Dollar => literal(b'$', self.fold),
            Token::Byte(byte) => literal(byte, self.fold),
            Token::Close => literal(b')', self.fold),
            // These are taken before.
            Token::Or | Token::Star | Token::Plus | Token::Question | Token::Brace => Hir::empty(),
        })
    }

    /// How often; `None`: a brace of an extended expression that is only a brace.
    fn counts(&mut self, token: Token) -> Result<Option<(u32, Option<u32>)>, String> {
        match token {
            Token::Star => return Ok(Some((0, None))),
            Token::Plus => return Ok(Some((1, None))),
            Token::Question => return Ok(Some((0, Some(1)))),
            _ => {}
        }
        let begin = self.at;
        let low = self.count()?;
        let high = if self.text.get(self.at) == Some(&b',') {
            self.at += 1;
            self.count()?
        } else {
            low
        };
        let comma = self.text.get(self.at.wrapping_sub(1)) == Some(&b',');
        let close: &[u8] = if self.extended { b"}" } else { b"\\}" };
        let closed = self.text.get(self.at..).is_some_and(|rest| rest.starts_with(close));
        if !closed || low.is_none() && high.is_none() && !comma {
            if self.extended {
                self.at = begin;
                return Ok(None);
            }
            return Err(if closed { "Invalid content of \\{\\}" } else { "Unmatched { or \\{" }.to_string());
        }
        self.at += close.len();
        let (min, max) = (low.unwrap_or(0), high);
        if max.is_some_and(|max| max < min) {
            return Err("Invalid content of \\{\\}".to_string());
        }
        Ok(Some((min, max)))
    }

    fn count(&mut self) -> Result<Option<u32>, String> {
        let mut value = None;
        while let Some(digit) = self.text.get(self.at).filter(|b| b.is_ascii_digit()) {
            let sum = value.unwrap_or(0) * 10 + u32::from(digit - b'0');
            if sum > MAX_COUNT {
                return Err("Regular expression too big".to_string());
            }
            value = Some(sum);
            self.at += 1;
        }
        Ok(value)
    }

    /// After `[`.
    fn bracket(&mut self) -> Result<ClassBytes, String> {
        const OPEN: &str = "Unmatched [, [^, [:, [., or [=";
        let negated = self.take(b'^');
        let mut set = ClassBytes::empty();
        let begin = self.at;
        loop {
            let byte = self.byte().ok_or(OPEN)?;
            if byte == b']' && self.at > begin + 1 {
                break;
            }
            let low = match (byte, self.text.get(self.at).copied()) {
                (b'[', Some(b':')) => {
                    let fold = self.fold;
                    let name = self.named(b':').ok_or(OPEN)?;
                    set.union(&named_class(name, fold).ok_or("Invalid character class name")?);
                    continue;
                }
                (b'[', Some(mark @ (b'=' | b'.'))) => self.single(mark)?,
                _ => byte,
            };
            let dash = self.text.get(self.at) == Some(&b'-')
                && self.text.get(self.at + 1).is_some_and(|b| *b != b']');
            let high = if dash {
                self.at += 1;
                let byte = self.byte().ok_or(OPEN)?;
                match (byte, self.text.get(self.at).copied()) {
                    (b'[', Some(mark @ (b'=' | b'.'))) => self.single(mark)?,
                    _ => byte,
                }
            } else {
                low
            };
            if low > high {
                return Err("Invalid range end".to_string());
            }
            set.push(ClassBytesRange::new(low, high));
        }
        // `[:space:]` without the outer brackets is a mistake that would go unnoticed.
        let inside = self.text.get(begin..self.at - 1).unwrap_or(&[]);
        if !negated && inside.len() > 2 && inside.starts_with(b":") && inside.ends_with(b":") {
            return Err("character class syntax is [[:space:]], not [:space:]".to_string());
        }
        if self.fold {
            set.case_fold_simple();
        }
        if negated {
            set.push(ClassBytesRange::new(b'\n', b'\n'));
            set.negate();
        }
        Ok(set)
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.text.get(self.at) == Some(&byte);
        self.at += usize::from(there);
        there
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = self.text.get(self.at).copied()?;
        self.at += 1;
        Some(byte)
    }

    /// `[:name:]`, `[=x=]` or `[.x.]`, from the mark on.
    fn named(&mut self, mark: u8) -> Option<&[u8]> {
        let rest = self.text.get(self.at + 1..)?;
        let len = rest.windows(2).position(|pair| pair == [mark, b']'])?;
        self.at += len + 3;
        rest.get(..len)
    }

    fn single(&mut self, mark: u8) -> Result<u8, String> {
        match self.named(mark) {
            Some([byte]) => Ok(*byte),
            _ => Err("Invalid collation character".to_string()),
        }
    }
}

fn named_class(name: &[u8], fold: bool) -> Option<ClassBytes> {
    Some(match name {
        b"alpha" => ranges(&[(b'A', b'Z'), (b'a', b'z')]),
        b"upper" | b"lower" if fold => ranges(&[(b'A', b'Z'), (b'a', b'z')]),
        b"upper" => ranges(&[(b'A', b'Z')]),
        b"lower" => ranges(&[(b'a', b'z')]),
        b"digit" => ranges(&[(b'0', b'9')]),
        b"xdigit" => ranges(&[(b'0', b'9'), (b'A', b'F'), (b'a', b'f')]),
        b"alnum" => ranges(&[(b'0', b'9'), (b'A', b'Z'), (b'a', b'z')]),
        b"space" => space(),
        b"blank" => ranges(&[(b'\t', b'\t'), (b' ', b' ')]),
        b"punct" => ranges(&[(b'!', b'/'), (b':', b'@'), (b'[', b'`'), (b'{', b'~')]),
        b"print" => ranges(&[(b' ', b'~')]),
        b"graph" => ranges(&[(b'!', b'~')]),
        b"cntrl" => ranges(&[(0, 0x1f), (0x7f, 0x7f)]),
        _ => return None,
    })
}
