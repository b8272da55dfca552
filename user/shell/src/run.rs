// SPDX-License-Identifier: BSD-2-Clause
//! Running what was written.

use crate::ground::Ground;
use crate::language::input_line;
use crate::shell::Shell;
use alloc::string::String;
use ebb_args::Failure;
use ebb_sh::{Interpreter, Variables, is_incomplete};

impl Shell {
    /// Runs a text. Its status is that of its last command. Whether it said `exit` is in [`Shell::exit`].
    pub fn run_text(&mut self, text: &str) -> u8 {
        let mut variables = core::mem::take(&mut self.variables);
        let status = self.run_with(text, &mut variables);
        self.exit = variables.exit.take();
        self.variables = variables;
        status
    }

    /// Runs standard input, as soon as there is something whole of it: what runs can read the lines after its own. The status is that of the last command.
    pub fn input(&mut self) -> Result<u8, Failure> {
        let (mut text, mut status) = (String::new(), 0);
        loop {
            let (line, ended) = input_line(self)?;
            text.push_str(&String::from_utf8_lossy(&line));
            if ended {
                text.push('\n');
            }
            if ended && is_incomplete(&text) {
                continue;
            }
            if !text.trim().is_empty() {
                status = self.run_text(&core::mem::take(&mut text));
            }
            if !ended || self.exit.is_some() {
                self.wait_for_jobs();
                return Ok(self.exit.take().unwrap_or(status));
            }
        }
    }

    /// Runs a text with these variables, as a part of what is running already.
    pub fn run_with(&mut self, text: &str, variables: &mut Variables) -> u8 {
        let mut interpreter = Interpreter::new(Ground(self), core::mem::take(variables));
        let status = interpreter.run(text);
        *variables = interpreter.variables;
        status
    }

    /// Runs a file, or a part of a script in a process of its own: the status is that of the last command.
    pub fn part(&mut self, text: &str) -> u8 {
        let status = self.run_text(text);
        self.wait_for_jobs();
        status
    }

    /// Runs the script of `--exec` to its end, background commands included. The status of the first command that failed, else 0.
    pub fn script(&mut self, text: &str) -> u8 {
        let variables = core::mem::take(&mut self.variables);
        let status = Interpreter::new(Ground(self), variables).script(text);
        let later = self.wait_for_jobs();
        if status != 0 { status } else { later }
    }
}
