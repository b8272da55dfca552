// SPDX-License-Identifier: BSD-2-Clause
//! Carrying commands out.
//!
//! The status of a list is that of its last command, as in POSIX. A script given with `--exec` differs, at its top level alone: its status is that of the *first* command that
//! failed ([`Interpreter::script`]), so that nothing that went wrong is lost behind what came after it.

use crate::ast::*;
use crate::parse::parse;
use crate::variables::Variables;
use crate::word;
use crate::world::{Access, Streams, World};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// Status of a command that Control-C ended (128 + `SIGINT`).
pub const INTERRUPTED: u8 = 130;
/// Status of a script that cannot be understood, and of a mistake in it.
pub const MISTAKE: u8 = 2;

/// Builtins before which a variable is set for good: those that POSIX calls special. Before others it is set for them alone.
const SPECIAL: [&str; 12] =
    [":", ".", "source", "eval", "exit", "export", "set", "unset", "shift", "break", "continue", "trap"];

/// Why nothing more of a script is carried out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stop {
    /// It is over, with this status.
    Exit(u8),
    /// Control-C.
    Interrupted,
    /// A mistake that ends what was begun, not the shell that a person sits at.
    Mistake,
}

/// The interpreter.
pub struct Interpreter<W: World> {
    /// The system.
    pub world: W,
    /// Variables.
    pub variables: Variables,
    /// Commands are tested: `set -e` does not look at them.
    tested: u32,
}

type Ran = Result<u8, Stop>;

impl<W: World> Interpreter<W> {
    /// One with these variables.
    pub fn new(world: W, variables: Variables) -> Self {
        Interpreter { world, variables, tested: 0 }
    }

    /// Carries a text out. Its status is that of the last command, or what `exit` said.
    pub fn run(&mut self, text: &str) -> u8 {
        self.run_list(text, false)
    }

    /// As [`Interpreter::run`], but the status is that of the first command at the top level that failed, else 0.
    pub fn script(&mut self, text: &str) -> u8 {
        self.run_list(text, true)
    }

    fn run_list(&mut self, text: &str, first: bool) -> u8 {
        let list = match parse(text) {
            Ok(list) => list,
            Err(error) => {
                self.world.complain(&format!("{error}"));
                self.variables.status = MISTAKE;
                return MISTAKE;
            }
        };
        let mut failed = 0;
        for item in &list {
            let status = match self.item(item) {
                Ok(status) => status,
                Err(Stop::Exit(status)) => return status,
                Err(Stop::Interrupted) => {
                    self.variables.status = INTERRUPTED;
                    return INTERRUPTED;
                }
                Err(Stop::Mistake) if self.variables.mistakes_end => {
                    self.variables.exit = Some(MISTAKE);
                    return MISTAKE;
                }
                Err(Stop::Mistake) => MISTAKE,
            };
            // What stopped in the middle of a condition was tested; the next command is not.
            self.tested = 0;
            self.variables.status = status;
            self.variables.leave = None;
            if failed == 0 {
                failed = status;
            }
            if let Some(status) = self.variables.exit {
                return status;
            }
        }
        if first { failed } else { self.variables.status }
    }

    /// A mistake: it is said.
    pub(crate) fn fatal(&mut self, text: &str) -> Stop {
        self.world.complain(text);
        Stop::Mistake
    }

    fn list(&mut self, list: &List) -> Ran {
        let mut status = 0;
        for item in list {
            status = self.item(item)?;
            if self.variables.leave.is_some() {
                break;
            }
        }
        Ok(status)
    }

    fn item(&mut self, item: &Item) -> Ran {
        if self.world.interrupted() {
            return Err(Stop::Interrupted);
        }
        if item.background {
            return self.in_background(item);
        }
        // `set -e` looks at the last pipeline alone, and only if that is what the status comes from.
        let (last, before) = match item.rest.split_last() {
            Some((last, before)) => (Some(last), before),
            None => (None, &[][..]),
        };
        self.tested += last.is_some() as u32;
        let mut status = self.pipeline(&item.first);
        for (and, pipeline) in before {
            status = self.next_pipeline(status, *and, pipeline).unwrap_or_else(|skipped| skipped);
        }
        self.tested -= last.is_some() as u32;
        let mut decided = &item.first;
        let mut is_last = last.is_none();
        if let Some((and, pipeline)) = last {
            match self.next_pipeline(status, *and, pipeline) {
                Ok(ran) => (status, decided, is_last) = (ran, pipeline, true),
                Err(skipped) => status = skipped,
            }
        }
        let status = status?;
        self.variables.status = status;
        let fails = status != 0 && self.variables.errors_end && self.tested == 0;
        if fails && is_last && !decided.negated { Err(Stop::Exit(status)) } else { Ok(status) }
    }

    /// Carries out what follows `&&` or `||`. The error is the status so far, if that says that it is left out.
    fn next_pipeline(&mut self, before: Ran, and: bool, pipeline: &Pipeline) -> Result<Ran, Ran> {
        let status = match before {
            Ok(status) => status,
            Err(stop) => return Err(Err(stop)),
        };
        self.variables.status = status;
        if and == (status == 0) && self.variables.leave.is_none() {
            Ok(self.pipeline(pipeline))
        } else {
            Err(Ok(status))
        }
    }

    fn in_background(&mut self, item: &Item) -> Ran {
        // Nobody types for it.
        let input = self.world.open("/dev/null", Access::Read).map_err(|error| self.fatal(&error))?;
        let streams: Streams<W::File> = [Some(input), None, None];
        let process = match (item.first.commands.as_slice(), item.rest.is_empty()) {
            ([command], true) => self.start(command, streams)?,
            _ => self.start_shell(&item.text, &streams),
        };
        match process {
            Ok(process) => {
                self.variables.last_background = self.world.background(process, &item.text);
                Ok(0)
            }
            Err(status) => Ok(status),
        }
    }

    fn pipeline(&mut self, pipeline: &Pipeline) -> Ran {
        self.tested += pipeline.negated as u32;
        let status = match pipeline.commands.as_slice() {
            [command] => self.command(command),
            commands => self.pipe(commands),
        };
        self.tested -= pipeline.negated as u32;
        let status = status?;
        Ok(if pipeline.negated { (status == 0) as u8 } else { status })
    }

    fn pipe(&mut self, commands: &[Command]) -> Ran {
        let mut processes = Vec::new();
        let (mut input, mut last) = (None, 0);
        for (n, command) in commands.iter().enumerate() {
            let mut output = None;
            let mut next = None;
            if n + 1 < commands.len() {
                let (read, write) = self.world.pipe().map_err(|error| self.fatal(&error))?;
                (next, output) = (Some(read), Some(write));
            }
            match self.start(command, [input.take(), output, None])? {
                Ok(process) => {
                    processes.push(process);
                    last = 0;
                }
                Err(status) => last = status,
            }
            input = next;
        }
        drop(input);
        let status = self.wait(processes)?;
        Ok(if last != 0 { last } else { status })
    }

    fn wait(&mut self, processes: Vec<W::Process>) -> Ran {
        self.world.wait(processes).ok_or(Stop::Interrupted)
    }

    /// Starts a command as a process of its own.
    fn start(
        &mut self,
        command: &Command,
        streams: Streams<W::File>,
    ) -> Result<Result<W::Process, u8>, Stop> {
        if let Kind::Simple { assignments, words } = &command.kind
            && !words.is_empty()
            && words.first().and_then(word::plain).is_none_or(|name| !self.world.is_builtin(&name))
        {
            let words = self.fields(words)?;
            if words.first().is_some_and(|name| !self.world.is_builtin(name)) {
                let mut streams = streams;
                if !self.redirect(&command.redirects, &mut streams)? {
                    return Ok(Err(1));
                }
                let env = self.environment(assignments)?;
                return Ok(self.world.spawn(&words, env, &streams));
            }
        }
        Ok(self.start_shell(&command.text, &streams))
    }

    fn start_shell(&mut self, text: &str, streams: &Streams<W::File>) -> Result<W::Process, u8> {
        let args = self.variables.args.clone();
        let env = self.variables.inherited(self.tested == 0);
        self.world.spawn_shell(text, &args, env, streams)
    }

    fn environment(&mut self, assignments: &[(String, Word)]) -> Result<Vec<(String, String)>, Stop> {
        let mut env = self.variables.environment();
        for (name, word) in assignments {
            let value = self.text(word)?;
            env.retain(|(n, _)| n != name);
            env.push((name.clone(), value));
        }
        Ok(env)
    }

    /// Opens what a command's redirections name. `false`: one of them cannot be; it was said.
    fn redirect(&mut self, redirects: &[Redirect], streams: &mut Streams<W::File>) -> Result<bool, Stop> {
        for redirect in redirects {
            let (word, access) = match &redirect.to {
                Target::Read(word) => (word, Access::Read),
                Target::Write(word) => (word, Access::Write),
                Target::Append(word) => (word, Access::Append),
                Target::Same(other) => {
                    // The shell's own stream of that number, if nothing else was said of it, has no file: then the number itself tells.
                    let same = match streams.get(*other as usize).cloned().flatten() {
                        None => self.world.open(&format!("&{other}"), Access::Append),
                        Some(file) => Ok(file),
                    };
                    match same {
                        Ok(file) => streams[redirect.stream as usize % 3] = Some(file),
                        Err(error) => {
                            self.world.complain(&error);
                            return Ok(false);
                        }
                    }
                    continue;
                }
            };
            let path = self.text(word)?;
            match self.world.open(&path, access) {
                Ok(file) => streams[redirect.stream as usize % 3] = Some(file),
                Err(error) => {
                    self.world.complain(&error);
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn command(&mut self, command: &Command) -> Ran {
        match &command.kind {
            Kind::Simple { assignments, words } => self.simple(command, assignments, words),
            // With streams of its own it needs a shell of its own: this one's are not moved.
            kind if matches!(kind, Kind::Subshell(_)) || !command.redirects.is_empty() => {
                let mut streams: Streams<W::File> = [None, None, None];
                if !self.redirect(&command.redirects, &mut streams)? {
                    return Ok(1);
                }
                let text = match kind {
                    Kind::Subshell(_) => command.body.strip_prefix('(').and_then(|t| t.strip_suffix(')')),
                    _ => None,
                };
                match self.start_shell(text.unwrap_or(&command.body), &streams) {
                    Ok(process) => self.wait(Vec::from([process])),
                    Err(status) => Ok(status),
                }
            }
            Kind::Group(list) | Kind::Subshell(list) => self.list(list),
            Kind::If(branches, otherwise) => self.conditional(branches, otherwise.as_ref()),
            Kind::For(name, words, body) => self.for_loop(name, words.as_deref(), body),
            Kind::While(until, condition, body) => self.while_loop(*until, condition, body),
            Kind::Case(word, arms) => self.case(word, arms),
            Kind::Repeat(count, inner) => self.repeat(count, inner),
            Kind::Time(inner) => {
                let started = self.world.time(None);
                let status = self.command(inner)?;
                self.world.time(Some(started));
                Ok(status)
            }
        }
    }

    fn simple(&mut self, command: &Command, assignments: &[(String, Word)], words: &[Word]) -> Ran {
        let substituted = words.is_empty() && assignments.iter().any(|(_, w)| has_output(w));
        let fields = self.fields(words)?;
        let Some(name) = fields.first() else {
            for (name, word) in assignments {
                let value = self.text(word)?;
                self.variables.set(name, &value);
            }
            let mut streams = [None, None, None];
            if !self.redirect(&command.redirects, &mut streams)? {
                return Ok(1);
            }
            return Ok(if substituted { self.variables.status } else { 0 });
        };
        let mut streams = [None, None, None];
        if !self.redirect(&command.redirects, &mut streams)? {
            return Ok(1);
        }
        if self.world.is_builtin(name) {
            let lasting = SPECIAL.contains(&name.as_str());
            let mut before = Vec::new();
            for (name, word) in assignments {
                let value = self.text(word)?;
                before.push((name, self.variables.replace(name, &value)));
            }
            let status = self.world.builtin(&fields, &streams, &mut self.variables);
            for (name, old) in before.into_iter().rev().filter(|_| !lasting) {
                self.variables.restore(name, old);
            }
            let status = status.ok_or(Stop::Interrupted)?;
            return match self.variables.exit {
                Some(status) => Err(Stop::Exit(status)),
                None => Ok(status),
            };
        }
        let env = self.environment(assignments)?;
        match self.world.spawn(&fields, env, &streams) {
            Ok(process) => {
                drop(streams);
                self.wait(Vec::from([process]))
            }
            Err(status) => Ok(status),
        }
    }

    /// What the commands of a text print.
    pub(crate) fn output(&mut self, text: &str) -> Result<String, Stop> {
        let list = parse(text).map_err(|error| self.fatal(&error.to_string()))?;
        let (read, write) = self.world.pipe().map_err(|error| self.fatal(&error))?;
        let streams = [None, Some(write), None];
        let process = match list.as_slice() {
            [Item { first: Pipeline { negated: false, commands }, rest, background: false, .. }]
                if rest.is_empty() && commands.len() == 1 =>
            {
                self.start(&commands[0], streams)?
            }
            _ => {
                let process = self.start_shell(text, &streams);
                drop(streams);
                process
            }
        };
        let bytes = self.world.read_all(read).map_err(|error| self.fatal(&error))?;
        self.variables.status = match process {
            Ok(process) => self.wait(Vec::from([process]))?,
            Err(status) => status,
        };
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn test(&mut self, list: &List) -> Ran {
        self.tested += 1;
        let status = self.list(list);
        self.tested -= 1;
        status
    }

    fn conditional(&mut self, branches: &[(List, List)], otherwise: Option<&List>) -> Ran {
        for (condition, body) in branches {
            if self.test(condition)? == 0 {
                return self.list(body);
            }
        }
        otherwise.map_or(Ok(0), |body| self.list(body))
    }

    /// After a round of a loop: whether it is left.
    fn leaves(&mut self) -> bool {
        match self.variables.leave.take() {
            None => false,
            Some((again, 0 | 1)) => !again,
            Some((again, n)) => {
                self.variables.leave = Some((again, n - 1));
                true
            }
        }
    }

    fn for_loop(&mut self, name: &str, words: Option<&[Word]>, body: &List) -> Ran {
        let values = match words {
            Some(words) => self.fields(words)?,
            None => self.variables.args.clone(),
        };
        let mut status = 0;
        for value in values {
            self.variables.set(name, &value);
            status = self.list(body)?;
            if self.leaves() {
                break;
            }
        }
        Ok(status)
    }

    fn while_loop(&mut self, until: bool, condition: &List, body: &List) -> Ran {
        let mut status = 0;
        loop {
            if (self.test(condition)? == 0) == until {
                return Ok(status);
            }
            status = self.list(body)?;
            if self.leaves() {
                return Ok(status);
            }
            if self.world.interrupted() {
                return Err(Stop::Interrupted);
            }
        }
    }

    fn case(&mut self, word: &Word, arms: &[(Vec<Word>, List)]) -> Ran {
        let text: Vec<char> = self.text(word)?.chars().collect();
        for (patterns, body) in arms {
            for pattern in patterns {
                let marks = self.marks(pattern)?;
                if crate::pattern::matches(&marks, &text) {
                    return self.list(body);
                }
            }
        }
        Ok(0)
    }

    /// The status of the first round that failed, else 0; the rounds go on after it.
    fn repeat(&mut self, count: &Word, inner: &Command) -> Ran {
        let text = self.text(count)?;
        let Ok(count) = text.parse::<u64>() else {
            return Err(self.fatal(&format!("repeat: {text}: how often? repeat N COMMAND")));
        };
        let mut failed = 0;
        for _ in 0..count {
            if self.world.interrupted() {
                return Err(Stop::Interrupted);
            }
            let status = self.command(inner)?;
            if failed == 0 {
                failed = status;
            }
            if self.leaves() {
                break;
            }
        }
        Ok(failed)
    }
}

fn has_output(word: &Word) -> bool {
    word.iter().any(|p| matches!(p, Piece::Output { .. }))
}
