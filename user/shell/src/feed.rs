// SPDX-License-Identifier: BSD-2-Clause
//! What a person types while a command runs.
//!
//! A command in the foreground gets a pipe as its standard input, if nothing else was said: the shell alone reads keys, so that Control-C always works and nobody's
//! keys go to somebody else. A line goes into the pipe when somebody waits to read from it; what nobody has read at the end of the command is for the next one, or
//! for the prompt, as with every terminal.

use crate::shell::Shell;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use ebb_args::Failure;
use ebb_rt::client::call;
use ebb_rt::io::{Channel, pipe};
use ebb_rt::proto::Error;
use ebb_rt::proto::console;
use ebb_rt::proto::pipe::{Wanted, Write};
use ebb_rt::start::Given;
use ebb_term::{Cooked, Discipline};

/// How often it is looked whether somebody wants to read what is there, in milliseconds. Guessed: a person does not see it.
const LOOK_MS: u64 = 20;

/// The input of the command in the foreground.
pub struct Feed {
    discipline: Discipline,
    /// What was typed and nobody has read.
    lines: VecDeque<Cooked>,
    /// The end to write to; `None`: the end was typed.
    to: Option<Channel>,
}

impl Shell {
    /// Makes the input of a command in the foreground. Returns the end that it reads from.
    pub fn begin_feed(&mut self) -> Result<Channel, Error> {
        self.end_feed();
        let (read, write) = pipe()?;
        let discipline = Discipline::new(console::MAX_IO);
        self.feed = Some(Feed { discipline, lines: VecDeque::new(), to: Some(write) });
        Ok(read)
    }

    /// Passes on what was typed. When to look again, if something is there that nobody wants yet.
    pub fn pass_on(&mut self) -> Result<Option<u64>, Failure> {
        let Some(feed) = &mut self.feed else { return Ok(None) };
        let mut shown = Vec::new();
        while !feed.lines.contains(&Cooked::End)
            && feed.to.is_some()
            && let Some(byte) = self.typed.pop_front()
        {
            feed.lines.extend(feed.discipline.feed(byte, &mut shown));
        }
        while let (Some(Channel::PipeWrite(pipe)), Some(line)) = (&feed.to, feed.lines.front_mut()) {
            match deliver(*pipe, line) {
                Ok(Delivered::Not) => break,
                Ok(Delivered::Partly) => {}
                Ok(Delivered::Whole) => {
                    if feed.lines.pop_front() == Some(Cooked::End) {
                        feed.to = None;
                    }
                }
                // Nobody will read it: it is for the next command.
                Err(Error::BrokenPipe) => break,
                Err(error) => return Err(Failure::of("pipe", error)),
            }
        }
        let left = feed.to.is_some() && !feed.lines.is_empty();
        self.send(shown)?;
        Ok(left.then(|| self.deadline_ms(LOOK_MS)))
    }

    /// The command is stopped: what it has not read is typed anew. Returns where its input comes from.
    pub fn set_feed_aside(&mut self) -> Option<Channel> {
        let to = self.feed.as_mut().and_then(|feed| feed.to.take());
        self.end_feed();
        to
    }

    /// It goes on.
    pub fn resume_feed(&mut self, to: Channel) {
        self.end_feed();
        let discipline = Discipline::new(console::MAX_IO);
        self.feed = Some(Feed { discipline, lines: VecDeque::new(), to: Some(to) });
    }

    /// The command is over: what it has not read is typed anew.
    pub fn end_feed(&mut self) {
        let Some(mut feed) = self.feed.take() else { return };
        let unfinished = feed.discipline.take();
        let lines = feed.lines.into_iter().flat_map(|line| match line {
            Cooked::Bytes(bytes) => bytes,
            // Control-D was for the command; at the prompt it would end the machine.
            Cooked::End => Vec::new(),
        });
        let mut typed: VecDeque<u8> = lines.chain(unfinished).collect();
        typed.append(&mut self.typed);
        self.typed = typed;
    }

    /// A line that is typed for the shell itself; `None`: the end.
    pub fn typed_line(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let mut discipline = Discipline::new(console::MAX_IO);
        loop {
            if let Err(failure) = self.check_interrupt() {
                self.send(b"\n".to_vec())?;
                return Err(failure);
            }
            let (mut shown, mut line) = (Vec::new(), None);
            while line.is_none()
                && let Some(byte) = self.typed.pop_front()
            {
                line = discipline.feed(byte, &mut shown);
            }
            self.send(shown)?;
            match line {
                Some(Cooked::Bytes(bytes)) => return Ok(Some(bytes)),
                Some(Cooked::End) => return Ok(None),
                None => self.pause(None)?,
            }
        }
    }
}

/// What became of a line.
enum Delivered {
    Not,
    Partly,
    Whole,
}

/// Puts a line into a pipe if somebody waits to read it. Then the pipe is empty and takes at least some of it at once.
fn deliver(pipe: u32, line: &mut Cooked) -> Result<Delivered, Error> {
    let server = ebb_rt::start::info().ok_or(Error::NotFound)?.handle("pipe")?;
    if !call(server, &Wanted { pipe })? {
        return Ok(Delivered::Not);
    }
    let Cooked::Bytes(bytes) = line else { return Ok(Delivered::Whole) };
    let count = call(server, &Write { pipe, bytes: bytes.clone() })? as usize;
    bytes.drain(..count.min(bytes.len()));
    Ok(if bytes.is_empty() { Delivered::Whole } else { Delivered::Partly })
}
