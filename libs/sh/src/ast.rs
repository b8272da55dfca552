// SPDX-License-Identifier: BSD-2-Clause
//! What a script means.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

/// Commands, one after the other.
pub type List = Vec<Item>;

/// A command of a list, as it was written too.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Item {
    /// The first pipeline, and those after `&&` (true) or `||` (false).
    pub first: Pipeline,
    /// What follows it.
    pub rest: Vec<(bool, Pipeline)>,
    /// Whether the shell goes on without waiting for it.
    pub background: bool,
    /// As it was written, without what ended it.
    pub text: String,
}

/// Commands whose output is the next one's input.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pipeline {
    /// `!` before it: its status is turned round.
    pub negated: bool,
    /// The commands, at least one.
    pub commands: Vec<Command>,
}

/// A command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Command {
    /// What it is.
    pub kind: Kind,
    /// Where its streams go.
    pub redirects: Vec<Redirect>,
    /// As it was written.
    pub text: String,
    /// The same without the redirections after it.
    pub body: String,
}

/// Kinds of commands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Variables to be set, and words: the name of a command and its arguments.
    Simple {
        /// Names and values.
        assignments: Vec<(String, Word)>,
        /// The words.
        words: Vec<Word>,
    },
    /// `{ … }`.
    Group(List),
    /// `( … )`: in a shell of its own.
    Subshell(List),
    /// `if`, `elif`: conditions and what they guard; `else`.
    If(Vec<(List, List)>, Option<List>),
    /// `for NAME in WORDS`; without words: the arguments of the script.
    For(String, Option<Vec<Word>>, List),
    /// `while`; `until` if the flag is set.
    While(bool, List, List),
    /// `case WORD in PATTERNS) LIST ;; … esac`.
    Case(Word, Vec<(Vec<Word>, List)>),
    /// `repeat N COMMAND`.
    Repeat(Word, Box<Command>),
    /// `time COMMAND`.
    Time(Box<Command>),
}

/// A redirection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Redirect {
    /// Which stream: 0, 1, 2.
    pub stream: u8,
    /// Where it goes.
    pub to: Target,
}

/// Where a stream goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// `<`: a file that is read.
    Read(Word),
    /// `>`: a file that is written anew.
    Write(Word),
    /// `>>`: a file that is made longer.
    Append(Word),
    /// `>&N`: where another stream goes.
    Same(u8),
}

/// A word before expansion: pieces that stand next to each other.
pub type Word = Vec<Piece>;

/// A piece of a word.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Piece {
    /// Text; what is quoted is never split, and its `*` means nothing.
    Text {
        /// The text.
        text: String,
        /// Whether it was quoted.
        quoted: bool,
    },
    /// The value of a variable.
    Variable {
        /// Its name: letters, a number, or one of `?#@*$!`.
        name: String,
        /// `${x:-w}` and its kin.
        otherwise: Option<Otherwise>,
        /// Whether it stands in double quotes.
        quoted: bool,
    },
    /// `$(…)`: what the commands print.
    Output {
        /// The commands, as text.
        text: String,
        /// Whether it stands in double quotes.
        quoted: bool,
    },
    /// `$((…))`.
    Arithmetic {
        /// The expression.
        text: Word,
        /// Whether it stands in double quotes.
        quoted: bool,
    },
}

/// What to do about a variable by whether it is set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Otherwise {
    /// `-`, `=`, `+`, `?`; `L` for the length (`${#x}`); `#`, `%` for removing a prefix or suffix, doubled as `H` and `P`.
    pub op: char,
    /// With `:`: an empty value counts as none.
    pub empty_too: bool,
    /// The word.
    pub word: Word,
}
