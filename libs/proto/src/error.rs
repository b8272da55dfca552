// SPDX-License-Identifier: BSD-2-Clause
//! Why an operation failed, in POSIX terms; each operation says which of these it can answer and when.

use serde::{Deserialize, Serialize};

macro_rules! errors {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $text:literal;)+) => {
        /// A failed operation.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
        #[repr(u8)]
        pub enum Error { $($(#[doc = $doc])+ $name = $code,)+ }

        impl Error {
            /// The error with this number; a number that nobody knows is [`Error::Malformed`].
            pub fn from_code(code: u64) -> Error {
                match code { $($code => Error::$name,)+ _ => Error::Malformed }
            }
            /// What a person is told.
            pub fn text(self) -> &'static str {
                match self { $(Error::$name => $text,)+ }
            }
        }
    };
}

errors! {
    /// The message was not one of the protocol's.
    Malformed = 1, "malformed message";
    /// An argument is out of its range (`EINVAL`).
    Invalid = 2, "invalid argument";
    /// No such thing (`ENOENT`).
    NotFound = 3, "not found";
    /// There already is one (`EEXIST`).
    Exists = 4, "exists already";
    /// In use, or an operation on it is under way (`EBUSY`).
    Busy = 5, "busy";
    /// The caller may not do this (`EPERM`).
    NotPermitted = 6, "not permitted";
    /// Not enough memory, or memory and swap together (`ENOMEM`).
    NoMemory = 7, "not enough memory";
    /// No room left on the device (`ENOSPC`).
    NoSpace = 8, "no space left";
    /// The device failed (`EIO`).
    Io = 9, "input/output error";
    /// The server ended before it answered.
    Dead = 10, "server died";
    /// An address outside what the caller has mapped (`EFAULT`).
    Fault = 11, "bad address";
    /// The server does not do this.
    Unsupported = 12, "not supported";
    /// The instance that the caller speaks for is no longer the current one.
    Superseded = 13, "superseded by another instance";
    /// Something was too long to be sent.
    TooLong = 14, "too long";
    /// The program does not exist or its image is broken (`ENOEXEC`).
    BadImage = 15, "broken program image";
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.text())
    }
}
