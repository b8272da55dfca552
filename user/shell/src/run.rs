// SPDX-License-Identifier: BSD-2-Clause
//! Running what was written. A list's status is that of its first command that failed, else 0; it goes on after a failure.

use crate::commands;
use crate::shell::{INTERRUPTED, Shell};
use alloc::format;
use alloc::string::String;
use ebb_args::{Failure, USAGE};
use ebb_rt::abi::meter::Counter;
use ebb_rt::clock::now_us;
use ebb_rt::println;
use ebb_rt::shared::meter;
use ebb_script::Command;

impl Shell {
    /// Runs a text.
    pub fn run_text(&mut self, text: &str) -> u8 {
        match ebb_script::parse(text) {
            Ok(list) => self.run_list(&list),
            Err(error) => {
                println!("shell: {error}");
                USAGE
            }
        }
    }

    fn run_list(&mut self, list: &[Command]) -> u8 {
        let mut first = 0;
        for command in list {
            let status = self.run_command(command);
            if first == 0 {
                first = status;
            }
            if status == INTERRUPTED {
                break;
            }
        }
        first
    }

    fn run_command(&mut self, command: &Command) -> u8 {
        let result = if command.background { self.run_background(command) } else { self.run_here(command) };
        match result {
            Ok(status) => status,
            Err(Failure::Status(status)) => status,
            Err(failure) => {
                match &failure {
                    Failure::Help(text) => println!("{text}"),
                    _ => println!("{}: {failure}", command.words.first().map_or("shell", String::as_str)),
                }
                failure.status()
            }
        }
    }

    /// A program runs by itself; what the shell does itself needs another shell for it.
    fn run_background(&mut self, command: &Command) -> Result<u8, Failure> {
        let name = command.words.first().map(String::as_str);
        let own = name.is_none_or(|n| is_structure(n) || commands::find(n).is_some());
        let space = if own {
            self.start(&["shell".into(), "-c".into(), command.text.clone()])?
        } else {
            self.start(&command.words)?
        };
        self.background(space, &command.text);
        Ok(0)
    }

    fn run_here(&mut self, command: &Command) -> Result<u8, Failure> {
        let group = command.group.as_deref();
        let Some((name, args)) = command.words.split_first() else {
            return Ok(self.run_list(group.unwrap_or_default()));
        };
        match name.as_str() {
            "repeat" => {
                let count =
                    args.first().ok_or_else(|| Failure::Usage("how often? repeat N COMMAND".into()))?;
                let count = ebb_args::number(count)?;
                let mut first = 0;
                for _ in 0..count {
                    let status = self.run_inner(&args[1..], group)?;
                    if first == 0 {
                        first = status;
                    }
                    if status == INTERRUPTED {
                        break;
                    }
                    self.check_interrupt()?;
                }
                Ok(first)
            }
            "time" => {
                let faults = || (meter(Counter::v_vm_faults), meter(Counter::v_io_faults));
                let (before, start) = (faults(), now_us());
                let status = self.run_inner(args, group)?;
                let (after, us) = (faults(), now_us() - start);
                println!(
                    "time: {}.{:06} s, {} faults, {} with i/o",
                    us / 1_000_000,
                    us % 1_000_000,
                    after.0 - before.0,
                    after.1 - before.1
                );
                Ok(status)
            }
            _ if group.is_some() => Err(Failure::Usage("takes no { }".into())),
            name => match commands::find(name) {
                Some(builtin) => (builtin.run)(self, args).map(|()| 0),
                None => self.foreground(&command.words),
            },
        }
    }

    /// What `repeat` and `time` run: a group, or the rest of the words.
    fn run_inner(&mut self, words: &[String], group: Option<&[Command]>) -> Result<u8, Failure> {
        match (words, group) {
            ([], Some(group)) => Ok(self.run_list(group)),
            ([], None) => Err(Failure::Usage("a command is missing".into())),
            (words, group) => Ok(self.run_command(&Command {
                words: words.into(),
                group: group.map(Into::into),
                background: false,
                text: format!("{} …", words[0]),
            })),
        }
    }
}

/// Whether the shell's own structure begins with this word.
fn is_structure(name: &str) -> bool {
    matches!(name, "repeat" | "time")
}
