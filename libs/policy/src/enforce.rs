// SPDX-License-Identifier: BSD-2-Clause
//! One run of the daemon that enforces limits on resident sets (`vm_daemon`, PGO-201…212), over plain data and a [`Trimmer`].
//!
//! As the seed, with these differences: a program is trimmed when it has *more* than its limit (W24), and to a little below it, so that its next fault is not
//! at once too many; after the first pass used pages go too (W22); each pass visits only who is still over (W20); a program that is swapped out has limit 0 whatever its threads
//! do (W19). What a group has too much is taken from its members in proportion.

use crate::rss;
use alloc::vec::Vec;

/// A program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Program {
    /// Its number.
    pub id: u32,
    /// Pages that it has mapped.
    pub resident: u64,
    /// How many it may, `u64::MAX` for any number.
    pub limit: u64,
    /// Its group, 0 for none.
    pub group: u32,
    /// False: it is swapped out whole.
    pub in_memory: bool,
}

/// A group of programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its number, not 0.
    pub id: u32,
    /// What its members may have mapped together.
    pub limit: u64,
}

/// Who unmaps pages.
pub trait Trimmer {
    /// Trims a program to `target` pages, as far as it can be in one lap; `hard`: used pages too. How many are mapped then; `None`: it is gone, or is none to be trimmed.
    fn trim(&mut self, id: u32, target: u64, hard: bool) -> Option<u64>;
}

/// What a run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// Passes made.
    pub passes: u32,
    /// Calls of the trimmer.
    pub trims: u32,
    /// Pages unmapped.
    pub unmapped: u64,
    /// Programs and groups that are over their limits all the same.
    pub over: u32,
}

/// How far below a limit is trimmed: what is trimmed at a time costs as much however little it is.
#[must_use]
pub const fn slack(limit: u64) -> u64 {
    let part = limit / 32;
    if part < 64 { part } else { 64 }
}

impl Program {
    /// What it may have now (PGO-205).
    #[must_use]
    pub const fn limit_now(&self) -> u64 {
        if self.in_memory { self.limit } else { 0 }
    }

    const fn is_over(&self) -> bool {
        self.resident > self.limit_now()
    }
}

/// One run over programs and groups. `programs` come back with what they have then; who is gone comes back with nothing. Members of the groups must be among them.
pub fn run(trimmer: &mut impl Trimmer, programs: &mut [Program], groups: &[Group]) -> Run {
    let mut run = Run::default();
    loop {
        run.passes += 1;
        let hard = run.passes > 1;
        let mut over = 0;
        for p in programs.iter_mut().filter(|p| p.is_over()) {
            let limit = p.limit_now();
            trim(trimmer, p, limit - slack(limit), hard, &mut run);
            over += u32::from(p.is_over());
        }
        for group in groups {
            over += u32::from(trim_group(trimmer, programs, group, hard, &mut run));
        }
        run.over = over;
        if !rss::another_pass(run.passes, over > 0) {
            return run;
        }
    }
}

fn trim(trimmer: &mut impl Trimmer, p: &mut Program, target: u64, hard: bool, run: &mut Run) {
    run.trims += 1;
    // Who is gone holds nothing.
    let now = trimmer.trim(p.id, target, hard).unwrap_or(0);
    run.unmapped += p.resident.saturating_sub(now);
    p.resident = now;
}

/// What a group has mapped: read before it is trimmed (PGO-208).
#[must_use]
pub fn usage(programs: &[Program], group: u32) -> u64 {
    programs.iter().filter(|p| p.group == group).map(|p| p.resident).sum()
}

/// Trims a group in one pass; whether it is still over its limit.
fn trim_group(
    trimmer: &mut impl Trimmer,
    programs: &mut [Program],
    group: &Group,
    hard: bool,
    run: &mut Run,
) -> bool {
    let used = usage(programs, group.id);
    if used <= group.limit {
        return false;
    }
    let Some(target) = rss::allowance(used, group.limit - slack(group.limit), run.passes) else {
        return false;
    };
    for p in programs.iter_mut().filter(|p| p.group == group.id && p.resident > 0) {
        // Less than 2^64 by far: pages of memory times pages of memory.
        let share = (u128::from(p.resident) * u128::from(target) / u128::from(used)) as u64;
        if p.resident > share {
            trim(trimmer, p, share, hard, run);
        }
    }
    usage(programs, group.id) > group.limit
}

/// How long the daemon sleeps without being woken (PGO-199): a second as long as anybody has a limit or is swapped out, for ever otherwise. In microseconds.
#[must_use]
pub fn sleep_us(programs: &[Program], groups: &[Group]) -> Option<u64> {
    let any = !groups.is_empty() || programs.iter().any(|p| p.limit != u64::MAX || !p.in_memory);
    any.then_some(1_000_000)
}

/// Those that a run has to look at: the members of groups, and who is over a limit of its own.
pub fn concerned(programs: impl IntoIterator<Item = Program>) -> Vec<Program> {
    programs.into_iter().filter(|p| p.group != 0 || p.is_over()).collect()
}
