// SPDX-License-Identifier: BSD-2-Clause
//! Files that are written, renamed and deleted, and what must be there after the machine died in the middle of it.
//!
//! A program says each step before it begins it and after it has been answered ([`Step::begun`], [`Step::done`]); from what was said [`Ledger`] knows what each name may hold.

use crate::random::{Random, mix};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

/// Names that there are: `f0` and so on.
pub const NAMES: u64 = 24;
/// Bytes of a file at most.
pub const MOST: u64 = 40_000;

/// A step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The file is written anew, with contents of this number, and made durable.
    Write(u64, u64),
    /// It is renamed.
    Rename(u64, u64),
    /// It is deleted.
    Delete(u64),
}

impl Step {
    /// The n-th step of a seed.
    pub fn nth(seed: u64, n: u64) -> Step {
        let mut random = Random::new(mix(seed) ^ n);
        let (a, b) = (random.below(NAMES), random.below(NAMES));
        match random.below(10) {
            0..=5 => Step::Write(a, mix(seed ^ n << 20) | 1),
            6 | 7 if a != b => Step::Rename(a, b),
            _ => Step::Delete(a),
        }
    }

    /// What is said before it begins.
    pub fn begun(&self) -> String {
        self.line('B')
    }

    /// What is said after it was answered, and whether there was a file to do it to.
    pub fn done(&self, there: bool) -> String {
        self.line(if there { 'D' } else { 'N' })
    }

    fn line(&self, first: char) -> String {
        match self {
            Step::Write(name, number) => format!("{first} w {name} {number}"),
            Step::Rename(from, to) => format!("{first} r {from} {to}"),
            Step::Delete(name) => format!("{first} d {name} 0"),
        }
    }

    fn parse(line: &str) -> Option<(char, Step)> {
        let mut words = line.split(' ');
        let first = words.next()?.chars().next()?;
        let kind = words.next()?;
        let (a, b) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let step = match kind {
            "w" => Step::Write(a, b),
            "r" => Step::Rename(a, b),
            "d" => Step::Delete(a),
            _ => return None,
        };
        (words.next().is_none() && matches!(first, 'B' | 'D' | 'N')).then_some((first, step))
    }
}

/// The name with this number.
pub fn name(number: u64) -> String {
    format!("f{number}")
}

/// The contents with this number.
pub fn contents(number: u64) -> Vec<u8> {
    let len = (mix(number) % MOST) as usize;
    let mut bytes = Vec::with_capacity(len + 8);
    let mut random = Random::new(number);
    while bytes.len() < len {
        bytes.extend_from_slice(&random.bits().to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// What a name may hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum May {
    /// Nothing, or contents of one of these numbers; `None` stands for no file.
    One(Vec<Option<u64>>),
    /// Anything: it was being written.
    Anything,
}

/// What is known from what was said. A line that was cut off in the middle says nothing.
pub struct Ledger {
    names: Vec<Option<u64>>,
    under_way: Option<Step>,
    /// Steps that were answered.
    pub answered: u64,
}

impl Ledger {
    /// Reads all that was said, from the first step of a new file system on.
    pub fn read(said: &str) -> Ledger {
        let mut ledger = Ledger { names: vec![None; NAMES as usize], under_way: None, answered: 0 };
        for line in said.split_inclusive('\n').filter(|l| l.ends_with('\n')) {
            match Step::parse(line.trim_end()) {
                Some(('B', step)) => ledger.under_way = Some(step),
                Some((first, step)) if ledger.under_way == Some(step) => {
                    ledger.under_way = None;
                    ledger.answered += 1;
                    if first == 'D' {
                        ledger.carry_out(step);
                    }
                }
                _ => {}
            }
        }
        ledger
    }

    fn carry_out(&mut self, step: Step) {
        match step {
            Step::Write(name, number) => self.set(name, Some(number)),
            Step::Rename(from, to) => {
                let moved = self.names.get(from as usize).copied().flatten();
                self.set(to, moved);
                self.set(from, None);
            }
            Step::Delete(name) => self.set(name, None),
        }
    }

    fn set(&mut self, name: u64, number: Option<u64>) {
        if let Some(place) = self.names.get_mut(name as usize) {
            *place = number;
        }
    }

    /// What a name may hold now.
    pub fn may(&self, name: u64) -> May {
        let is = self.names.get(name as usize).copied().flatten();
        match self.under_way {
            Some(Step::Write(written, _)) if written == name => May::Anything,
            Some(Step::Rename(from, _)) if from == name => May::One(vec![is, None]),
            Some(Step::Rename(from, to)) if to == name => {
                May::One(vec![is, self.names.get(from as usize).copied().flatten()])
            }
            Some(Step::Delete(deleted)) if deleted == name => May::One(vec![is, None]),
            _ => May::One(vec![is]),
        }
    }

    /// What is wrong with what a name holds; `None`: nothing.
    pub fn judge(&self, number: u64, holds: Option<&[u8]>) -> Option<String> {
        let May::One(allowed) = self.may(number) else { return None };
        let fits = |may: &Option<u64>| match (may, holds) {
            (None, None) => true,
            (Some(number), Some(bytes)) => contents(*number) == bytes,
            _ => false,
        };
        if allowed.iter().any(fits) {
            return None;
        }
        let held = holds.map_or_else(|| "no file".to_string(), |b| format!("{} bytes", b.len()));
        Some(format!("{}: there is {held}, which is none of {allowed:?}", name(number)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_knows_what_may_be_there() {
        let said =
            "B w 1 7\nD w 1 7\nB r 1 2\nD r 1 2\nnoise\nB d 3 0\nN d 3 0\nB w 4 9\nD w 4 9\nB r 4 2\nD r 4";
        let ledger = Ledger::read(said);
        assert_eq!(ledger.answered, 4);
        assert_eq!(ledger.may(1), May::One(vec![None]));
        assert_eq!(ledger.may(2), May::One(vec![Some(7), Some(9)]));
        assert_eq!(ledger.may(4), May::One(vec![Some(9), None]));
        assert_eq!(ledger.judge(2, Some(&contents(7))), None);
        assert_eq!(ledger.judge(4, None), None);
        assert!(ledger.judge(2, None).is_some() && ledger.judge(2, Some(b"x")).is_some());
        assert!(ledger.judge(5, Some(b"")).is_some());
        assert_eq!(Ledger::read("B w 1 7\n").may(1), May::Anything);
    }

    #[test]
    fn steps_survive_being_said() {
        for n in 0..1000 {
            let step = Step::nth(5, n);
            assert_eq!(Step::parse(&step.begun()), Some(('B', step)));
            assert_eq!(Step::parse(&step.done(false)), Some(('N', step)));
        }
        assert!((0..1000).any(|n| matches!(Step::nth(5, n), Step::Rename(..))));
    }
}
