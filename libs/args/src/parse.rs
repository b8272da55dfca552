// SPDX-License-Identifier: BSD-2-Clause
//! Options and operands.

use crate::Problem;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// What a program takes.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// Options with a value, with their dashes: `--mem`, `-n`.
    pub values: &'static [&'static str],
    /// Options without one: `--json`.
    pub flags: &'static [&'static str],
    /// Most operands (words that are no options).
    pub operands: usize,
}

/// Arguments that fit a [`Spec`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Args {
    values: Vec<(String, String)>,
    flags: Vec<String>,
    operands: Vec<String>,
}

impl Args {
    /// Sorts arguments into options and operands. `--name VALUE` and `--name=VALUE` mean the same; `--` ends the options; a negative number
    /// is an operand. Each option may be given once.
    pub fn parse<S: AsRef<str>>(args: &[S], spec: &Spec) -> Result<Args, Problem> {
        let mut out = Args::default();
        let mut words = args.iter().map(AsRef::as_ref);
        let mut options = true;
        while let Some(word) = words.next() {
            if options && word == "--" {
                options = false;
            } else if options && is_option(word) {
                let (name, attached) = match word.split_once('=') {
                    Some((name, value)) => (name, Some(value)),
                    None => (word, None),
                };
                if out.values.iter().any(|(n, _)| n == name) || out.flags.iter().any(|n| n == name) {
                    return Err(Problem(format!("option {name} was given twice")));
                }
                if spec.values.contains(&name) {
                    let value = attached
                        .or_else(|| words.next())
                        .ok_or_else(|| Problem(format!("option {name} needs a value")))?;
                    out.values.push((name.to_string(), value.to_string()));
                } else if spec.flags.contains(&name) {
                    if attached.is_some() {
                        return Err(Problem(format!("option {name} takes no value")));
                    }
                    out.flags.push(name.to_string());
                } else {
                    return Err(Problem(format!("unknown option {name}{}", spec.offer())));
                }
            } else {
                if out.operands.len() == spec.operands {
                    return Err(Problem(format!("unexpected argument {word:?}")));
                }
                out.operands.push(word.to_string());
            }
        }
        Ok(out)
    }

    /// The value of an option.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The value of an option put through `read`; the problem names the option.
    pub fn read<T>(
        &self,
        name: &str,
        read: impl FnOnce(&str) -> Result<T, Problem>,
    ) -> Result<Option<T>, Problem> {
        self.value(name).map(|v| read(v).map_err(|p| Problem(format!("{name}: {p}")))).transpose()
    }

    /// Whether a flag was given.
    pub fn flag(&self, name: &str) -> bool {
        self.flags.iter().any(|n| n == name)
    }

    /// The operands in their order.
    pub fn operands(&self) -> &[String] {
        &self.operands
    }
}

impl Spec {
    /// " (there are: …)", so that a mistyped option needs no second look-up.
    fn offer(&self) -> String {
        let all: Vec<&str> = self.values.iter().chain(self.flags).copied().collect();
        if all.is_empty() { String::new() } else { format!(" (there are: {})", all.join(" ")) }
    }
}

fn is_option(word: &str) -> bool {
    word.len() > 1 && word.starts_with('-') && !word.as_bytes()[1].is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: Spec = Spec { values: &["--mem", "-n"], flags: &["--json"], operands: 2 };

    fn problem(words: &[&str]) -> String {
        Args::parse(words, &SPEC).unwrap_err().0
    }

    #[test]
    fn options_and_operands_in_any_order() {
        let args = Args::parse(&["a", "--mem=64M", "-n", "-1", "--json", "--", "--mem"], &SPEC).unwrap();
        assert_eq!(args.value("--mem"), Some("64M"));
        assert_eq!(args.value("-n"), Some("-1"));
        assert!(args.flag("--json"));
        assert_eq!(args.operands(), ["a", "--mem"]);
        assert_eq!(Args::parse(&["-5"], &SPEC).unwrap().operands(), ["-5"]);
    }

    #[test]
    fn what_is_wrong_is_said_in_one_line() {
        assert_eq!(problem(&["--memory", "1"]), "unknown option --memory (there are: --mem -n --json)");
        assert_eq!(problem(&["--mem"]), "option --mem needs a value");
        assert_eq!(problem(&["--json=1"]), "option --json takes no value");
        assert_eq!(problem(&["-n", "1", "-n=2"]), "option -n was given twice");
        assert_eq!(problem(&["a", "b", "c"]), "unexpected argument \"c\"");
    }

    #[test]
    fn a_bad_value_is_named() {
        let args = Args::parse(&["--mem", "x"], &SPEC).unwrap();
        assert_eq!(args.read("--mem", crate::number).unwrap_err().0, "--mem: \"x\" is not a number");
        assert_eq!(args.read("-n", crate::number), Ok(None));
    }
}
