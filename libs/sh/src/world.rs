// SPDX-License-Identifier: BSD-2-Clause
//! What the interpreter needs of the system.

use alloc::string::String;
use alloc::vec::Vec;

/// How a file is opened for a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// To be read.
    Read,
    /// To be written anew.
    Write,
    /// To be made longer.
    Append,
}

/// Standard input, output and error output of a command; `None`: the shell's own.
pub type Streams<F> = [Option<F>; 3];

/// The system.
pub trait World {
    /// An open file or end of a pipe. A copy is the same one; it is closed when the last one goes.
    type File: Clone;
    /// A process that was started.
    type Process;

    /// Whether the shell itself does what this name says.
    fn is_builtin(&self, name: &str) -> bool;
    /// Has the shell itself do it. `None`: Control-C, everything ends.
    fn builtin(
        &mut self,
        words: &[String],
        streams: &Streams<Self::File>,
        variables: &mut crate::Variables,
    ) -> Option<u8>;
    /// Starts a program. The error is its status; what is wrong was said.
    fn spawn(
        &mut self,
        words: &[String],
        env: Vec<(String, String)>,
        streams: &Streams<Self::File>,
    ) -> Result<Self::Process, u8>;
    /// Starts a shell for a text, with these arguments; the environment is one for [`Variables::new`](crate::Variables::new).
    fn spawn_shell(
        &mut self,
        text: &str,
        args: &[String],
        env: Vec<(String, String)>,
        streams: &Streams<Self::File>,
    ) -> Result<Self::Process, u8>;
    /// Waits for all of these; the status of the last. `None`: Control-C, and they are ended.
    fn wait(&mut self, processes: Vec<Self::Process>) -> Option<u8>;
    /// The process goes on by itself. Returns its number.
    fn background(&mut self, process: Self::Process, text: &str) -> u32;
    /// A pipe: the end to read from, the end to write to.
    fn pipe(&mut self) -> Result<(Self::File, Self::File), String>;
    /// Opens a file for a redirection.
    fn open(&mut self, path: &str, access: Access) -> Result<Self::File, String>;
    /// Everything that comes out of a file until its end.
    fn read_all(&mut self, file: Self::File) -> Result<Vec<u8>, String>;
    /// The names in a directory; none if it cannot be read.
    fn list(&mut self, directory: &str) -> Vec<String>;
    /// Whether something has this path.
    fn exists(&mut self, path: &str) -> bool;
    /// Says what is wrong, to standard error.
    fn complain(&mut self, text: &str);
    /// Whether Control-C was typed.
    fn interrupted(&mut self) -> bool;
    /// `time`: begins, and says how long it took.
    fn time(&mut self, started: Option<u64>) -> u64;
}
