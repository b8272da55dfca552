// SPDX-License-Identifier: BSD-2-Clause
//! A person at the console: banner, prompt, line editing.

use crate::shell::Shell;
use alloc::string::String;
use alloc::vec::Vec;
use ebb_args::Failure;
use ebb_rt::abi::PAGE_SIZE;
use ebb_rt::abi::meter::Counter;
use ebb_rt::client::{call, call_with};
use ebb_rt::println;
use ebb_rt::proto::console::{Notify, Size};
use ebb_rt::shared::meter;
use ebb_sh::is_incomplete;
use ebb_term::{Editor, Event};

const PROMPT: &str = "ebb$ ";
/// Where more lines are needed.
const MORE: &str = "> ";
/// Lines of history.
const HISTORY: usize = 200;

impl Shell {
    /// Serves a person until the machine ends.
    pub fn serve_person(&mut self) -> u8 {
        match self.prompt_loop() {
            Ok(status) => crate::shutdown(self, status),
            Err(failure) => {
                println!("shell: {failure}");
                failure.status()
            }
        }
    }

    /// Until Control-D or `exit`; its status.
    fn prompt_loop(&mut self) -> Result<u8, Failure> {
        call_with(self.console, &Notify {}, &[self.notification]).map_err(|e| Failure::of("console", e))?;
        let (columns, _) = call(self.console, &Size {}).map_err(|e| Failure::of("console", e))?;
        self.person = true;
        let mut editor = Editor::new(columns, HISTORY);
        let mib = |pages: u64| (pages * PAGE_SIZE as u64) >> 20;
        println!(
            "\nEbb: {} MiB of memory, {} MiB of swap, up {} ms. Type help.",
            mib(meter(Counter::v_page_count)),
            mib(meter(Counter::swap_total)),
            self.uptime_us() / 1000
        );
        let (mut ends, mut text) = (0, String::new());
        loop {
            self.look_for_ends()?.iter().for_each(|line| println!("{line}"));
            match self.read_line(&mut editor, if text.is_empty() { PROMPT } else { MORE })? {
                Event::Line(line) => {
                    ends = 0;
                    (self.interrupted, self.broken, self.suspended, self.group) = (false, false, false, None);
                    text.push_str(&line);
                    text.push('\n');
                    if is_incomplete(&text) {
                        continue;
                    }
                    self.run_text(&core::mem::take(&mut text));
                    self.forget_ended();
                    if let Some(status) = self.exit.take() {
                        return Ok(status);
                    }
                }
                Event::Interrupted => (ends, text) = (0, String::new()),
                // What is wrong with it is said.
                Event::EndOfInput if !text.is_empty() => _ = self.run_text(&core::mem::take(&mut text)),
                Event::EndOfInput if ends == 0 => {
                    ends = 1;
                    println!("Control-D again shuts the machine down.");
                }
                Event::EndOfInput => return Ok(0),
            }
        }
    }

    fn read_line(&mut self, editor: &mut Editor, prompt: &str) -> Result<Event, Failure> {
        let mut out = Vec::new();
        editor.start(prompt, &mut out);
        loop {
            while let Some(byte) = self.typed.pop_front() {
                if let Some(event) = editor.feed(byte, &mut out) {
                    self.send(out)?;
                    return Ok(event);
                }
            }
            self.send(core::mem::take(&mut out))?;
            self.look_for_keys()?;
            if core::mem::take(&mut self.interrupted) {
                // Everything before it was thrown away; the line goes too.
                self.typed.push_front(0x03);
            } else if self.typed.is_empty() {
                self.pause(None)?;
                let lines = self.look_for_ends()?;
                if !lines.is_empty() {
                    // Over the line being edited, which is drawn again below.
                    self.send(b"\r\x1b[J".to_vec())?;
                    lines.iter().for_each(|line| println!("{line}"));
                    editor.redraw(&mut out);
                }
            }
        }
    }
}
