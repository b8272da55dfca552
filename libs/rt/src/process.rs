// SPDX-License-Identifier: BSD-2-Clause
//! Programs that a program starts.

use crate::client::{call, in_pieces};
use crate::env;
use crate::io::Channel;
use crate::start::Given;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use ebb_abi::Handle;
use ebb_proto::Error;
use ebb_proto::Operation;
pub use ebb_proto::proc::{Change, Ended, Group, Limit, Pid, Process, Resource, Status, Target, signal};
use ebb_proto::proc::{
    Exec, Fork, Hold, Ignore, Kill, Launch, LaunchTraced, Limits, MoreArguments, Nice, Own, Poll, Processes,
    Release, SetGroup, SetLimit, SwapOut, Wait, WaitAny,
};
use ebb_proto::start::Stream;
use ebb_proto::vm::{Space, TraceTake};

/// Bytes of arguments that go into one message.
const PIECE: usize = 2000;

/// A program to be started, as [`Command::spawn`] or [`Command::status`] starts it. It inherits environment, working directory and standard streams unless told otherwise.
#[derive(Clone, Debug)]
pub struct Command {
    program: String,
    args: Vec<String>,
    env: Vec<(String, String)>,
    cwd: String,
    streams: [Stream; 3],
    group: Group,
}

impl Command {
    /// A file, if the name has a `/`; else a program of the boot image.
    pub fn new(program: &str) -> Command {
        let given = crate::start::info().map_or(Vec::new(), |i| i.streams.clone());
        let stream = |n: usize| given.get(n).copied().unwrap_or_default();
        Command {
            program: String::from(program),
            args: Vec::new(),
            env: env::vars(),
            cwd: env::current_dir(),
            streams: [stream(0), stream(1), stream(2)],
            group: Group::Inherited,
        }
    }

    /// One more argument.
    pub fn arg(mut self, arg: &str) -> Self {
        self.args.push(String::from(arg));
        self
    }

    /// More arguments.
    pub fn args(mut self, args: &[String]) -> Self {
        self.args.extend_from_slice(args);
        self
    }

    /// The whole environment.
    pub fn envs(mut self, env: Vec<(String, String)>) -> Self {
        self.env = env;
        self
    }

    /// The working directory.
    pub fn current_dir(mut self, path: &str) -> Self {
        self.cwd = crate::path::absolute(path);
        self
    }

    /// The group of processes that it is in.
    pub fn group(mut self, group: Group) -> Self {
        self.group = group;
        self
    }

    /// Standard input. The channel stays the caller's too.
    pub fn stdin(self, channel: &Channel) -> Self {
        self.stream(0, channel)
    }

    /// Standard output.
    pub fn stdout(self, channel: &Channel) -> Self {
        self.stream(1, channel)
    }

    /// Standard error output.
    pub fn stderr(self, channel: &Channel) -> Self {
        self.stream(2, channel)
    }

    fn stream(mut self, number: usize, channel: &Channel) -> Self {
        self.streams[number] = channel.stream();
        self
    }

    /// Starts it. That a file does not exist or is no program shows as its end, with status 127 or 126. `TooLong`: too many arguments.
    pub fn spawn(self) -> Result<Child, Error> {
        crate::console::flush();
        let proc = proc()?;
        let args = announce(&self.args)?;
        let launch = Launch {
            program: self.program,
            args: args.to_vec(),
            env: self.env,
            cwd: self.cwd,
            streams: self.streams.to_vec(),
            linked: false,
            group: self.group,
        };
        call(proc, &launch).map(|pid| Child { pid })
    }

    /// Starts it, and sees which pages it references: only the `window` pages that it faulted on last stay mapped ([`ebb_proto::vm::TraceStart`], whose errors come too). It waits when nobody
    /// takes what is noted.
    pub fn spawn_traced(self, window: u32) -> Result<Traced, Error> {
        crate::console::flush();
        let proc = proc()?;
        let args = announce(&self.args)?.to_vec();
        let Command { program, env, cwd, streams, .. } = self.clone();
        let launch = LaunchTraced { program, args, env, cwd, streams: streams.to_vec(), window };
        call(proc, &launch).map(|(pid, space)| Traced { child: Child { pid }, space })
    }

    /// Becomes it: this process is that program from now on, with the same number and parent; nothing of this one remains but what is given to it. Comes back only with an error.
    pub fn exec(self) -> Error {
        crate::console::flush();
        let become_it = || {
            let (proc, args) = (proc()?, announce(&self.args)?);
            let Command { program, env, cwd, streams, .. } = self.clone();
            call(proc, &Exec { program, args: args.to_vec(), env, cwd, streams: streams.to_vec() })
        };
        become_it().err().unwrap_or(Error::Dead)
    }

    /// Starts it and waits for its end.
    pub fn status(self) -> Result<Status, Error> {
        self.spawn()?.wait()
    }
}

/// Announces arguments that do not fit the message which is to come. Returns those that do.
fn announce(mut args: &[String]) -> Result<&[String], Error> {
    let proc = proc()?;
    while args.iter().map(|a| a.len() + 4).sum::<usize>() > PIECE {
        let mut bytes = 0;
        let fits = |a: &&String| {
            bytes += a.len() + 4;
            bytes <= PIECE
        };
        let count = args.iter().take_while(fits).count().max(1);
        let (now, later) = args.split_at(count);
        call(proc, &MoreArguments { args: now.to_vec() })?;
        args = later;
    }
    Ok(args)
}

fn proc() -> Result<Handle, Error> {
    crate::thread::server_of_processes()
}

/// How often something is asked of a server that dies over it.
const TRIES: usize = 16;

/// A call that may be made again if the server died before it answered.
fn ask<O: Operation>(operation: &O) -> Result<O::Reply, Error> {
    let proc = proc()?;
    for _ in 1..TRIES {
        match call(proc, operation) {
            Err(Error::Dead) => {}
            answer => return answer,
        }
    }
    call(proc, operation)
}

/// A program that was started.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Child {
    pid: Pid,
}

impl Child {
    /// The child with this number, whether there is one or not.
    pub fn numbered(pid: Pid) -> Child {
        Child { pid }
    }

    /// Its number.
    pub fn id(&self) -> Pid {
        self.pid
    }

    /// Waits for its end. `NotFound`: that was seen already.
    pub fn wait(self) -> Result<Status, Error> {
        ask(&Wait { pid: self.pid })
    }

    /// How it ended, if it has; once it is said it is forgotten. That it was stopped or goes on is passed over.
    pub fn try_wait(&self) -> Result<Option<Ended>, Error> {
        loop {
            match self.change()? {
                Some(Change::Ended(ended)) => return Ok(Some(ended)),
                Some(_) => {}
                None => return Ok(None),
            }
        }
    }

    /// What has happened to it since it was last asked.
    pub fn change(&self) -> Result<Option<Change>, Error> {
        ask(&Poll { pid: self.pid })
    }

    /// Ends it.
    pub fn kill(&self) -> Result<(), Error> {
        kill(Target::Process(self.pid), signal::KILL)
    }
}

/// A child whose references are noted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Traced {
    /// The child.
    pub child: Child,
    space: Space,
}

impl Traced {
    /// What was noted since the last call, oldest first, as words of [`ebb_proto::vm::Reference`], and whether there may be more: that there is not is said once.
    pub fn take(&self) -> Result<(Vec<u64>, bool), Error> {
        let vm = crate::start::info().ok_or(Error::NotFound)?.handle("vm")?;
        call(vm, &TraceTake { space: self.space })
    }
}

/// Which of the two a process is after [`fork`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Forked {
    /// The one that called; the other one is this child.
    Parent(Child),
    /// The copy.
    Child,
}

/// Makes a process that is a copy of this one: memory, open files, ends of pipes. Only the calling thread goes on in it; a lock that another one holds stays locked there. `Busy`: there are
/// as many processes as there may be; `NoMemory`. In the copy of a thread that is not the first one the process ends with status 0 when the thread has done its work.
pub fn fork() -> Result<Forked, Error> {
    proc()?;
    crate::console::flush();
    match crate::fork::twice(&mut |entry, stack| call(proc()?, &Fork { entry, stack })) {
        Ok(0) => {
            crate::thread::alone();
            Ok(Forked::Child)
        }
        Ok(pid) => Ok(Forked::Parent(Child { pid })),
        Err(error) => Err(error),
    }
}

/// A process that shares this one's memory.
#[derive(Debug)]
pub struct Shared {
    pid: Pid,
    thread: u32,
}

impl Shared {
    /// Its number.
    pub fn id(&self) -> Pid {
        self.pid
    }

    /// Waits for its end. `NotFound`: it is a child of another process.
    pub fn wait(self) -> Result<Status, Error> {
        let status = ask(&Wait { pid: self.pid })?;
        crate::thread::shared_ended(self.thread)?;
        Ok(status)
    }
}

/// Does something as another process, which shares this one's memory, files and pipes, has a number, a parent and an end of its own, and is waited for and signalled like any child
/// ([`ebb_proto::proc::Share`]); its status is what `work` returns. What it has on its stack or holds (a lock) when a signal ends it stays as it is. Its thread stays taken until it is waited for.
/// `Busy`: there are 15 other threads, or as many processes as there may be; `NoMemory`; `Dead`: the server of processes died over it, and it is not known whether there is one.
pub fn share<F>(work: F) -> Result<Shared, Error>
where
    F: FnOnce() -> Status + Send + 'static,
{
    crate::console::flush();
    let (pid, thread) = crate::thread::share(Box::new(move || exit(work())))?;
    Ok(Shared { pid, thread })
}

/// Waits until something has happened to any child. `NotFound`: there is none.
pub fn wait_any() -> Result<(Pid, Change), Error> {
    ask(&WaitAny {})
}

/// Sends a signal. `NotFound`: nobody is there; `NotPermitted`: a server; `Invalid`: no such signal.
pub fn kill(target: Target, signal: u8) -> Result<(), Error> {
    ask(&Kill { target, signal })
}

/// Ignores a signal from now on, or no longer; children started later do too. `Invalid`: it cannot be ignored.
pub fn ignore(signal: u8, ignored: bool) -> Result<(), Error> {
    ask(&Ignore { signal, ignored })
}

/// The number of this process.
pub fn id() -> Result<Pid, Error> {
    ask(&Own {}).map(|(pid, ..)| pid)
}

/// The number of who started this process; 0: nobody who still is.
pub fn parent_id() -> Result<Pid, Error> {
    ask(&Own {}).map(|(_, parent, _)| parent)
}

/// The group of this process.
pub fn group() -> Result<Pid, Error> {
    ask(&Own {}).map(|(.., group)| group)
}

/// Puts this process (0) or a child into a group. `NotFound`: no such child, or group.
pub fn set_group(pid: Pid, group: Group) -> Result<(), Error> {
    ask(&SetGroup { pid, group })
}

/// How nice this process (0) or another is from now on. What it became.
pub fn set_nice(pid: Pid, nice: i8) -> Result<i8, Error> {
    ask(&Nice { pid, nice })
}

/// The limits of this process (0) or another, in the order of [`Resource::ALL`].
pub fn limits(pid: Pid) -> Result<[Limit; 6], Error> {
    ask(&Limits { pid })
}

/// Sets a limit. `Invalid`: the soft value is above the hard one; `NotPermitted`: the hard one would rise.
pub fn set_limit(pid: Pid, resource: Resource, limit: Limit) -> Result<(), Error> {
    ask(&SetLimit { pid, resource, limit })
}

/// Holds this process (0) or another in memory until it is [`release`]d: it is not swapped out whole. When this returns it is in.
pub fn hold(pid: Pid) -> Result<(), Error> {
    ask(&Hold { pid })
}

/// Holds it no longer. `Invalid`: nobody does.
pub fn release(pid: Pid) -> Result<(), Error> {
    ask(&Release { pid })
}

/// Swaps a process out whole, which comes in by itself when there is something for it. `Busy`: it is held, or waits for somebody.
pub fn swap_out(pid: Pid) -> Result<(), Error> {
    ask(&SwapOut { pid })
}

/// All processes, by number.
pub fn list() -> Result<Vec<Process>, Error> {
    in_pieces(|from| ask(&Processes { from }), |p| p.pid)
}

/// Ends the program; what was printed is written first.
pub fn exit(status: Status) -> ! {
    crate::console::flush();
    crate::start::exit(if status == 0 && crate::console::failed() { 1 } else { status })
}
