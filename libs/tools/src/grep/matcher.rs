// SPDX-License-Identifier: BSD-2-Clause
//! Whether, and where, a line matches any of the patterns.

use super::pattern::{Syntax, parse};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::ops::Range;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::meta::Regex;
use regex_automata::nfa::thompson::{Compiler, NFA, WhichCaptures};
use regex_automata::{Anchored, Input, MatchKind};
use regex_syntax::hir::{Hir, Look};

/// What counts as a match.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Extent {
    /// Any part of a line.
    Part,
    /// Whole words (`-w`).
    Words,
    /// The whole line (`-x`).
    Line,
}

/// The patterns, ready to be used.
pub struct Matcher {
    /// `None`: there are no patterns, nothing matches.
    regex: Option<Regex>,
    /// Finds how long the longest match is: alternatives are not in order of preference.
    longest: Option<(DFA, Cache)>,
}

impl Matcher {
    /// Of these patterns. `places`: matches are asked for, not only lines.
    pub fn new(
        patterns: &[&[u8]],
        syntax: Syntax,
        fold: bool,
        extent: Extent,
        places: bool,
    ) -> Result<Matcher, String> {
        if patterns.is_empty() {
            return Ok(Matcher { regex: None, longest: None });
        }
        let branches: Result<Vec<Hir>, String> = patterns.iter().map(|p| parse(p, syntax, fold)).collect();
        let any = Hir::alternation(branches?);
        let hir = match extent {
            Extent::Part => any,
            Extent::Words => Hir::concat(Vec::from([
                Hir::look(Look::WordStartHalfAscii),
                any,
                Hir::look(Look::WordEndHalfAscii),
            ])),
            Extent::Line => Hir::concat(Vec::from([Hir::look(Look::Start), any, Hir::look(Look::End)])),
        };
        let too_big = "Regular expression too big".to_string();
        let captures = if places { WhichCaptures::Implicit } else { WhichCaptures::None };
        let config = Regex::config().utf8_empty(false).which_captures(captures);
        let regex = Regex::builder().configure(config).build_from_hir(&hir).map_err(|_| too_big.clone())?;
        let longest = if places {
            let config = NFA::config().utf8(false).which_captures(WhichCaptures::None);
            let nfa = Compiler::new().configure(config).build_from_hir(&hir).map_err(|_| too_big.clone())?;
            let config = DFA::config().match_kind(MatchKind::All).skip_cache_capacity_check(true);
            let dfa = DFA::builder().configure(config).build_from_nfa(nfa).map_err(|_| too_big)?;
            let cache = dfa.create_cache();
            Some((dfa, cache))
        } else {
            None
        };
        Ok(Matcher { regex: Some(regex), longest })
    }

    /// Whether there is a match.
    pub fn matches(&self, line: &[u8]) -> bool {
        self.regex.as_ref().is_some_and(|regex| regex.is_match(line))
    }

    /// The first match from a place on that is not empty; of those that begin there the longest.
    pub fn find(&mut self, line: &[u8], mut from: usize) -> Option<Range<usize>> {
        let regex = self.regex.as_ref()?;
        while from <= line.len() {
            let found = regex.find(Input::new(line).range(from..))?;
            let mut end = found.end();
            if let Some((dfa, cache)) = &mut self.longest {
                let input = Input::new(line).range(found.start()..).anchored(Anchored::Yes);
                // Where the automaton gives up, the shorter match is still one.
                if let Ok(Some(last)) = dfa.try_search_fwd(cache, &input) {
                    end = end.max(last.offset());
                }
            }
            if end > found.start() {
                return Some(found.start()..end);
            }
            from = end + 1;
        }
        None
    }
}
