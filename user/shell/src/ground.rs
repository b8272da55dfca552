// SPDX-License-Identifier: BSD-2-Clause
//! What the language stands on here: programs, pipes, files, and the shell's own commands.

use crate::commands;
use crate::language;
use crate::shell::Shell;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::mem::ManuallyDrop;
use ebb_args::Failure;
use ebb_rt::abi::meter::Counter;
use ebb_rt::clock::now_us;
use ebb_rt::fs::{Kind, OpenOptions, metadata, read_dir, symlink_metadata};
use ebb_rt::io::{Channel, Read, pipe};
use ebb_rt::process::{Child, Command, Group};
use ebb_rt::proto::Error;
use ebb_rt::proto::start::Stream;
use ebb_rt::shared::meter;
use ebb_rt::{console, eprintln, println};
use ebb_sh::builtins::{self, Facts};
use ebb_sh::{Access, Streams, Variables, World};

/// A stream of a command.
pub enum Held {
    /// Opened for it, and closed with it.
    Own(Channel),
    /// One that the shell itself was given.
    Given(ManuallyDrop<Channel>),
}

impl Held {
    fn channel(&self) -> &Channel {
        match self {
            Held::Own(channel) => channel,
            Held::Given(channel) => channel,
        }
    }
}

/// A program that was started.
pub struct Process {
    /// It.
    pub child: Child,
    /// Its name.
    pub name: String,
}

/// The shell, as the interpreter sees it.
pub struct Ground<'a>(pub &'a mut Shell);

/// Status of a command that does not exist.
const NO_COMMAND: u8 = 127;
/// Status of a program that could not be started.
const NO_START: u8 = 126;
/// Where programs are looked for.
const PATH: &str = "/bin";

impl World for Ground<'_> {
    type File = Rc<Held>;
    type Process = Process;

    fn is_builtin(&self, name: &str) -> bool {
        builtins::NAMES.contains(&name) || language::NAMES.contains(&name) || commands::find(name).is_some()
    }

    fn builtin(&mut self, words: &[String], streams: &Streams<Rc<Held>>, v: &mut Variables) -> Option<u8> {
        let moved = streams.iter().any(Option::is_some);
        if moved {
            console::redirect([0, 1, 2].map(|n| streams[n].as_ref().map(|f| f.channel().stream())));
        }
        let mut status = self.own(words, v);
        if moved {
            console::flush();
            if console::failed() && status == 0 {
                status = 1;
            }
            console::redirect([None; 3]);
        }
        (!core::mem::take(&mut self.0.broken)).then_some(status)
    }

    fn spawn(
        &mut self,
        words: &[String],
        env: Vec<(String, String)>,
        streams: &Streams<Rc<Held>>,
    ) -> Result<Process, u8> {
        let (name, args) = words.split_first().ok_or(0)?;
        let program = find_program(name, &env);
        self.start(Command::new(&program).args(args).envs(env), name, streams)
    }

    fn spawn_shell(
        &mut self,
        text: &str,
        args: &[String],
        env: Vec<(String, String)>,
        streams: &Streams<Rc<Held>>,
    ) -> Result<Process, u8> {
        let command = Command::new("shell").arg("-c").arg(text).arg("shell").args(args).envs(env);
        let name = text.split_whitespace().next().unwrap_or("shell");
        self.start(command, name, streams)
    }

    fn wait(&mut self, processes: Vec<Process>) -> Option<u8> {
        match self.0.wait_for(processes) {
            Ok(status) => (!core::mem::take(&mut self.0.broken)).then_some(status),
            Err(failure) => {
                eprintln!("shell: {failure}");
                Some(failure.status())
            }
        }
    }

    fn background(&mut self, process: Process, text: &str) -> u32 {
        self.0.background(process, text)
    }

    fn pipe(&mut self) -> Result<(Rc<Held>, Rc<Held>), String> {
        let (read, write) = pipe().map_err(|e| format!("pipe: {}", e.posix().1))?;
        Ok((Rc::new(Held::Own(read)), Rc::new(Held::Own(write))))
    }

    fn open(&mut self, path: &str, access: Access) -> Result<Rc<Held>, String> {
        // A stream of the shell's own, by its number.
        if let Some(number) = path.strip_prefix('&').and_then(|n| n.parse().ok()) {
            return Ok(Rc::new(Held::Given(ManuallyDrop::new(Channel::of(console::standard(number))))));
        }
        let options = match access {
            Access::Read => OpenOptions::new().read(true),
            Access::Write => OpenOptions::new().write(true).create(true).truncate(true),
            Access::Append => OpenOptions::new().append(true).create(true),
        };
        let channel = Channel::open(path, &options).map_err(|e| format!("{path}: {}", e.posix().1))?;
        Ok(Rc::new(Held::Own(channel)))
    }

    fn read_all(&mut self, file: Rc<Held>) -> Result<Vec<u8>, String> {
        // This waits for the end, and nobody would pass on what is typed.
        self.0.end_feed();
        let mut bytes = Vec::new();
        let mut channel = match Rc::try_unwrap(file) {
            Ok(Held::Own(channel)) => channel,
            _ => return Err(String::from("the output is somebody else's too")),
        };
        channel.read_to_end(&mut bytes).map_err(|e| format!("pipe: {}", e.posix().1))?;
        Ok(bytes)
    }

    fn list(&mut self, directory: &str) -> Vec<String> {
        // A directory that cannot be read has no names that could match.
        read_dir(directory).into_iter().flatten().filter_map(|entry| entry.ok().map(|e| e.name)).collect()
    }

    fn exists(&mut self, path: &str) -> bool {
        symlink_metadata(path).is_ok()
    }

    fn complain(&mut self, text: &str) {
        eprintln!("shell: {text}");
    }

    fn interrupted(&mut self) -> bool {
        match self.0.look_for_keys() {
            Ok(()) => core::mem::take(&mut self.0.interrupted),
            Err(failure) => {
                eprintln!("shell: {failure}");
                true
            }
        }
    }

    fn time(&mut self, started: Option<u64>) -> u64 {
        let faults = (meter(Counter::v_vm_faults), meter(Counter::v_io_faults));
        let now = now_us();
        match started {
            None => self.0.timed.push(faults),
            Some(started) => {
                let before = self.0.timed.pop().unwrap_or(faults);
                let us = now - started;
                println!(
                    "time: {}.{:06} s, {} faults, {} with i/o",
                    us / 1_000_000,
                    us % 1_000_000,
                    faults.0 - before.0,
                    faults.1 - before.1
                );
            }
        }
        now
    }
}

impl Ground<'_> {
    /// A command of the shell's own; its status.
    fn own(&mut self, words: &[String], v: &mut Variables) -> u8 {
        let (name, args) = match words.split_first() {
            Some((name, args)) => (name.as_str(), args),
            None => return 0,
        };
        let result = if builtins::NAMES.contains(&name) {
            builtins::run(words, v, &mut facts).map_err(Failure::Trouble)
        } else if language::NAMES.contains(&name) {
            language::run(self.0, words, v)
        } else {
            match commands::find(name) {
                Some(builtin) => (builtin.run)(self.0, args).map(|()| 0),
                None => Err(Failure::Status(NO_COMMAND)),
            }
        };
        match result {
            Ok(status) | Err(Failure::Status(status)) => status,
            Err(Failure::Help(text)) => {
                println!("{text}");
                0
            }
            Err(failure) => {
                let text = format!("{failure}");
                // Some name themselves.
                match text.starts_with(name) {
                    true => eprintln!("{text}"),
                    false => eprintln!("{name}: {text}"),
                }
                failure.status()
            }
        }
    }

    fn start(&mut self, command: Command, name: &str, streams: &Streams<Rc<Held>>) -> Result<Process, u8> {
        let mut command = command.current_dir(&ebb_rt::env::current_dir());
        let mut input = Channel::Null;
        if streams[0].is_none() && console::standard(0) == Stream::Console {
            // Without a person nobody will type anything.
            if self.0.person {
                input = self.0.begin_feed().map_err(|error| {
                    eprintln!("shell: {name}: pipe: {}", error.posix().1);
                    NO_START
                })?;
            }
            command = command.stdin(&input);
        }
        for (n, file) in streams.iter().enumerate() {
            let Some(file) = file else { continue };
            command = match n {
                0 => command.stdin(file.channel()),
                1 => command.stdout(file.channel()),
                _ => command.stderr(file.channel()),
            };
        }
        if self.0.person {
            command = command.group(self.0.group.map_or(Group::Own, Group::Of));
        }
        let child = command.spawn();
        if let (true, None, Ok(child)) = (self.0.person, self.0.group, &child) {
            self.0.group = Some(child.id());
        }
        if child.is_err() {
            self.0.end_feed();
        }
        match child {
            Ok(child) => Ok(Process { child, name: String::from(name) }),
            Err(Error::NotFound) => {
                eprintln!("shell: {name}: no such command (try help)");
                Err(NO_COMMAND)
            }
            Err(error) => {
                eprintln!("shell: {name}: {error}");
                Err(NO_START)
            }
        }
    }
}

/// The file that a name means: itself if it has a slash; else the first in a folder of `PATH`; else the program of the boot image.
fn find_program(name: &str, env: &[(String, String)]) -> String {
    if !name.contains('/') {
        let path = env.iter().find(|(n, _)| n == "PATH").map_or(PATH, |(_, path)| path.as_str());
        for folder in path.split(':') {
            let file = ebb_rt::path::join(folder, name);
            if metadata(&file).is_ok_and(|s| s.kind == Kind::File) {
                return file;
            }
        }
    }
    String::from(name)
}

/// What `test` wants to know.
fn facts(path: &str, follow: bool) -> Option<Facts> {
    let stat = if follow { metadata(path) } else { symlink_metadata(path) }.ok()?;
    Some(Facts {
        directory: stat.kind == Kind::Directory,
        regular: stat.kind == Kind::File,
        link: stat.kind == Kind::Link,
        size: stat.size,
        mode: stat.mode,
    })
}
