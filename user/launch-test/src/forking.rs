// SPDX-License-Identifier: BSD-2-Clause
//! Copies of a process, and processes that become another program.

use crate::Failure;
use crate::child::pattern;
use crate::parent::{Parent, because, same};
use crate::signals::{pause, send, until};
use alloc::vec;
use alloc::vec::Vec;
use ebb_rt::io::{Channel, Read, pipe};
use ebb_rt::process::{self, Child, Command, Forked, signal};
use ebb_rt::proto::Error;
use ebb_rt::proto::proc::{NO_COMMAND, SIGNALLED};
use ebb_rt::thread;

/// What a copy that did not do what it should ends with.
const WRONG: u8 = 99;

/// Runs something in a copy, which ends with its status. The child.
pub fn in_copy(work: impl FnOnce() -> Result<u8, Error>) -> Result<Child, Failure> {
    match because("fork", process::fork())? {
        Forked::Parent(child) => Ok(child),
        Forked::Child => process::exit(work().unwrap_or(WRONG)),
    }
}

pub fn ends_with(child: Child, status: u8) -> Result<(), Failure> {
    same("status of the copy", because("wait", child.wait())?, status)
}

fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(7, |sum: u64, byte| sum.wrapping_mul(0x100_0000_01b3) ^ *byte as u64)
}

pub fn memory(p: &Parent) -> Result<(), Failure> {
    let before = p.spaces()?;
    let mut bytes: Vec<u8> = (0..500_000).map(pattern).collect();
    let sum = checksum(&bytes);
    let (mut from, to) = because("pipe", pipe())?;
    let own = because("id", process::id())?;
    let child = in_copy(|| {
        // Until the parent has written, and closed its end; this is the copy's.
        drop(Channel::of(to.stream()));
        from.read(&mut [0])?;
        let right = checksum(&bytes) == sum && process::parent_id()? == own && process::id()? != own;
        bytes.iter_mut().for_each(|b| *b = !*b);
        let more: Vec<u8> = (0..300_000).map(pattern).collect();
        Ok(if right && checksum(&bytes) != sum && more.len() == 300_000 { 5 } else { 6 })
    })?;
    bytes.iter_mut().step_by(3).for_each(|b| *b ^= 1);
    let mine = checksum(&bytes);
    drop(to);
    ends_with(child, 5)?;
    same("the own bytes", checksum(&bytes), mine)?;
    drop(from);
    same("spaces", p.spaces()?, before)
}

pub fn pipes(p: &Parent) -> Result<(), Failure> {
    let before = p.spaces()?;
    let (mut from, mut to) = because("pipe", pipe())?;
    let len = 100_000;
    let child = in_copy(|| {
        let bytes: Vec<u8> = (0..len).map(pattern).collect();
        ebb_rt::io::write_all(&mut to, &bytes)?;
        Ok(0)
    })?;
    // The copy has this end too: only with its end nobody can write any more.
    drop(to);
    let mut all = Vec::new();
    because("read", from.read_to_end(&mut all))?;
    same("bytes", all.len(), len)?;
    same("pattern", all.iter().enumerate().all(|(at, byte)| *byte == pattern(at)), true)?;
    ends_with(child, 0)?;
    drop(from);
    same("spaces", p.spaces()?, before)
}

/// A copy of the calling thread, which makes one of itself, and so on; each adds what it has on its stack.
fn copies(more: u8) -> Result<u8, Error> {
    let here = [more; 300];
    match process::fork()? {
        Forked::Parent(child) => child.wait(),
        Forked::Child if more == 0 => process::exit(0),
        Forked::Child => {
            // A timer, another thread, and a call all the same.
            thread::sleep(core::time::Duration::from_millis(2))?;
            let other = thread::spawn(|| 1u8)?.join()?;
            let right = here.iter().all(|b| *b == more) && thread::current() != 0;
            process::exit(if right { copies(more - 1)? + other } else { WRONG })
        }
    }
}

pub fn threads(p: &Parent) -> Result<(), Failure> {
    let before = p.spaces()?;
    let other = because("thread", thread::spawn(thread::park))?;
    // By a thread that is not the first: the copy has its stack, with what is on it, and goes on as that thread, which can do what a first one can.
    let by_other = because("thread", thread::spawn(|| copies(6)))?;
    same("of another thread", because("join", by_other.join())?, Ok(6))?;
    let by_other = because(
        "thread",
        thread::spawn(|| match process::fork() {
            Ok(Forked::Parent(child)) => child.wait(),
            // Its work is done: so is the process.
            forked => forked.map(|_| WRONG),
        }),
    )?;
    same("of one that ends", because("join", by_other.join())?, Ok(0))?;
    // It has threads of its own, with the numbers that the others have here.
    let child = in_copy(|| thread::spawn(|| 3).and_then(|t| t.join()))?;
    ends_with(child, 3)?;
    because("unpark", thread::unpark(other.number()))?;
    because("join", other.join())?.map_err(|e| alloc::format!("park: {e}"))?;
    // A copy is a process like any other.
    let child = in_copy(|| {
        loop {
            pause(1000).map_err(|_| Error::Io)?;
        }
    })?;
    send(child, signal::STOP)?;
    send(child, signal::CONT)?;
    send(child, signal::TERM)?;
    ends_with(child, SIGNALLED + signal::TERM)?;
    same("spaces", p.spaces()?, before)
}

pub fn many(p: &Parent) -> Result<(), Failure> {
    let before = p.spaces()?;
    let mut bytes = vec![1u8; 200_000];
    for round in 0..200u32 {
        bytes[round as usize * 100] = round as u8;
        let child = in_copy(|| Ok(bytes[round as usize * 100]))?;
        ends_with(child, round as u8)?;
    }
    let mut children = Vec::new();
    for n in 0..40u8 {
        children.push(in_copy(|| {
            for round in 0..4u8 {
                bytes.iter_mut().for_each(|b| *b = n ^ round);
                thread::yield_now();
                if bytes.iter().any(|b| *b != n ^ round) {
                    return Ok(WRONG);
                }
            }
            Ok(n)
        })?);
        bytes[n as usize] = !n;
    }
    for (n, child) in children.into_iter().enumerate() {
        ends_with(child, n as u8)?;
    }
    same("the own bytes", bytes[..40].iter().enumerate().all(|(n, b)| *b == !(n as u8)), true)?;
    same("spaces", p.spaces()?, before)
}

pub fn exec(p: &Parent) -> Result<(), Failure> {
    let before = p.spaces()?;
    let (mut from, to) = because("pipe", pipe())?;
    let child = in_copy(|| {
        let command = Command::new("launch-test").arg("count").arg("50000");
        Err(command.stdin(&Channel::Null).stdout(&to).exec())
    })?;
    drop(to);
    let mut all = Vec::new();
    because("read", from.read_to_end(&mut all))?;
    same("bytes", all.len(), 50_000)?;
    ends_with(child, 0)?;
    drop(from);
    // Its number stays.
    let child = in_copy(|| Err(Command::new("launch-test").arg("sleep").exec()))?;
    until("it is another program with the same number", || {
        let list = because("list", process::list())?;
        let there = list.iter().find(|p| p.pid == child.id());
        Ok(there.is_some_and(|p| p.name == "launch-test" && p.space != p.pid))
    })?;
    send(child, signal::TERM)?;
    ends_with(child, SIGNALLED + signal::TERM)?;
    // What is not there: a module at once, a file when it is looked for.
    let child = in_copy(|| {
        let error = Command::new("no-such-program").exec();
        Ok(if error == Error::NotFound { 7 } else { WRONG })
    })?;
    ends_with(child, 7)?;
    let child = in_copy(|| Err(Command::new("/no/such").stderr(&Channel::Null).exec()))?;
    ends_with(child, NO_COMMAND)?;
    same("spaces", p.spaces()?, before)
}
