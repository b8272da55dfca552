// SPDX-License-Identifier: BSD-2-Clause
//! Running a program: from a boot module, or from a file through the loader. Either all of it is made, or nothing remains.

use crate::arguments;
use crate::boot::Module;
use crate::program::Program;
use crate::serve::Init;
use crate::spawn::Spawn;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use ebb_abi::{Handle, Rights};
use ebb_proto::init::MAX_START;
use ebb_proto::levels::{PROGRAM_PRIORITY, SERVERS, SHELL_PRIORITY};
use ebb_proto::pipe::{self, End};
use ebb_proto::start::Stream;
use ebb_proto::vm::{self, Space};
use ebb_proto::{Error, init as proto};
use ebb_rt::client::{call, call_with};

/// The module that loads programs from files.
const LOADER: &str = "ld";
/// Bytes of a program's name; what is longer is cut off.
const MAX_NAME: usize = 64;
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
}

impl Order {
    /// A program with arguments and nothing else.
    pub fn plain(program: &str, args: Vec<String>) -> Order {
        let (program, cwd) = (String::from(program), String::from("/"));
        Order { program, args, env: Vec::new(), cwd, streams: Vec::new(), linked: false }
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
    fn name(&self) -> String {
        let last = self.program.rsplit('/').find(|part| !part.is_empty()).unwrap_or(&self.program);
        let mut end = last.len().min(MAX_NAME);
        while !last.is_char_boundary(end) {
            end -= 1;
        }
        String::from(&last[..end])
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

impl From<proto::Launch> for Order {
    fn from(op: proto::Launch) -> Order {
        let proto::Launch { program, args, env, cwd, streams, linked } = op;
        Order { program, args, env, cwd, streams, linked }
    }
}

impl Init {
    /// Serves [`proto::Launch`]: [`Init::run`] with the arguments that were announced before.
    pub fn launch_program(&mut self, parent: Space, op: proto::Launch) -> Result<(Space, Handle), Error> {
        let mut order = Order::from(op);
        let mut args = self.arguments.take(parent)?;
        args.append(&mut order.args);
        order.args = args;
        self.run(parent, order)
    }

    /// Runs a program for `parent`. With an endpoint between the two its sending end is returned too.
    pub fn run(&mut self, parent: Space, order: Order) -> Result<(Space, Handle), Error> {
        if self.shutdown.is_some() {
            return Err(Error::Busy);
        }
        order.check()?;
        let (name, exec) = (order.name(), order.file());
        let module = self.module_of(if exec.is_empty() { &order.program } else { LOADER }, &exec)?;
        let priority = if order.program == "shell" { SHELL_PRIORITY } else { PROGRAM_PRIORITY };
        let Order { args, env, cwd, streams, linked, .. } = order;
        let mut spawn = self.spawn(&module, &name, args, None)?;
        let space = spawn.space;
        (spawn.info.env, spawn.info.cwd, spawn.info.exec) = (env, cwd, exec);
        let objects = match self.equip_program(&mut spawn, parent, &streams, linked) {
            Ok(objects) => objects,
            Err(error) => {
                self.abandon(spawn);
                self.close_pipes(space);
                return Err(error);
            }
        };
        match self.launch(spawn, objects[0], priority) {
            Ok(spawned) => {
                self.programs.running.push(Program { spawned, name, parent, image: module.bytes, objects });
                Ok((space, objects[1]))
            }
            Err(error) => {
                objects.into_iter().for_each(|object| self.free_object(object));
                self.close_pipes(space);
                Err(error)
            }
        }
    }

    /// The module to start. Servers are no programs; nor is the loader without a file.
    fn module_of(&self, name: &str, exec: &str) -> Result<Module, Error> {
        let server = SERVERS.iter().any(|s| s.role == name || s.program == name);
        let bare = name == LOADER && exec.is_empty();
        let module = self.modules.iter().find(|m| m.name == name && !server && !bare).copied();
        module.ok_or(Error::NotFound)
    }

    /// What a program gets: endpoints, streams, a notification, perhaps a link. Returns the latter two.
    fn equip_program(
        &self,
        spawn: &mut Spawn<'_>,
        parent: Space,
        streams: &[Stream],
        linked: bool,
    ) -> Result<[Handle; 2], Error> {
        let space = spawn.space;
        self.give(spawn, "vm", self.vm_endpoint, Rights::SEND, space)?;
        self.give(spawn, "init", self.endpoint, Rights::SEND, space)?;
        for service in self.services.iter().filter(|s| s.was_started()) {
            self.give(spawn, service.server.role, service.endpoint, Rights::SEND, space)?;
        }
        for stream in streams {
            spawn.info.streams.push(self.share(*stream, parent, space)?);
        }
        let ((), notification) = call_with(self.vm, &vm::NotificationNew {}, &[])?;
        let both = Rights::SEND | Rights::RECEIVE | Rights::GRANT;
        let mut link = Handle::NONE;
        let given = self.give(spawn, "notification", notification, both, 0).and_then(|()| {
            if linked {
                link = call_with(self.vm, &vm::EndpointNew {}, &[])?.1;
                self.give(spawn, "link", link, Rights::RECEIVE, 0)?;
            }
            Ok(())
        });
        match given {
            Ok(()) => Ok([notification, link]),
            Err(error) => {
                self.free_object(notification);
                self.free_object(link);
                Err(error)
            }
        }
    }

    /// Gives `to` what `from` has, and says what it is there.
    fn share(&self, stream: Stream, from: Space, to: Space) -> Result<Stream, Error> {
        let pipe_end = |pipe: u32, end: End| {
            let endpoint = self.pipe_server().ok_or(Error::NotFound)?;
            call(endpoint, &pipe::Share { pipe, end, from, to })
        };
        match stream {
            Stream::Console | Stream::Null => {}
            Stream::File(file) => return Ok(Stream::File(call(self.vm, &vm::FileShare { from, file, to })?)),
            Stream::PipeRead(pipe) => pipe_end(pipe, End::Read)?,
            Stream::PipeWrite(pipe) => pipe_end(pipe, End::Write)?,
        }
        Ok(stream)
    }

    /// `pipe`, as `init` calls it.
    fn pipe_server(&self) -> Option<Handle> {
        self.service("pipe").and_then(|n| self.services.get(n)).map(|s| s.own)
    }

    /// A space is gone: nobody waits for its ends of pipes any more.
    pub fn close_pipes(&self, space: Space) {
        if let Some(endpoint) = self.pipe_server()
            && let Err(error) = call(endpoint, &pipe::Gone { space })
        {
            ebb_rt::log!("closing the pipes of {space}: {error}");
        }
    }
}
