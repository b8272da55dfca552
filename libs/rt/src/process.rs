// SPDX-License-Identifier: BSD-2-Clause
//! Programs that a program starts.

use crate::client::call;
use crate::env;
use crate::io::Channel;
use crate::start::Given;
use alloc::string::String;
use alloc::vec::Vec;
use ebb_abi::Handle;
use ebb_proto::Error;
use ebb_proto::init::{Ended, KillProgram, Launch, MoreArguments, Poll, Status, Wait};
use ebb_proto::start::Stream;
use ebb_proto::vm::Space;

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
        let init = init()?;
        let mut args = self.args.as_slice();
        while args.iter().map(|a| a.len() + 4).sum::<usize>() > PIECE {
            let mut bytes = 0;
            let fits = |a: &&String| {
                bytes += a.len() + 4;
                bytes <= PIECE
            };
            let count = args.iter().take_while(fits).count().max(1);
            let (now, later) = args.split_at(count);
            call(init, &MoreArguments { args: now.to_vec() })?;
            args = later;
        }
        let launch = Launch {
            program: self.program,
            args: args.to_vec(),
            env: self.env,
            cwd: self.cwd,
            streams: self.streams.to_vec(),
            linked: false,
        };
        call(init, &launch).map(|space| Child { space })
    }

    /// Starts it and waits for its end.
    pub fn status(self) -> Result<Status, Error> {
        self.spawn()?.wait()
    }
}

fn init() -> Result<Handle, Error> {
    crate::start::info().ok_or(Error::NotFound)?.handle("init")
}

/// A program that was started.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Child {
    space: Space,
}

impl Child {
    /// Its number.
    pub fn id(&self) -> Space {
        self.space
    }

    /// Waits for its end. `NotFound`: that was seen already.
    pub fn wait(self) -> Result<Status, Error> {
        call(init()?, &Wait { space: self.space })
    }

    /// How it ended, if it has; once it is said it is forgotten.
    pub fn try_wait(&self) -> Result<Option<Ended>, Error> {
        call(init()?, &Poll { space: self.space })
    }

    /// Ends it.
    pub fn kill(&self) -> Result<(), Error> {
        call(init()?, &KillProgram { space: self.space })
    }
}

/// Ends the program; what was printed is written first.
pub fn exit(status: Status) -> ! {
    crate::console::flush();
    crate::start::exit(if status == 0 && crate::console::failed() { 1 } else { status })
}
