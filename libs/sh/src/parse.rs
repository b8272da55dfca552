// SPDX-License-Identifier: BSD-2-Clause
//! From text to [`ast`](crate::ast).
//!
//! ```text
//! list     = { item ( ";" | "&" | newline ) }
//! item     = pipeline { ( "&&" | "||" ) pipeline }
//! pipeline = [ "!" ] command { "|" command }
//! command  = ( simple | "{" list "}" | "(" list ")" | if | for | while | until | case | "repeat" WORD command | "time" command ) { redirect }
//! ```
//! Reserved words are such where a command may begin. Three things are more lenient than in POSIX: a `;` may stand for nothing, a `}` that stands alone ends a group also without a `;` before it, and
//! `repeat` and `time` are part of the language.

use crate::ast::*;
use crate::word;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Deepest nesting of commands and substitutions.
pub const MAX_DEPTH: u32 = 24;

/// What is wrong with a script, and in which line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SyntaxError {
    /// The line, from 1 on.
    pub line: usize,
    /// What is wrong.
    pub what: String,
    /// The text ended too early: more lines could make it right.
    pub incomplete: bool,
}

impl core::fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// What a parser's function brings.
pub(crate) type Parsed<T> = Result<T, SyntaxError>;

/// Whether the text is only the beginning of something: an open quote, an `if` without `fi`, a `\` at the end of its last line.
pub fn is_incomplete(text: &str) -> bool {
    let last = text.strip_suffix('\n').unwrap_or(text);
    let joins = (last.len() - last.trim_end_matches('\\').len()) % 2 == 1;
    joins || parse(text).is_err_and(|e| e.incomplete)
}

/// Parses a script.
pub fn parse(text: &str) -> Parsed<List> {
    let mut parser = Parser::new(text);
    let list = parser.list(&[])?;
    parser.finished()?;
    Ok(list)
}

/// Words that mean something where a command may begin, other than the beginnings of compound commands.
const ENDS: [&str; 8] = ["then", "elif", "else", "fi", "do", "done", "esac", "}"];

pub(crate) struct Parser<'a> {
    pub(crate) text: &'a str,
    pub(crate) at: usize,
    pub(crate) depth: u32,
    /// Groups in braces that are open: in one a `}` alone ends a simple command.
    braces: u32,
}

impl<'a> Parser<'a> {
    pub(crate) fn new(text: &'a str) -> Parser<'a> {
        Parser { text, at: 0, depth: 0, braces: 0 }
    }

    /// Nothing is left behind a list.
    pub(crate) fn finished(&mut self) -> Parsed<()> {
        match self.peek() {
            None => Ok(()),
            Some(')') => Err(self.error("a ) closes nothing")),
            Some(_) => {
                let word = self.bare();
                Err(self.error(&format!("{word} has no beginning")))
            }
        }
    }

    pub(crate) fn error(&self, what: &str) -> SyntaxError {
        let before = self.text.get(..self.at).unwrap_or(self.text);
        let incomplete = before.len() == self.text.len();
        SyntaxError { line: before.matches('\n').count() + 1, what: String::from(what), incomplete }
    }

    pub(crate) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(crate) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    pub(crate) fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    pub(crate) fn take(&mut self, token: &str) -> bool {
        let there = self.rest().starts_with(token);
        self.at += if there { token.len() } else { 0 };
        there
    }

    pub(crate) fn deeper(&mut self) -> Parsed<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(self.error("commands are nested too deep")) } else { Ok(()) }
    }

    /// Blanks, continued lines and comments.
    fn blanks(&mut self) {
        loop {
            if self.take("\\\n") {
                continue;
            }
            match self.peek() {
                Some(' ' | '\t' | '\r') => {
                    self.bump();
                }
                Some('#') => {
                    let line = self.rest();
                    self.at += line.find('\n').unwrap_or(line.len());
                }
                _ => return,
            }
        }
    }

    /// Blanks and newlines.
    fn newlines(&mut self) {
        self.blanks();
        while self.take("\n") {
            self.blanks();
        }
    }

    /// The next word, if it is bare letters or a brace: for reserved words. It is not taken.
    fn bare(&self) -> &'a str {
        let rest = self.rest();
        let end =
            rest.find(|c: char| c.is_whitespace() || ";&|()<>'\"\\$`".contains(c)).unwrap_or(rest.len());
        // A word that goes on with a quote is none.
        match rest[end..].chars().next() {
            Some('\'' | '"' | '\\' | '$' | '`') => "",
            _ => &rest[..end],
        }
    }

    fn keyword(&mut self, word: &str) -> bool {
        self.blanks();
        let there = self.bare() == word;
        self.at += if there { word.len() } else { 0 };
        there
    }

    fn expect(&mut self, word: &str, of: &str) -> Parsed<()> {
        if self.keyword(word) { Ok(()) } else { Err(self.error(&format!("{of} needs {word}"))) }
    }

    /// Commands up to one of these words, a `)`, `;;` or the end, which are left.
    pub(crate) fn list(&mut self, ends: &[&str]) -> Parsed<List> {
        self.deeper()?;
        let mut list = List::new();
        loop {
            self.newlines();
            while !self.rest().starts_with(";;") && self.take(";") {
                self.newlines();
            }
            let word = self.bare();
            let over = match self.peek() {
                None | Some(')') => true,
                Some(';') => true,
                Some('&') => return Err(self.error("there is no command before &")),
                Some('|') => return Err(self.error("there is no command before |")),
                _ => ends.contains(&word) || ENDS.contains(&word),
            };
            if over {
                break;
            }
            list.push(self.item()?);
        }
        self.depth -= 1;
        Ok(list)
    }

    fn item(&mut self) -> Parsed<Item> {
        let start = self.at;
        let first = self.pipeline()?;
        let mut rest = Vec::new();
        let mut end = self.at;
        loop {
            self.blanks();
            let and = self.take("&&");
            if !and && !self.take("||") {
                break;
            }
            self.newlines();
            rest.push((and, self.pipeline()?));
            end = self.at;
        }
        let text = String::from(self.text.get(start..end).unwrap_or("").trim_end());
        let background = self.take("&");
        if !background
            && !matches!(self.peek(), None | Some(';' | '\n' | ')' | '}'))
            && !ENDS.contains(&self.bare())
        {
            return Err(self.error("a ; is missing"));
        }
        Ok(Item { first, rest, background, text })
    }

    fn pipeline(&mut self) -> Parsed<Pipeline> {
        let negated = self.keyword("!");
        let mut commands = Vec::from([self.command()?]);
        loop {
            self.blanks();
            if self.rest().starts_with("||") || !self.take("|") {
                return Ok(Pipeline { negated, commands });
            }
            self.newlines();
            commands.push(self.command()?);
        }
    }

    fn command(&mut self) -> Parsed<Command> {
        self.deeper()?;
        self.blanks();
        let start = self.at;
        let mut redirects = Vec::new();
        let kind = match self.bare() {
            "if" => self.conditional()?,
            "for" => self.for_loop()?,
            "while" | "until" => self.while_loop()?,
            "case" => self.case()?,
            "{" => {
                self.keyword("{");
                Kind::Group(self.braced()?)
            }
            "repeat" => {
                self.keyword("repeat");
                let count = self.word_after("repeat")?;
                Kind::Repeat(count, Box::new(self.inner("repeat")?))
            }
            "time" => {
                self.keyword("time");
                Kind::Time(Box::new(self.inner("time")?))
            }
            _ if self.take("(") => {
                let list = self.list(&[])?;
                if !self.take(")") {
                    return Err(self.error("a ( is not closed"));
                }
                Kind::Subshell(list)
            }
            _ => self.simple(&mut redirects)?,
        };
        let body = String::from(self.text.get(start..self.at).unwrap_or("").trim_end());
        while let Some(redirect) = self.redirect()? {
            redirects.push(redirect);
        }
        let text = String::from(self.text.get(start..self.at).unwrap_or("").trim_end());
        self.depth -= 1;
        Ok(Command { kind, redirects, text, body })
    }

    /// The command that `repeat` and `time` run.
    fn inner(&mut self, of: &str) -> Parsed<Command> {
        self.blanks();
        match self.peek() {
            None | Some(';' | '\n' | '&' | '|' | ')') => {
                Err(self.error(&format!("{of}: a command is missing")))
            }
            _ => self.command(),
        }
    }

    fn word_after(&mut self, of: &str) -> Parsed<Word> {
        self.blanks();
        self.word()?.ok_or_else(|| self.error(&format!("{of}: a word is missing")))
    }

    fn braced(&mut self) -> Parsed<List> {
        self.braces += 1;
        let list = self.list(&["}"])?;
        self.braces -= 1;
        if self.keyword("}") { Ok(list) } else { Err(self.error("a { is not closed")) }
    }

    fn conditional(&mut self) -> Parsed<Kind> {
        self.keyword("if");
        let mut branches = Vec::new();
        loop {
            let condition = self.body("if", &["then"])?;
            self.expect("then", "if")?;
            branches.push((condition, self.list(&["elif", "else", "fi"])?));
            if !self.keyword("elif") {
                break;
            }
        }
        let otherwise = if self.keyword("else") { Some(self.list(&["fi"])?) } else { None };
        self.expect("fi", "if")?;
        Ok(Kind::If(branches, otherwise))
    }

    /// A list with something in it.
    fn body(&mut self, of: &str, ends: &[&str]) -> Parsed<List> {
        let list = self.list(ends)?;
        if list.is_empty() { Err(self.error(&format!("{of}: a command is missing"))) } else { Ok(list) }
    }

    fn while_loop(&mut self) -> Parsed<Kind> {
        let until = self.bare() == "until";
        self.keyword(if until { "until" } else { "while" });
        let condition = self.body("while", &["do"])?;
        self.expect("do", "while")?;
        let body = self.list(&["done"])?;
        self.expect("done", "while")?;
        Ok(Kind::While(until, condition, body))
    }

    fn for_loop(&mut self) -> Parsed<Kind> {
        self.keyword("for");
        self.blanks();
        let name = String::from(self.bare());
        if !word::is_name(&name) {
            return Err(self.error("for needs the name of a variable"));
        }
        self.at += name.len();
        self.newlines();
        let words = if self.keyword("in") {
            let mut words = Vec::new();
            loop {
                self.blanks();
                match self.word()? {
                    Some(word) => words.push(word),
                    None => break Some(words),
                }
            }
        } else {
            None
        };
        self.blanks();
        self.take(";");
        self.newlines();
        self.expect("do", "for")?;
        let body = self.list(&["done"])?;
        self.expect("done", "for")?;
        Ok(Kind::For(name, words, body))
    }

    fn case(&mut self) -> Parsed<Kind> {
        self.keyword("case");
        let word = self.word_after("case")?;
        self.newlines();
        self.expect("in", "case")?;
        let mut arms = Vec::new();
        loop {
            self.newlines();
            if self.keyword("esac") {
                return Ok(Kind::Case(word, arms));
            }
            self.take("(");
            let mut patterns = Vec::new();
            loop {
                patterns.push(self.word_after("case")?);
                self.blanks();
                if !self.take("|") {
                    break;
                }
            }
            if !self.take(")") {
                return Err(self.error("a pattern of case needs )"));
            }
            let list = self.list(&["esac"])?;
            arms.push((patterns, list));
            if !self.take(";;") && self.bare() != "esac" {
                return Err(self.error("case needs ;; or esac"));
            }
        }
    }

    fn simple(&mut self, redirects: &mut Vec<Redirect>) -> Parsed<Kind> {
        let (mut assignments, mut words) = (Vec::new(), Vec::new());
        loop {
            self.blanks();
            if let Some(redirect) = self.redirect()? {
                redirects.push(redirect);
                continue;
            }
            if self.braces > 0 && self.bare() == "}" {
                break;
            }
            if words.is_empty()
                && let Some(name) = self.assignment()
            {
                self.at += name.len() + 1;
                assignments.push((String::from(name), self.word()?.unwrap_or_default()));
                continue;
            }
            match self.word()? {
                Some(word) => words.push(word),
                None => break,
            }
        }
        if assignments.is_empty() && words.is_empty() && redirects.is_empty() {
            return Err(self.error("a command is missing"));
        }
        Ok(Kind::Simple { assignments, words })
    }

    /// The name of a variable that is set here.
    fn assignment(&self) -> Option<&'a str> {
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')?;
        let name = &rest[..end];
        (rest[end..].starts_with('=') && word::is_name(name)).then_some(name)
    }

    fn redirect(&mut self) -> Parsed<Option<Redirect>> {
        self.blanks();
        let rest = self.rest();
        let (stream, len) = match rest.as_bytes() {
            [n @ b'0'..=b'2', b'<' | b'>', ..] => (Some(n - b'0'), 1),
            [b'<' | b'>', ..] => (None, 0),
            _ => return Ok(None),
        };
        self.at += len;
        let input = self.take("<");
        let redirect = |default: u8, to| Redirect { stream: stream.unwrap_or(default), to };
        if input && self.take("<") {
            return Err(self.error("<< is not part of this shell: use a file, or echo and a pipe"));
        }
        if !input {
            self.take(">");
        }
        if input {
            let file = self.word_after("<")?;
            return Ok(Some(redirect(0, Target::Read(file))));
        }
        if self.take(">") {
            return Ok(Some(redirect(1, Target::Append(self.word_after(">>")?))));
        }
        if self.take("&") {
            return match self.bump() {
                Some(c @ '0'..='2') => Ok(Some(redirect(1, Target::Same(c as u8 - b'0')))),
                _ => Err(self.error(">& needs 0, 1 or 2")),
            };
        }
        self.take("|");
        Ok(Some(redirect(1, Target::Write(self.word_after(">")?))))
    }
}
