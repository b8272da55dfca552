// SPDX-License-Identifier: BSD-2-Clause
//! What a program is told, what is refused, and what remains.

use crate::Failure;
use crate::child::told;
use crate::parent::{Parent, because, same};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use ebb_rt::client::call;
use ebb_rt::clock;
use ebb_rt::proto::Error;
use ebb_rt::proto::pipe::End;
use ebb_rt::proto::proc::{
    Group, KILLED, Kill, Launch, MAX_START, MoreArguments, NO_COMMAND, Target, Wait, signal,
};
use ebb_rt::proto::start::Stream::{self, File, Null, PipeRead, PipeWrite};

/// 2025 and 2100, in microseconds since 1970.
const YEARS: (u64, u64) = (1_735_689_600_000_000, 4_102_444_800_000_000);

fn launch(args: Vec<String>, streams: &[Stream]) -> Launch {
    let env = Vec::from([("HOME".to_string(), "/data".to_string()), ("EMPTY".to_string(), String::new())]);
    let (program, cwd) = ("launch-test".to_string(), "/data/x y".to_string());
    Launch { program, args, env, cwd, streams: streams.to_vec(), linked: false, group: Group::Inherited }
}

/// 50 KiB of arguments arrive as they were, in order, once.
pub fn long(p: &Parent) -> Result<(), Failure> {
    for round in 0..2 {
        let pipe = p.new_pipe()?;
        let mut all: Vec<String> = Vec::from(["tell".to_string()]);
        if round == 0 {
            all.extend((0..500).map(|n| format!("{n:->90}")));
        }
        all.extend(["".to_string(), "last, ü".to_string()]);
        let at = all.len() - 2;
        for piece in all.get(..at).unwrap_or_default().chunks(30) {
            because("announce", call(p.proc, &MoreArguments { args: piece.to_vec() }))?;
        }
        let op = launch(all.get(at..).unwrap_or_default().to_vec(), &[Null, PipeWrite(pipe)]);
        let child = because("launch", call(p.proc, &op))?;
        p.close(pipe, End::Write)?;
        let text = String::from_utf8(p.read_all(pipe)?).unwrap_or_default();
        p.close(pipe, End::Read)?;
        same("told", text, told(all.get(1..).unwrap_or_default(), &op.env, &op.cwd))?;
        p.ends_with(child, 0)?;
    }
    Ok(())
}

/// What is too long is refused when it becomes too long, and forgotten.
pub fn too_long(p: &Parent) -> Result<(), Failure> {
    let message = MoreArguments { args: Vec::from(["x".repeat(3900)]) };
    let mut announced = 0;
    let error = loop {
        match call(p.proc, &message) {
            Ok(()) => announced += 3900,
            Err(error) => break error,
        }
        if announced > MAX_START {
            return Err(format!("{announced} bytes were taken"));
        }
    };
    same("limit", error, Error::TooLong)?;
    // Nothing of it comes with the next one.
    let pipe = p.new_pipe()?;
    let child = p.child(&["tell"], &[Null, PipeWrite(pipe)])?;
    p.close(pipe, End::Write)?;
    let text = String::from_utf8(p.read_all(pipe)?).unwrap_or_default();
    p.close(pipe, End::Read)?;
    same("told", text, told(&[], &[], "/"))?;
    p.ends_with(child, 0)?;
    // Empty ones cost memory too.
    let empty = MoreArguments { args: Vec::from([const { String::new() }; 1000]) };
    let taken = (0..100).take_while(|_| call(p.proc, &empty).is_ok()).count();
    if taken > 10 { Err(format!("{taken} thousand empty arguments were taken")) } else { Ok(()) }
}

/// Nonsense.
pub fn refused(p: &Parent) -> Result<(), Failure> {
    for name in ["", "no-such-program", "vm", "init", "pipe", "pageout", "ld"] {
        same(name, p.try_launch(name, &[], &[]), Err(Error::NotFound))?;
    }
    let child = launch(Vec::from(["count".to_string()]), &[]);
    let relative = Launch { cwd: "data".to_string(), ..child.clone() };
    p.fails(p.proc, "a folder that is not absolute", &relative, Error::Invalid)?;
    p.fails(p.proc, "four streams", &Launch { streams: Vec::from([Null; 4]), ..child }, Error::Invalid)
}

/// The loader says what it did not find, on the error stream.
pub fn no_file(p: &Parent) -> Result<(), Failure> {
    for (program, said) in [
        ("/no/such", "/no/such: No such file or directory\n"),
        ("./such", "/./such: No such file or directory\n"),
    ] {
        let pipe = p.new_pipe()?;
        let child = because("launch", p.try_launch(program, &["x"], &[Null, Null, PipeWrite(pipe)]))?;
        p.close(pipe, End::Write)?;
        let text = String::from_utf8(p.read_all(pipe)?).unwrap_or_default();
        p.close(pipe, End::Read)?;
        same("said", text.as_str(), said)?;
        p.ends_with(child, NO_COMMAND)?;
    }
    Ok(())
}

/// A stream that the parent has not: nothing was launched, and no end of the others remains.
pub fn undone(p: &Parent) -> Result<(), Failure> {
    let pipe = p.new_pipe()?;
    let before = p.spaces()?;
    for bad in [PipeRead(pipe + 1000), PipeWrite(pipe + 1000), File(9)] {
        let result = p.try_launch("launch-test", &["wait"], &[PipeRead(pipe), PipeWrite(pipe), bad]);
        same("launch", result, Err(Error::BadFile))?;
    }
    same("spaces", p.spaces()?, before)?;
    p.close(pipe, End::Write)?;
    // Whoever else had the end would make this wait for ever.
    same("bytes", p.read_all(pipe)?.len(), 0)?;
    p.close(pipe, End::Read)
}

/// Nothing is used up, whether one asks how they ended or not.
pub fn often(p: &Parent) -> Result<(), Failure> {
    let before = p.spaces()?;
    let mut first = None;
    for n in 0..600 {
        let pipe = p.new_pipe()?;
        let child = p.child(&["count", "10"], &[Null, PipeWrite(pipe)])?;
        p.close(pipe, End::Write)?;
        same("bytes", p.read_all(pipe)?.len(), 10)?;
        p.close(pipe, End::Read)?;
        if n < 300 {
            p.ends_with(child, 0)?;
        } else {
            first = first.or(Some(child));
        }
    }
    if let Some(space) = first {
        p.fails(p.proc, "the oldest is forgotten", &Wait { pid: space }, Error::NotFound)?;
    }
    same("spaces", p.spaces()?, before)
}

/// More programs at once than the tables of the servers have room for at first.
pub fn many(p: &Parent) -> Result<(), Failure> {
    let before = p.spaces()?;
    let mut children = Vec::new();
    let result = (0..270).try_for_each(|_| {
        children.push(p.child(&["sleep"], &[])?);
        Ok(())
    });
    for child in children {
        because("kill", call(p.proc, &Kill { target: Target::Process(child), signal: signal::KILL }))?;
        p.ends_with(child, KILLED)?;
    }
    same("spaces", p.spaces()?, before)?;
    result
}

/// The wall clock is within this century.
pub fn clock(p: &Parent) -> Result<(), Failure> {
    let now = p.info.epoch_us + clock::now_us();
    if (YEARS.0..YEARS.1).contains(&now) { Ok(()) } else { Err(format!("{now} us since 1970")) }
}
