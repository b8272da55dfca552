// SPDX-License-Identifier: BSD-2-Clause
//! Sections 1 and 12: the pager's answers.

use ebb_policy::flush::PutStatus::{Again, Bad, Error, Fail, Ok, Pend};
use ebb_policy::flush::{Effect, PutStatus, tally};

const NOTHING: Effect = Effect { written: false, clean: false, lost: false, activate: false, busy: false };

#[test]
fn pgo_011_ok() {
    assert_eq!(Ok as u8, 0);
    assert_eq!(tally(&[Ok, Ok, Ok], 0).written, 3);
    assert_eq!(Ok.effect(), Effect { written: true, clean: true, ..NOTHING });
}

/// PGO-012 with W01: the loss is counted, and to be reported.
#[test]
fn pgo_012_w01_bad() {
    assert_eq!(Bad as u8, 1);
    assert_eq!(Bad.effect(), Effect { clean: true, lost: true, ..NOTHING });
    let t = tally(&[Bad, Bad], 0);
    assert_eq!((t.written, t.lost), (0, 2));
}

#[test]
fn pgo_013_fail() {
    assert_eq!(Fail as u8, 2);
    assert_eq!(Fail.effect(), Effect { activate: true, ..NOTHING });
    assert_eq!(tally(&[Fail], 0).written, 0);
}

#[test]
fn pgo_014_pend() {
    assert_eq!(Pend as u8, 3);
    assert_eq!(Pend.effect(), Effect { written: true, busy: true, ..NOTHING });
    let t = tally(&[Pend, Pend], 0);
    assert_eq!((t.written, t.in_progress), (2, 2));
}

#[test]
fn pgo_015_error() {
    assert_eq!(Error as u8, 4);
    assert_eq!(Error.effect(), Fail.effect());
    assert!(tally(&[Error], 0).error);
}

#[test]
fn pgo_016_again() {
    assert_eq!(Again as u8, 5);
    assert_eq!(Again.effect(), NOTHING);
    let t = tally(&[Ok, Ok, Again, Ok], 0);
    assert_eq!((t.written, t.run_len), (3, 2));
}

#[test]
fn pgo_154_count() {
    assert_eq!(tally(&[Ok, Pend, Bad, Fail, Error, Again], 0).written, 2);
}

#[test]
fn pgo_155_what_stays_in_progress() {
    assert_eq!(tally(&[Ok, Pend, Bad, Fail, Pend, Error, Again, Pend], 0).in_progress, 3);
}

#[test]
fn pgo_156_run_length() {
    assert_eq!(tally(&[Ok, Ok, Ok, Ok, Again, Again], 2).run_len, 2);
    assert_eq!(tally(&[Ok, Again, Ok, Ok, Ok, Ok], 2).run_len, 4);
    assert_eq!(tally(&[Ok; 6], 2).run_len, 4);
    assert_eq!(tally(&[Ok; 6], 7).run_len, 0);
    assert_eq!(tally(&[], 0).run_len, 0);
}

#[test]
fn pgo_157_error_within_the_run() {
    assert!(!tally(&[Ok, Ok, Again, Error], 0).error);
    assert!(tally(&[Ok, Error, Again, Ok], 0).error);
    assert!(tally(&[Ok, Fail], 0).error);
    assert!(!tally(&[Error, Ok, Ok], 1).error);
}

#[test]
fn pgo_158_in_order() {
    // The same statuses in another order: an error before the first AGAIN counts, one behind it does not.
    assert!(tally(&[Error, Again], 0).error);
    assert!(!tally(&[Again, Error], 0).error);
}

#[test]
fn codes_from_outside_are_checked() {
    for code in 0..=u8::MAX {
        assert_eq!(PutStatus::from_code(code).map(|s| s as u8), (code < 6).then_some(code));
    }
}
