// SPDX-License-Identifier: BSD-2-Clause
//! What is to be run, checked: from a boot module, or from a file through the loader.

use crate::arguments;
use crate::server::Proc;
use crate::spawn::Spawn;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use ebb_abi::Handle;
use ebb_proc::New;
use ebb_proto::levels::{PROGRAM_PRIORITY, SHELL_PRIORITY};
use ebb_proto::proc::{self, Group, MAX_START, Pid};
use ebb_proto::start::Stream;
use ebb_proto::vm::Space;
use ebb_proto::{Error, levels};

/// The module that loads programs from files.
const LOADER: &str = "ld";
/// What people talk to; it runs before other programs.
const SHELL: &str = "shell";
/// Standard streams.
const STREAMS: usize = 3;

/// What is to be run.
pub struct Order {
    /// A boot module's name, or a path (it has a `/`).
    pub program: String,
    /// Arguments, without the name.
    pub args: Vec<String>,
    /// Environment.
    pub env: Vec<(String, String)>,
    /// Working directory.
    pub cwd: String,
    /// Standard streams, by the parent's numbers.
    pub streams: Vec<Stream>,
    /// Whether there is an endpoint between parent and child.
    pub linked: bool,
    /// Its group.
    pub group: Group,
    /// Pages of the window through which its parent sees its references; 0: it does not.
    pub window: u32,
}

impl Order {
    /// A program with arguments and nothing else.
    pub fn plain(program: &str, args: Vec<String>) -> Order {
        let (program, cwd, group) = (String::from(program), String::from("/"), Group::Inherited);
        Order { program, args, env: Vec::new(), cwd, streams: Vec::new(), linked: false, group, window: 0 }
    }

    fn check(&self) -> Result<(), Error> {
        if self.streams.len() > STREAMS || !self.cwd.starts_with('/') {
            return Err(Error::Invalid);
        }
        let strings = self.args.iter().chain(self.env.iter().flat_map(|(name, value)| [name, value]));
        if arguments::size(strings.chain([&self.program, &self.cwd])) > MAX_START {
            return Err(Error::TooLong);
        }
        Ok(())
    }

    /// What the program is called: the last component of its path.
    pub fn name(&self) -> &str {
        self.program.rsplit('/').find(|part| !part.is_empty()).unwrap_or(&self.program)
    }

    /// The file that the loader is to load; empty for a boot module.
    fn file(&self) -> String {
        match self.program.find('/') {
            None => String::new(),
            Some(0) => self.program.clone(),
            Some(_) => format!("{}/{}", self.cwd.trim_end_matches('/'), self.program),
        }
    }
}

impl From<proc::Launch> for Order {
    fn from(op: proc::Launch) -> Order {
        let proc::Launch { program, args, env, cwd, streams, linked, group } = op;
        Order { program, args, env, cwd, streams, linked, group, window: 0 }
    }
}

impl From<proc::LaunchTraced> for Order {
    fn from(op: proc::LaunchTraced) -> Order {
        let proc::LaunchTraced { program, args, env, cwd, streams, window } = op;
        Order { program, args, env, cwd, streams, linked: false, group: Group::Inherited, window }
    }
}

impl Proc {
    /// Serves [`proc::Launch`] and [`proc::LaunchTraced`]: [`Proc::run`] with the arguments that were announced before.
    pub fn launch(&mut self, from: Space, op: impl Into<Order>) -> Result<(Pid, Handle), Error> {
        let mut order = op.into();
        let mut args = self.arguments.take(from)?;
        args.append(&mut order.args);
        order.args = args;
        self.run(from, order)
    }

    /// Runs a program for the process in a space. With an endpoint between the two its sending end is returned too.
    pub fn run(&mut self, from: Space, order: Order) -> Result<(Pid, Handle), Error> {
        let parent = self.table.with_badge(from).ok_or(Error::NotFound)?;
        self.start(Some(parent), self.table.space(parent), order)
    }

    /// Makes the process in a space another program.
    pub fn exec(&mut self, from: Space, op: proc::Exec) -> Result<(), Error> {
        let slot = self.table.with_badge(from).ok_or(Error::NotFound)?;
        if self.table.thread(slot) != 0 {
            return Err(Error::Unsupported);
        }
        let proc::Exec { program, args, env, cwd, streams } = op;
        let mut order = Order { program, env, cwd, streams, ..Order::plain("", self.arguments.take(from)?) };
        order.args.extend(args);
        order.check()?;
        let exec = order.file();
        let module = self.module(if exec.is_empty() { &order.program } else { LOADER }, &exec)?;
        self.replace(slot, &module, &order, exec)
    }

    /// Runs the shell, with whose end the machine ends.
    pub fn start_first(&mut self) -> Result<(), Error> {
        let order = Order { group: Group::Own, ..Order::plain(SHELL, Vec::new()) };
        self.start(None, 0, order).map(|_| ())
    }

    fn start(
        &mut self,
        parent: Option<ebb_proc::Slot>,
        from: Space,
        order: Order,
    ) -> Result<(Pid, Handle), Error> {
        order.check()?;
        let exec = order.file();
        let module = self.module(if exec.is_empty() { &order.program } else { LOADER }, &exec)?;
        let (name, group, image) = (order.name(), order.group, module.index as u16);
        let slot = self.table.begin(&New { name, parent, group, image, initial: self.initial, thread: 0 })?;
        let made = self.spawn(slot, &module, &order, exec, from);
        if made.is_err() {
            self.table.abandon(slot);
        }
        made
    }

    /// The module to start. The loader is none without a file.
    fn module(&self, name: &str, exec: &str) -> Result<crate::server::Module, Error> {
        let bare = name == LOADER && exec.is_empty();
        self.modules.iter().find(|m| m.name == name && !bare).cloned().ok_or(Error::NotFound)
    }

    /// With what priority a process runs. A shell that is not nicer than usual goes before other programs, so that a person gets an answer under load.
    pub fn priority(&self, name: &str, nice: i8) -> u8 {
        match nice {
            ..0 => SHELL_PRIORITY,
            0 if name == SHELL => SHELL_PRIORITY,
            0 => PROGRAM_PRIORITY,
            1.. => PROGRAM_PRIORITY - 1,
        }
    }
}

const _: () = assert!(PROGRAM_PRIORITY > 0 && levels::PROGRAM_LEVEL > 0);

/// The program as [`Proc::spawn`] tells it.
pub fn describe(spawn: &mut Spawn<'_>, order: &Order, exec: String) {
    spawn.info.args = order.args.clone();
    spawn.info.env = order.env.clone();
    spawn.info.cwd = order.cwd.clone();
    spawn.info.exec = exec;
}
