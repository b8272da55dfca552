// SPDX-License-Identifier: BSD-2-Clause
//! Pipes between programs.

use crate::Failure;
use crate::child::{BROKEN, pattern, write_all};
use crate::parent::{Parent, because, same};
use alloc::vec::Vec;
use ebb_rt::client::call;
use ebb_rt::clock;
use ebb_rt::proto::Error;
use ebb_rt::proto::pipe::{Close, End, Gone, New, Read, Share, Write};
use ebb_rt::proto::proc::{KILLED, Kill, Target, signal};
use ebb_rt::proto::start::Stream::{Null, PipeRead, PipeWrite};

/// More than a pipe holds, by far.
const MANY: usize = 200_000;

/// A child writes, another copies, the parent reads and compares.
pub fn relay(p: &Parent) -> Result<(), Failure> {
    let (first, second) = (p.new_pipe()?, p.new_pipe()?);
    let writer = p.child(&["count", "200000"], &[Null, PipeWrite(first)])?;
    let copier = p.child(&["relay"], &[PipeRead(first), PipeWrite(second)])?;
    p.close(first, End::Read)?;
    p.close(first, End::Write)?;
    p.close(second, End::Write)?;
    let bytes = p.read_all(second)?;
    p.close(second, End::Read)?;
    same("bytes", bytes.len(), MANY)?;
    let wrong = bytes.iter().enumerate().position(|(at, b)| *b != pattern(at));
    same("first wrong byte", wrong, None)?;
    p.ends_with(writer, 0)?;
    p.ends_with(copier, 0)
}

/// A child that is killed leaves no end behind.
pub fn killed_writer(p: &Parent) -> Result<(), Failure> {
    let (own, pipe) = (p.new_pipe()?, p.new_pipe()?);
    let child = p.child(&["wait"], &[PipeRead(own), PipeWrite(pipe)])?;
    p.close(pipe, End::Write)?;
    because("kill", call(p.proc, &Kill { target: Target::Process(child), signal: signal::KILL }))?;
    p.ends_with(child, KILLED)?;
    same("bytes", p.read_all(pipe)?.len(), 0)?;
    p.close(pipe, End::Read)?;
    p.close(own, End::Read)?;
    same("write", write_all(p.pipe, own, b"x"), Err(Error::BrokenPipe))?;
    p.close(own, End::Write)
}

/// A child writes until nobody can read any more.
pub fn broken(p: &Parent) -> Result<(), Failure> {
    let pipe = p.new_pipe()?;
    let child = p.child(&["count", "1000000"], &[Null, PipeWrite(pipe)])?;
    p.close(pipe, End::Write)?;
    let piece = because("read", call(p.pipe, &Read { pipe, most: u32::MAX }))?;
    same("first byte", piece.first().copied(), Some(pattern(0)))?;
    p.close(pipe, End::Read)?;
    p.ends_with(child, BROKEN)
}

/// What is not the caller's, and what only `init` may do.
pub fn foreign(p: &Parent) -> Result<(), Failure> {
    let pipe = p.new_pipe()?;
    p.fails(p.pipe, "a pipe that is none", &Read { pipe: pipe + 1000, most: u32::MAX }, Error::BadFile)?;
    p.fails(p.pipe, "gone", &Gone { space: 1 }, Error::NotPermitted)?;
    let share = Share { pipe, end: End::Read, from: 1, to: 2 };
    p.fails(p.pipe, "share", &share, Error::NotPermitted)?;
    p.close(pipe, End::Read)?;
    p.fails(p.pipe, "closed twice", &Close { pipe, end: End::Read }, Error::BadFile)?;
    p.fails(p.pipe, "nobody reads", &Write { pipe, bytes: Vec::from([1]) }, Error::BrokenPipe)?;
    p.close(pipe, End::Write)?;
    p.fails(p.pipe, "no longer there", &Write { pipe, bytes: Vec::from([1]) }, Error::BadFile)
}

/// All pipes that there can be, each with something in it; then the next program can have them.
pub fn many(p: &Parent) -> Result<(), Failure> {
    for round in 0..2 {
        let mut pipes = Vec::new();
        let error = loop {
            match call(p.pipe, &New {}) {
                Ok(pipe) => pipes.push(pipe),
                Err(error) => break error,
            }
        };
        same("limit", error, Error::TooManyFiles)?;
        if pipes.len() < 32 {
            return Err(alloc::format!("only {} pipes in round {round}", pipes.len()));
        }
        for pipe in &pipes {
            because("write", write_all(p.pipe, *pipe, &[round; 1000]))?;
        }
        for pipe in &pipes {
            let bytes = because("read", call(p.pipe, &Read { pipe: *pipe, most: u32::MAX }))?;
            same("bytes", bytes, Vec::from([round; 1000]))?;
            p.close(*pipe, End::Read)?;
            p.close(*pipe, End::Write)?;
        }
    }
    Ok(())
}

/// All pipes full, and two writers waiting for each: the server's heap has room for that, and everybody learns of the end.
pub fn full(p: &Parent) -> Result<(), Failure> {
    let mut pipes = Vec::new();
    while let Ok(pipe) = call(p.pipe, &New {}) {
        pipes.push(pipe);
    }
    let mut children = Vec::new();
    for pipe in &pipes {
        for _ in 0..2 {
            children.push(p.child(&["count", "100000"], &[Null, PipeWrite(*pipe)])?);
        }
        p.close(*pipe, End::Write)?;
    }
    because("sleep", clock::sleep_us(300_000))?;
    for pipe in &pipes {
        let piece = because("read", call(p.pipe, &Read { pipe: *pipe, most: u32::MAX }))?;
        same("first byte", piece.first().copied(), Some(pattern(0)))?;
        p.close(*pipe, End::Read)?;
    }
    children.into_iter().try_for_each(|child| p.ends_with(child, BROKEN))
}
