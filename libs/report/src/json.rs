// SPDX-License-Identifier: BSD-2-Clause
//! JSON values (RFC 8259), written on one line.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Display, Formatter, Write};

/// A value. Its `Display` is JSON on one line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// `true`, `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number that is not negative.
    Uint(u64),
    /// Thousandths: 1,500 is `1.5`.
    Thousandths(u64),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Value>),
    /// Named values, in their order.
    Object(Vec<(String, Value)>),
}

impl Value {
    /// An object from names and values.
    pub fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
        Value::Object(members.into_iter().map(|(n, v)| (n.into(), v)).collect())
    }

    /// As a person reads it in a table: text without quotes, lists with commas.
    pub(crate) fn plain(&self, out: &mut String) -> fmt::Result {
        match self {
            Value::Text(text) => out.write_str(text),
            Value::List(values) => {
                for (i, value) in values.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    value.plain(out)?;
                }
                Ok(())
            }
            Value::Thousandths(n) => write!(out, "{}.{:03}", n / 1000, n % 1000),
            other => write!(out, "{other}"),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.into())
    }
}
impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text)
    }
}
impl From<u64> for Value {
    fn from(n: u64) -> Value {
        Value::Uint(n)
    }
}
impl From<u32> for Value {
    fn from(n: u32) -> Value {
        Value::Uint(n.into())
    }
}
impl From<u8> for Value {
    fn from(n: u8) -> Value {
        Value::Uint(n.into())
    }
}
impl From<i64> for Value {
    fn from(n: i64) -> Value {
        Value::Int(n)
    }
}
impl From<bool> for Value {
    fn from(b: bool) -> Value {
        Value::Bool(b)
    }
}

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Value::Bool(b) => write!(f, "{b}"),
            Value::Int(n) => write!(f, "{n}"),
            Value::Uint(n) => write!(f, "{n}"),
            Value::Thousandths(n) => match n % 1000 {
                0 => write!(f, "{}", n / 1000),
                rest => {
                    // No digit that says nothing: 1.5, not 1.500.
                    let (digits, width) = match rest {
                        r if r % 100 == 0 => (r / 100, 1),
                        r if r % 10 == 0 => (r / 10, 2),
                        r => (r, 3),
                    };
                    write!(f, "{}.{digits:0width$}", n / 1000)
                }
            },
            Value::Text(text) => quote(f, text),
            Value::List(values) => {
                f.write_char('[')?;
                for (i, value) in values.iter().enumerate() {
                    if i > 0 {
                        f.write_char(',')?;
                    }
                    write!(f, "{value}")?;
                }
                f.write_char(']')
            }
            Value::Object(members) => {
                f.write_char('{')?;
                for (i, (name, value)) in members.iter().enumerate() {
                    if i > 0 {
                        f.write_char(',')?;
                    }
                    quote(f, name)?;
                    write!(f, ":{value}")?;
                }
                f.write_char('}')
            }
        }
    }
}

fn quote(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            // DEL is allowed raw, but a terminal does not show it.
            c if (c as u32) < 0x20 || c as u32 == 0x7f => write!(f, "\\u{:04x}", c as u32)?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec;

    #[test]
    fn text_is_escaped() {
        let text = "a\"b\\c\nd\te\r\u{1}\u{7f}ü";
        assert_eq!(Value::from(text).to_string(), r#""a\"b\\c\nd\te\r\u0001\u007fü""#);
    }

    #[test]
    fn values_are_one_line() {
        let value = Value::object([
            ("n", 3u64.into()),
            ("neg", Value::Int(-2)),
            ("ok", true.into()),
            (
                "t",
                Value::List(vec![
                    Value::Thousandths(1500),
                    Value::Thousandths(2000),
                    Value::Thousandths(1001),
                ]),
            ),
            ("e", Value::List(vec![])),
        ]);
        assert_eq!(value.to_string(), r#"{"n":3,"neg":-2,"ok":true,"t":[1.5,2,1.001],"e":[]}"#);
        assert_eq!(Value::Thousandths(50).to_string(), "0.05");
    }
}
