// SPDX-License-Identifier: BSD-2-Clause
//! What the file system's errors mean to callers and to `vm`: one table.

use ebb_proto::Error;
use ebb_proto::pager::Outcome;
use rsext4::{Ext4Error, Ext4ErrorKind};

/// What a caller is told.
pub fn error_of(error: Ext4Error) -> Error {
    use Ext4ErrorKind as Kind;
    match error.kind() {
        Kind::Io | Kind::JournalAborted | Kind::Timeout => Error::Io,
        Kind::Corrupted | Kind::ChecksumMismatch | Kind::BadSuperblock | Kind::InvalidMagic => Error::Damaged,
        Kind::UnsupportedFeature | Kind::UnsupportedCapability | Kind::Unsupported => Error::Unsupported,
        Kind::ReadOnly => Error::ReadOnly,
        Kind::NoSpace | Kind::QuotaExceeded => Error::NoSpace,
        Kind::NoMemory => Error::NoMemory,
        Kind::TooManyLinks => Error::NotPermitted,
        Kind::PermissionDenied => Error::Access,
        Kind::NotFound => Error::NotFound,
        Kind::AlreadyExists => Error::Exists,
        Kind::NotDirectory => Error::NotDirectory,
        Kind::IsDirectory => Error::IsDirectory,
        Kind::NotEmpty => Error::NotEmpty,
        Kind::Busy => Error::Busy,
        Kind::BadFileDescriptor => Error::BadFile,
        Kind::InvalidInput | Kind::Overflow => Error::Invalid,
        Kind::FileTooLarge => Error::FileTooLarge,
    }
}

/// What `vm` is told.
pub fn outcome_of(error: Error) -> Outcome {
    match error {
        Error::NoSpace => Outcome::Fail,
        Error::Invalid | Error::NotFound | Error::BadFile | Error::FileTooLarge => Outcome::Bad,
        Error::Busy | Error::NoMemory => Outcome::Again,
        _ => Outcome::Error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_space_is_told_apart_from_a_broken_disk() {
        assert_eq!(outcome_of(error_of(Ext4Error::no_space())), Outcome::Fail);
        assert_eq!(outcome_of(error_of(Ext4Error::io())), Outcome::Error);
        assert_eq!(outcome_of(error_of(Ext4Error::journal_aborted())), Outcome::Error);
        assert_eq!(error_of(Ext4Error::checksum()), Error::Damaged);
    }
}
