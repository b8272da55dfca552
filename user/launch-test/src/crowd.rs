// SPDX-License-Identifier: BSD-2-Clause
//! Very many copies of a process: loads for the machine, which check every byte.

use alloc::vec;
use alloc::vec::Vec;
use ebb_rt::println;
use ebb_rt::process::{self, Change, Child, Forked, Target, signal};
use ebb_rt::proto::Error;
use ebb_rt::thread;

/// Bytes that one number fills: a page, so that each costs a copy.
const PIECE: usize = 4096;
/// How often each copy writes all of its memory.
const ROUNDS: u64 = 3;

/// Words that belong to one process, one page and one round.
fn word(who: u64, page: usize, round: u64) -> u64 {
    (who << 40 | (page as u64) << 8 | round).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn write(memory: &mut [u64], who: u64, round: u64) {
    for (page, words) in memory.chunks_mut(PIECE / 8).enumerate() {
        words.fill(word(who, page, round));
    }
}

/// Words that are not as they were written.
fn wrong(memory: &[u64], who: u64, round: u64) -> usize {
    let pages = memory.chunks(PIECE / 8).enumerate();
    pages.map(|(page, words)| words.iter().filter(|w| **w != word(who, page, round)).count()).sum()
}

/// So many copies at once, each of which writes so many KiB that were its parent's, stops until all are there, and goes on writing, as the parent does all the time. 0: no wrong byte.
pub fn at_once(count: usize, kib: usize) -> u8 {
    let mut memory = vec![0u64; kib << 7];
    let (mut children, mut bad): (Vec<Child>, usize) = (Vec::new(), 0);
    write(&mut memory, 0, 0);
    for who in 1..=count as u64 {
        match process::fork() {
            Ok(Forked::Parent(child)) => children.push(child),
            Ok(Forked::Child) => process::exit(copy(&mut memory, who)),
            Err(error) => {
                println!("copy {who}: {error}");
                bad += 1;
            }
        }
        bad += wrong(&memory, 0, who - 1);
        write(&mut memory, 0, who);
    }
    // All that were made are there now, each with memory of its own.
    let mut stopped = 0;
    while stopped < children.len() {
        match process::wait_any() {
            Ok((_, Change::Stopped(_))) => stopped += 1,
            other => {
                println!("instead of a stop: {other:?}");
                bad += 1;
                break;
            }
        }
    }
    bad += wrong(&memory, 0, count as u64);
    for child in &children {
        bad += usize::from(process::kill(Target::Process(child.id()), signal::CONT).is_err());
    }
    for child in children {
        if child.wait() != Ok(0) {
            bad += 1;
        }
    }
    println!("{count} copies of {kib} KiB at once: {bad} wrong");
    u8::from(bad > 0)
}

/// What it finds is its parent's, of the moment when it was made.
fn copy(memory: &mut [u64], who: u64) -> u8 {
    let mut bad = wrong(memory, 0, who - 1);
    for round in 0..ROUNDS {
        write(memory, who, round);
        if round == 0 {
            let stop = |pid| process::kill(Target::Process(pid), signal::STOP);
            bad += usize::from(process::id().and_then(stop).is_err());
        }
        thread::yield_now();
        bad += wrong(memory, who, round);
    }
    u8::from(bad > 0)
}

/// So many copies one after the other, each of which writes some of its memory, as the parent does. 0: each ended as it should.
pub fn in_a_row(count: usize) -> u8 {
    let mut memory = vec![0u64; 64 * PIECE / 8];
    let mut bad = 0;
    for n in 0..count {
        let at = n * 97 % memory.len();
        memory[at] = n as u64;
        let once = || -> Result<u8, Error> {
            match process::fork()? {
                Forked::Parent(child) => child.wait(),
                Forked::Child => {
                    let right = memory[at] == n as u64;
                    memory.iter_mut().step_by(1000).for_each(|w| *w = u64::MAX);
                    process::exit(if right { (n % 100) as u8 } else { 200 })
                }
            }
        };
        if { once }() != Ok((n % 100) as u8) || memory[at] != n as u64 {
            bad += 1;
        }
    }
    println!("{count} copies in a row: {bad} wrong");
    u8::from(bad > 0)
}
