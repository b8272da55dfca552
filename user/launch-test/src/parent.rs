// SPDX-License-Identifier: BSD-2-Clause
//! What the tests use: pipes, children, and what there is of both.

use crate::Failure;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use ebb_rt::StartInfo;
use ebb_rt::abi::Handle;
use ebb_rt::client::call;
use ebb_rt::proto::pipe::{Close, End, New, Read};
use ebb_rt::proto::proc::{Group, Launch, Wait};
use ebb_rt::proto::start::Stream;
use ebb_rt::proto::vm::{Space, Spaces};
use ebb_rt::proto::{Error, Operation};
use ebb_rt::start::Given;

/// The test program.
pub struct Parent {
    /// What it was told.
    pub info: &'static StartInfo,
    /// `proc`.
    pub proc: Handle,
    /// `pipe`.
    pub pipe: Handle,
    /// `vm`.
    pub vm: Handle,
}

/// Says what failed.
pub fn because<T>(what: &str, result: Result<T, Error>) -> Result<T, Failure> {
    result.map_err(|error| alloc::format!("{what}: {error}"))
}

/// Says what is not as it must be.
pub fn same<T: PartialEq + core::fmt::Debug>(what: &str, found: T, right: T) -> Result<(), Failure> {
    if found == right { Ok(()) } else { Err(alloc::format!("{what}: {found:?} instead of {right:?}")) }
}

impl Parent {
    pub fn new(info: &'static StartInfo) -> Result<Parent, Error> {
        Ok(Parent { info, proc: info.handle("proc")?, pipe: info.handle("pipe")?, vm: info.handle("vm")? })
    }

    /// A pipe with both ends.
    pub fn new_pipe(&self) -> Result<u32, Failure> {
        because("new pipe", call(self.pipe, &New {}))
    }

    /// Gives up an end.
    pub fn close(&self, pipe: u32, end: End) -> Result<(), Failure> {
        because("close", call(self.pipe, &Close { pipe, end }))
    }

    /// All that comes until the end of the bytes.
    pub fn read_all(&self, pipe: u32) -> Result<Vec<u8>, Failure> {
        let mut all = Vec::new();
        loop {
            let piece = because("read", call(self.pipe, &Read { pipe, most: u32::MAX }))?;
            if piece.is_empty() {
                return Ok(all);
            }
            all.extend(piece);
        }
    }

    /// How many bytes come next; 0: the end.
    pub fn read_piece(&self, pipe: u32) -> Result<usize, Failure> {
        because("read", call(self.pipe, &Read { pipe, most: u32::MAX })).map(|bytes| bytes.len())
    }

    /// Launches a program.
    pub fn try_launch(&self, program: &str, args: &[&str], streams: &[Stream]) -> Result<Space, Error> {
        let op = Launch {
            program: program.to_string(),
            args: args.iter().map(|a| a.to_string()).collect(),
            env: Vec::new(),
            cwd: String::from("/"),
            streams: streams.to_vec(),
            linked: false,
            group: Group::Inherited,
        };
        call(self.proc, &op)
    }

    /// Launches this program as a child.
    pub fn child(&self, args: &[&str], streams: &[Stream]) -> Result<Space, Failure> {
        because("launch", self.try_launch("launch-test", args, streams))
    }

    /// Waits for a child.
    pub fn wait(&self, space: Space) -> Result<u8, Failure> {
        because("wait", call(self.proc, &Wait { pid: space }))
    }

    /// Waits for a child, and checks its status.
    pub fn ends_with(&self, space: Space, status: u8) -> Result<(), Failure> {
        same("status", self.wait(space)?, status)
    }

    /// An operation that must fail.
    pub fn fails<O: Operation<Reply: core::fmt::Debug + PartialEq>>(
        &self,
        server: Handle,
        what: &str,
        op: &O,
        error: Error,
    ) -> Result<(), Failure> {
        same(what, call(server, op), Err(error))
    }

    /// Programs and servers that `vm` knows.
    pub fn spaces(&self) -> Result<usize, Failure> {
        let (mut count, mut from) = (0, 0);
        loop {
            let piece = because("spaces", call(self.vm, &Spaces { from }))?;
            let Some(last) = piece.last() else { return Ok(count) };
            count += piece.len();
            from = last.space + 1;
        }
    }
}
