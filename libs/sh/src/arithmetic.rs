// SPDX-License-Identifier: BSD-2-Clause
//! `$((…))`: whole numbers, as C and POSIX have them, without side effects.

use alloc::format;
use alloc::string::String;

/// Deepest nesting of parentheses and signs.
const DEPTH: u32 = 64;

/// The value of an expression; `value` gives that of a variable.
pub fn evaluate(text: &str, value: &dyn Fn(&str) -> String) -> Result<i64, String> {
    let mut parser = Parser { rest: text, value, depth: 0 };
    if text.trim().is_empty() {
        return Ok(0);
    }
    let result = parser.choice()?;
    parser.skip();
    if parser.rest.is_empty() {
        Ok(result)
    } else {
        Err(format!("arithmetic: {:?} is not understood", parser.rest))
    }
}

struct Parser<'a> {
    rest: &'a str,
    value: &'a dyn Fn(&str) -> String,
    depth: u32,
}

/// Operators by how tightly they bind, loosest first.
const LEVELS: [&[&str]; 10] = [
    &["||"],
    &["&&"],
    &["|"],
    &["^"],
    &["&"],
    &["==", "!="],
    &["<=", ">=", "<", ">"],
    &["<<", ">>"],
    &["+", "-"],
    &["*", "/", "%"],
];

impl Parser<'_> {
    fn skip(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, token: &str) -> bool {
        self.skip();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn choice(&mut self) -> Result<i64, String> {
        let condition = self.level(0)?;
        if !self.take("?") {
            return Ok(condition);
        }
        let yes = self.choice()?;
        if !self.take(":") {
            return Err(String::from("arithmetic: ? without :"));
        }
        let no = self.choice()?;
        Ok(if condition != 0 { yes } else { no })
    }

    fn operator(&mut self, level: usize) -> Option<&'static str> {
        self.skip();
        let found = LEVELS[level].iter().find(|op| self.rest.starts_with(**op))?;
        // `&` is not the beginning of `&&`, nor `<` of `<<`.
        let next = self.rest[found.len()..].chars().next();
        let doubled = matches!(*found, "&" | "|" | "<" | ">") && next.is_some_and(|c| found.ends_with(c));
        if doubled {
            return None;
        }
        self.rest = &self.rest[found.len()..];
        Some(found)
    }

    fn level(&mut self, level: usize) -> Result<i64, String> {
        if level == LEVELS.len() {
            return self.unary();
        }
        let mut left = self.level(level + 1)?;
        while let Some(op) = self.operator(level) {
            let right = self.level(level + 1)?;
            left = apply(op, left, right)?;
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<i64, String> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(String::from("arithmetic: nested too deep"));
        }
        let result = if self.take("-") {
            self.unary().map(i64::wrapping_neg)
        } else if self.take("+") {
            self.unary()
        } else if self.take("!") {
            self.unary().map(|v| (v == 0) as i64)
        } else if self.take("~") {
            self.unary().map(|v| !v)
        } else if self.take("(") {
            let inner = self.choice()?;
            if self.take(")") { Ok(inner) } else { Err(String::from("arithmetic: ( is not closed")) }
        } else {
            self.operand()
        };
        self.depth -= 1;
        result
    }

    fn operand(&mut self) -> Result<i64, String> {
        self.skip();
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        if word.is_empty() {
            return Err(match self.rest.chars().next() {
                Some(c) => format!("arithmetic: {c:?} is not understood"),
                None => String::from("arithmetic: something is missing at the end"),
            });
        }
        self.rest = rest;
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            return number(word);
        }
        let value = (self.value)(word);
        match value.trim() {
            "" => Ok(0),
            text => match text.strip_prefix('-') {
                Some(text) => number(text).map(i64::wrapping_neg),
                None => number(text),
            },
        }
    }
}

fn number(word: &str) -> Result<i64, String> {
    let parsed = match (word.strip_prefix("0x"), word.strip_prefix('0')) {
        (Some(hex), _) => i64::from_str_radix(hex, 16),
        (None, Some(octal)) if !octal.is_empty() => i64::from_str_radix(octal, 8),
        _ => word.parse(),
    };
    parsed.map_err(|_| format!("arithmetic: {word} is no number"))
}

fn apply(op: &str, a: i64, b: i64) -> Result<i64, String> {
    Ok(match op {
        "||" => (a != 0 || b != 0) as i64,
        "&&" => (a != 0 && b != 0) as i64,
        "|" => a | b,
        "^" => a ^ b,
        "&" => a & b,
        "==" => (a == b) as i64,
        "!=" => (a != b) as i64,
        "<=" => (a <= b) as i64,
        ">=" => (a >= b) as i64,
        "<" => (a < b) as i64,
        ">" => (a > b) as i64,
        "<<" => a.wrapping_shl(b as u32),
        ">>" => a.wrapping_shr(b as u32),
        "+" => a.wrapping_add(b),
        "-" => a.wrapping_sub(b),
        "*" => a.wrapping_mul(b),
        _ if b == 0 => return Err(String::from("arithmetic: division by zero")),
        "/" => a.wrapping_div(b),
        _ => a.wrapping_rem(b),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Result<i64, String> {
        evaluate(text, &|name| String::from(if name == "x" { "7" } else { "" }))
    }

    #[test]
    fn expressions() {
        for (text, wanted) in [
            ("", 0),
            ("1+2*3", 7),
            ("(1+2)*3", 9),
            ("10-3-2", 5),
            ("x % 4", 3),
            ("y", 0),
            ("-x + +1", -6),
            ("!0 + !5", 1),
            ("~0", -1),
            ("1 << 4 | 1", 17),
            ("3 & 6 ^ 1", 3),
            ("5 > 3 && 2 <= 2", 1),
            ("1 == 2 || 3 != 3", 0),
            ("0x1f + 010", 39),
            ("1 ? 2 : 3", 2),
            ("0 ? 2 : 0 ? 4 : 5", 5),
        ] {
            assert_eq!(value(text), Ok(wanted), "{text}");
        }
        for text in ["1 +", "(1", "1 2", "1 / 0", "1 % 0", "08", "$", "1 ? 2"] {
            assert!(value(text).is_err(), "{text}");
        }
        assert!(value(&"(".repeat(10_000)).is_err());
    }
}
