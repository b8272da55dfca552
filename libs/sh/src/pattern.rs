// SPDX-License-Identifier: BSD-2-Clause
//! Patterns: `*`, `?`, `[…]`, for names of files and for `case`.

use alloc::vec::Vec;

/// A character of a pattern, and whether it was quoted: then it means itself.
pub type Mark = (char, bool);

/// Whether there is anything special in a pattern.
pub fn is_pattern(pattern: &[Mark]) -> bool {
    pattern.iter().any(|(c, quoted)| !quoted && matches!(c, '*' | '?' | '['))
}

/// Whether a text matches a pattern, all of it. Takes time in proportion to the product of their lengths at most.
pub fn matches(pattern: &[Mark], text: &[char]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where the last `*` was, and how much of the text it has taken so far.
    let mut star: Option<(usize, usize)> = None;
    loop {
        let step = match pattern.get(p) {
            Some(('*', false)) => {
                star = Some((p, t));
                p += 1;
                continue;
            }
            None if t == text.len() => return true,
            None => None,
            Some(_) => text.get(t).and_then(|c| one(&pattern[p..], *c)),
        };
        match (step, star) {
            (Some(len), _) => {
                p += len;
                t += 1;
            }
            (None, Some((at, taken))) if taken < text.len() => {
                star = Some((at, taken + 1));
                p = at + 1;
                t = taken + 1;
            }
            _ => return false,
        }
    }
}

/// Matches one character; how much of the pattern that takes.
fn one(pattern: &[Mark], c: char) -> Option<usize> {
    match pattern.first()? {
        ('?', false) => Some(1),
        ('[', false) => match set(&pattern[1..]) {
            Some((set, len)) => set.contains(c).then_some(len + 1),
            None => (c == '[').then_some(1),
        },
        (p, _) => (*p == c).then_some(1),
    }
}

struct Set {
    not: bool,
    ranges: Vec<(char, char)>,
}

impl Set {
    fn contains(&self, c: char) -> bool {
        self.ranges.iter().any(|(from, to)| (*from..=*to).contains(&c)) != self.not
    }
}

/// The set after a `[`, and how long it is with its `]`. `None`: it does not end.
fn set(pattern: &[Mark]) -> Option<(Set, usize)> {
    let mut at = 0;
    let not = matches!(pattern.first(), Some(('!' | '^', false)));
    at += not as usize;
    let first = at;
    let mut ranges = Vec::new();
    loop {
        let (c, quoted) = *pattern.get(at)?;
        if c == ']' && !quoted && at > first {
            return Some((Set { not, ranges }, at + 1));
        }
        let range = matches!(pattern.get(at + 1), Some(('-', false)));
        match pattern.get(at + 2) {
            Some((to, quoted)) if range && (*to != ']' || *quoted) => {
                ranges.push((c, *to));
                at += 3;
            }
            _ => {
                ranges.push((c, c));
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn marks(pattern: &str) -> Vec<Mark> {
        pattern.chars().map(|c| (c, false)).collect()
    }

    fn check(pattern: &str, text: &str) -> bool {
        matches(&marks(pattern), &text.chars().collect::<Vec<_>>())
    }

    #[test]
    fn patterns() {
        for (pattern, text, wanted) in [
            ("", "", true),
            ("*", "", true),
            ("*.rs", "main.rs", true),
            ("*.rs", "main.rs.bak", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a*b*c", "aXbYbZc", true),
            ("[abc]", "b", true),
            ("[a-c]x", "bx", true),
            ("[!a-c]", "b", false),
            ("[!a-c]", "d", true),
            ("[]]", "]", true),
            ("[a-]", "-", true),
            ("[", "[", true),
            ("[ab", "[ab", true),
            ("**a", "ba", true),
        ] {
            assert_eq!(check(pattern, text), wanted, "{pattern} {text}");
        }
        assert!(matches(&[('*', true)], &['*']) && !matches(&[('*', true)], &['a']));
    }

    /// The same by trying everything.
    fn naive(pattern: &[Mark], text: &[char]) -> bool {
        match pattern.first() {
            None => text.is_empty(),
            Some(('*', false)) => (0..=text.len()).any(|n| naive(&pattern[1..], &text[n..])),
            Some(_) => text
                .first()
                .is_some_and(|c| one(pattern, *c).is_some_and(|len| naive(&pattern[len..], &text[1..]))),
        }
    }

    proptest! {
        #[test]
        fn as_by_trying_everything(pattern in "[ab*?\\[\\]!-]{0,8}", text in "[ab\\[-]{0,8}") {
            let (pattern, text) = (marks(&pattern), text.chars().collect::<Vec<_>>());
            prop_assert_eq!(matches(&pattern, &text), naive(&pattern, &text));
        }
    }
}
