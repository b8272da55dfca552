// SPDX-License-Identifier: BSD-2-Clause
//! Signals, groups, limits: what processes do to each other.

use crate::Failure;
use crate::parent::{Parent, because, same};
use alloc::vec::Vec;
use ebb_rt::process::{self, Child, Command, Limit, Pid, Resource, Target, signal};
use ebb_rt::proto::Error;
use ebb_rt::proto::pipe::End;
use ebb_rt::proto::proc::{Change, Ended, Group, KILLED, SIGNALLED, State};
use ebb_rt::proto::start::Stream::PipeWrite;
use ebb_rt::thread;
use ebb_rt::time::Duration;

/// A child that does nothing for long.
pub fn sleeper(group: Group) -> Result<Child, Failure> {
    because("spawn", Command::new("launch-test").arg("sleep").group(group).spawn())
}

pub fn send(child: Child, number: u8) -> Result<(), Failure> {
    because("signal", process::kill(Target::Process(child.id()), number))
}

/// What has happened to a child.
pub fn change(child: Child) -> Result<Option<Change>, Failure> {
    because("poll", child.change())
}

fn ended(status: u8, reason: &str) -> Option<Change> {
    Some(Change::Ended(Ended { status, reason: reason.into() }))
}

/// Waits until something is so: how long it takes is the host's business, within reason.
pub fn until(what: &str, mut is_so: impl FnMut() -> Result<bool, Failure>) -> Result<(), Failure> {
    for _ in 0..2000 {
        if is_so()? {
            return Ok(());
        }
        pause(5)?;
    }
    Err(alloc::format!("not after 10 s: {what}"))
}

pub fn pause(ms: u64) -> Result<(), Failure> {
    because("sleep", thread::sleep(Duration::from_millis(ms)))
}

pub fn default_actions(p: &Parent) -> Result<(), Failure> {
    let before = p.spaces()?;
    for number in [signal::HUP, signal::INT, signal::TERM, signal::USR1, signal::PIPE] {
        let child = sleeper(Group::Inherited)?;
        send(child, 0)?;
        send(child, signal::CHLD)?;
        same("nothing", change(child)?, None)?;
        send(child, number)?;
        same("its end", change(child)?, ended(SIGNALLED + number, ""))?;
        same("once", child.change(), Err(Error::NotFound))?;
    }
    let child = sleeper(Group::Inherited)?;
    for stop in [signal::STOP, signal::TSTP, signal::TTIN] {
        send(child, stop)?;
        send(child, stop)?;
        same("stopped", change(child)?, Some(Change::Stopped(stop)))?;
        same("once", change(child)?, None)?;
        send(child, signal::CONT)?;
        same("continued", change(child)?, Some(Change::Continued))?;
    }
    // A stopped one ends at once.
    send(child, signal::STOP)?;
    send(child, signal::KILL)?;
    same("killed", change(child)?, ended(KILLED, "killed"))?;
    same("no signal", process::kill(Target::Process(child.id()), 32), Err(Error::Invalid))?;
    same("nobody", process::kill(Target::Process(child.id()), 9), Err(Error::NotFound))?;
    same("a server", process::kill(Target::Process(1), 9), Err(Error::NotPermitted))?;
    same("spaces", p.spaces()?, before)
}

pub fn ignored(_: &Parent) -> Result<(), Failure> {
    because("ignore", process::ignore(signal::TERM, true))?;
    let child = sleeper(Group::Inherited)?;
    because("ignore", process::ignore(signal::TERM, false))?;
    send(child, signal::TERM)?;
    same("ignored", change(child)?, None)?;
    send(child, signal::INT)?;
    same("not ignored", change(child)?, ended(SIGNALLED + signal::INT, ""))?;
    for number in [signal::KILL, signal::STOP, 0, 99] {
        same("cannot be ignored", process::ignore(number, true), Err(Error::Invalid))?;
    }
    Ok(())
}

pub fn groups(_: &Parent) -> Result<(), Failure> {
    let first = sleeper(Group::Own)?;
    let group = first.id();
    let others = [sleeper(Group::Of(group))?, sleeper(Group::Of(group))?];
    let alone = sleeper(Group::Inherited)?;
    because("stop", process::kill(Target::Group(group), signal::STOP))?;
    for child in [first, others[0], others[1]] {
        same("stopped", change(child)?, Some(Change::Stopped(signal::STOP)))?;
    }
    same("alone", change(alone)?, None)?;
    let all = because("list", process::list())?;
    let stopped = all.iter().filter(|p| p.group == group && p.state == State::Stopped).count();
    same("in the list", stopped, 3)?;
    because("leave", process::set_group(others[1].id(), Group::Inherited))?;
    because("end", process::kill(Target::Group(group), signal::TERM))?;
    for child in [first, others[0]] {
        same("ended", change(child)?, ended(SIGNALLED + signal::TERM, ""))?;
    }
    same("left", change(others[1])?, None)?;
    same("gone", process::kill(Target::Group(group), signal::TERM), Err(Error::NotFound))?;
    for child in [others[1], alone] {
        because("kill", child.kill())?;
        same("killed", because("wait", child.wait())?, KILLED)?;
    }
    let own = (because("id", process::id())?, because("group", process::group())?);
    same("the group of a stranger", process::set_group(1, Group::Own), Err(Error::NotFound))?;
    if own.0 == 0 || own.1 == 0 { Err("there is no own number".into()) } else { Ok(()) }
}

pub fn any(_: &Parent) -> Result<(), Failure> {
    // Those of other tests, that nobody asked for.
    while process::wait_any().is_ok() {}
    let mut children: Vec<Pid> = Vec::new();
    for _ in 0..5 {
        let child = because("spawn", Command::new("launch-test").arg("nothing").spawn())?;
        children.push(child.id());
    }
    while !children.is_empty() {
        let (pid, change) = because("wait", process::wait_any())?;
        same("its end", Some(change), ended(0, ""))?;
        let at = children.iter().position(|c| *c == pid).ok_or("a stranger has ended")?;
        children.remove(at);
    }
    same("no child is left", process::wait_any(), Err(Error::NotFound))?;
    // Two threads wait for the last one: one is told of its end, the other that there is none.
    let child = sleeper(Group::Inherited)?;
    let waiting = because("thread", thread::spawn(process::wait_any))?;
    let other = because("thread", thread::spawn(process::wait_any))?;
    pause(5)?;
    because("kill", child.kill())?;
    let both = [because("join", waiting.join())?, because("join", other.join())?];
    let told = both.iter().filter(|r| r.as_ref().is_ok_and(|(pid, _)| *pid == child.id())).count();
    same("told", told, 1)?;
    same("not told", both.iter().filter(|r| **r == Err(Error::NotFound)).count(), 1)
}

/// It waits for room in a pipe; stopped and continued, it goes on as if nothing had been.
pub fn stopped_in_a_call(p: &Parent) -> Result<(), Failure> {
    let pipe = p.new_pipe()?;
    let bytes = 200_000;
    let child = Child::numbered(p.child(&["count", "200000"], &[Default::default(), PipeWrite(pipe)])?);
    p.close(pipe, End::Write)?;
    let mut got = 0;
    for round in 0.. {
        if round < 20 {
            // Time to fill the pipe, so that it waits for room.
            pause(2)?;
            send(child, signal::STOP)?;
        }
        // What it wrote before it was stopped is there; what it waits to write is taken over as there is room, but it does not run.
        let piece = p.read_piece(pipe)?;
        if round < 20 {
            send(child, signal::CONT)?;
        }
        if piece == 0 {
            break;
        }
        got += piece;
    }
    p.close(pipe, End::Read)?;
    same("bytes", got, bytes)?;
    same("status", because("wait", child.wait())?, 0)
}

pub fn limits(_: &Parent) -> Result<(), Failure> {
    let child = sleeper(Group::Inherited)?;
    let own = because("limits", process::limits(0))?;
    same("inherited", because("limits", process::limits(child.id()))?, own)?;
    let limit = Limit { soft: 1 << 20, hard: 2 << 20 };
    because("set", process::set_limit(child.id(), Resource::Rss, limit))?;
    same("set", because("limits", process::limits(child.id()))?[0], limit)?;
    same("the own one", because("limits", process::limits(0))?, own)?;
    let more = Limit { soft: 1 << 20, hard: 3 << 20 };
    let raised = process::set_limit(child.id(), Resource::Rss, more);
    same("raised", raised, Err(Error::NotPermitted))?;
    same("nice", process::set_nice(child.id(), 100), Ok(19))?;
    same("nice", process::set_nice(child.id(), -3), Ok(-3))?;
    let all = because("list", process::list())?;
    let there = all.iter().find(|p| p.pid == child.id()).map(|p| (p.nice, p.limits[0], p.parent));
    same("in the list", there, Some((-3, limit, because("id", process::id())?)))?;
    because("kill", child.kill())?;
    same("killed", because("wait", child.wait())?, KILLED)?;
    same("of nobody", process::limits(child.id()), Err(Error::NotFound))
}

/// They go on, as nobody's, and leave nothing when they end.
pub fn orphans(p: &Parent) -> Result<(), Failure> {
    let (before, processes) = (p.spaces()?, because("list", process::list())?.len());
    let child = because("spawn", Command::new("launch-test").arg("leave").group(Group::Own).spawn())?;
    same("status", because("wait", child.wait())?, 0)?;
    let group = Target::Group(child.id());
    same("they go on", process::kill(group, 0), Ok(()))?;
    let parents: Vec<Pid> = because("list", process::list())?
        .iter()
        .filter(|p| p.group == child.id())
        .map(|p| p.parent)
        .collect();
    same("parents", parents, Vec::from([0, 0, 0]))?;
    because("end", process::kill(group, signal::TERM))?;
    same("processes", because("list", process::list())?.len(), processes)?;
    same("spaces", p.spaces()?, before)
}
