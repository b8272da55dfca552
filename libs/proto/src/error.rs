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
    /// A component of the path is no directory (`ENOTDIR`).
    NotDirectory = 16, "not a directory";
    /// It is a directory (`EISDIR`).
    IsDirectory = 17, "is a directory";
    /// The directory has entries (`ENOTEMPTY`).
    NotEmpty = 18, "directory not empty";
    /// A component of the path has more than 255 bytes, or the path more than 3,000 (`ENAMETOOLONG`).
    NameTooLong = 19, "file name too long";
    /// The file system or its disk cannot be written (`EROFS`).
    ReadOnly = 20, "read-only file system";
    /// The file's permissions do not allow it (`EACCES`).
    Access = 21, "permission denied";
    /// More symbolic links than [`crate::fs::MAX_LINKS`] on the way (`ELOOP`).
    Loop = 22, "too many levels of symbolic links";
    /// The file would be larger than a file can be (`EFBIG`).
    FileTooLarge = 23, "file too large";
    /// No such open file, or not open for this (`EBADF`).
    BadFile = 24, "bad file descriptor";
    /// Nobody reads from the pipe any more (`EPIPE`).
    BrokenPipe = 25, "broken pipe";
    /// No more files or pipes can be open (`EMFILE`).
    TooManyFiles = 26, "too many open files";
    /// What is on the disk contradicts itself (`EUCLEAN`).
    Damaged = 27, "structure needs cleaning";
}

impl Error {
    /// Symbol and text as POSIX has them, for what programs print about files.
    pub fn posix(self) -> (&'static str, &'static str) {
        use Error::*;
        match self {
            Malformed | Invalid => ("EINVAL", "Invalid argument"),
            NotFound => ("ENOENT", "No such file or directory"),
            Exists => ("EEXIST", "File exists"),
            Busy => ("EBUSY", "Device or resource busy"),
            NotPermitted => ("EPERM", "Operation not permitted"),
            NoMemory => ("ENOMEM", "Cannot allocate memory"),
            NoSpace => ("ENOSPC", "No space left on device"),
            Io | Dead | Superseded => ("EIO", "Input/output error"),
            Fault => ("EFAULT", "Bad address"),
            Unsupported => ("ENOSYS", "Function not implemented"),
            TooLong => ("E2BIG", "Argument list too long"),
            BadImage => ("ENOEXEC", "Exec format error"),
            NotDirectory => ("ENOTDIR", "Not a directory"),
            IsDirectory => ("EISDIR", "Is a directory"),
            NotEmpty => ("ENOTEMPTY", "Directory not empty"),
            NameTooLong => ("ENAMETOOLONG", "File name too long"),
            ReadOnly => ("EROFS", "Read-only file system"),
            Access => ("EACCES", "Permission denied"),
            Loop => ("ELOOP", "Too many levels of symbolic links"),
            FileTooLarge => ("EFBIG", "File too large"),
            BadFile => ("EBADF", "Bad file descriptor"),
            BrokenPipe => ("EPIPE", "Broken pipe"),
            TooManyFiles => ("EMFILE", "Too many open files"),
            Damaged => ("EUCLEAN", "Structure needs cleaning"),
        }
    }
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.text())
    }
}
