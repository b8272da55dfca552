// SPDX-License-Identifier: BSD-2-Clause
//! Pipes as their users see them, and random use against a naive model.

use ebb_pipe::limits::{ATOMIC, BLOCK, PIPES, SHARED_BLOCKS, WAITING};
use ebb_pipe::{Answer, Pipes};
use ebb_proto::Error;
use ebb_proto::pipe::{CAPACITY, End, MAX_IO};
use proptest::prelude::*;
use std::collections::{BTreeMap, VecDeque};

const A: u32 = 10;
const B: u32 = 11;
/// As much as comes in one answer.
const MOST: u32 = MAX_IO as u32;

/// The answers so far, after a check of everything.
fn done(pipes: &mut Pipes<u32>) -> Vec<(u32, Answer)> {
    pipes.check().expect("consistent");
    pipes.take_done()
}

fn got(bytes: &[u8]) -> Answer {
    Answer::Got(Ok(bytes.to_vec()))
}

fn wrote(count: usize) -> Answer {
    Answer::Wrote(Ok(count as u32))
}

/// A pipe whose read end `B` has and whose write end `A` has.
fn between(pipes: &mut Pipes<u32>) -> u32 {
    let p = pipes.create(A).unwrap();
    pipes.share(p, End::Read, A, B).unwrap();
    pipes.close(A, p, End::Read).unwrap();
    p
}

#[test]
fn a_reader_waits_for_bytes_and_gets_what_there_is() {
    let mut pipes = Pipes::default();
    let p = between(&mut pipes);
    pipes.read(B, p, MOST, 1);
    assert_eq!(done(&mut pipes), []);
    pipes.write(A, p, b"one", 2);
    assert_eq!(done(&mut pipes), [(2, wrote(3)), (1, got(b"one"))]);
    pipes.write(A, p, b"two", 3);
    pipes.write(A, p, b"three", 4);
    pipes.read(B, p, MOST, 5);
    assert_eq!(done(&mut pipes), [(3, wrote(3)), (4, wrote(5)), (5, got(b"twothree"))]);
}

#[test]
fn a_reader_takes_no_more_than_it_wants() {
    let mut pipes = Pipes::default();
    let p = between(&mut pipes);
    pipes.write(A, p, b"line\nnext", 1);
    pipes.read(B, p, 1, 2);
    pipes.read(B, p, 4, 3);
    // Nothing would look like the end.
    pipes.read(B, p, 0, 4);
    pipes.read(B, p, u32::MAX, 5);
    let answers = [(1, wrote(9)), (2, got(b"l")), (3, got(b"ine\n")), (4, got(b"n")), (5, got(b"ext"))];
    assert_eq!(done(&mut pipes), answers);
}

#[test]
fn a_writer_can_ask_whether_somebody_waits() {
    let mut pipes = Pipes::default();
    let p = between(&mut pipes);
    assert_eq!(pipes.wanted(A, p), Ok(false));
    pipes.read(B, p, MOST, 1);
    assert_eq!(pipes.wanted(A, p), Ok(true));
    pipes.write(A, p, b"line", 2);
    assert_eq!(pipes.wanted(A, p), Ok(false));
    assert_eq!((pipes.wanted(B, p), pipes.wanted(A, p + 1)), (Err(Error::BadFile), Err(Error::BadFile)));
    done(&mut pipes);
}

#[test]
fn a_writer_waits_for_room() {
    let mut pipes = Pipes::default();
    let p = between(&mut pipes);
    let mut put = 0;
    for n in 0..5 {
        pipes.write(A, p, &[n as u8; MAX_IO], n);
        put += done(&mut pipes)
            .iter()
            .map(|(_, a)| if let Answer::Wrote(Ok(n)) = a { *n } else { 0 })
            .sum::<u32>();
    }
    assert_eq!(put as usize, CAPACITY);
    pipes.write(A, p, &[9; MAX_IO], 5);
    assert_eq!(done(&mut pipes), []);
    pipes.read(B, p, MOST, 6);
    assert_eq!(done(&mut pipes), [(6, got(&[0; MAX_IO])), (5, wrote(MAX_IO))]);
}

#[test]
fn the_end_of_the_last_writer_is_the_end_of_the_bytes() {
    let mut pipes = Pipes::default();
    let p = between(&mut pipes);
    pipes.share(p, End::Write, A, B).unwrap();
    pipes.write(A, p, b"last", 1);
    pipes.close(A, p, End::Write).unwrap();
    pipes.read(B, p, MOST, 2);
    assert_eq!(done(&mut pipes), [(1, wrote(4)), (2, got(b"last"))]);
    pipes.read(B, p, MOST, 3);
    assert_eq!(done(&mut pipes), [], "B can still write");
    pipes.close(B, p, End::Write).unwrap();
    assert_eq!(done(&mut pipes), [(3, got(b""))]);
    pipes.read(B, p, MOST, 4);
    assert_eq!(done(&mut pipes), [(4, got(b""))]);
    pipes.close(B, p, End::Read).unwrap();
    assert!(pipes.is_empty());
}

#[test]
fn a_copy_of_a_space_has_its_ends_as_often_and_each_is_closed_by_itself() {
    let mut pipes = Pipes::default();
    const COPY: u32 = 12;
    let (p, q) = (between(&mut pipes), pipes.create(A).unwrap());
    pipes.share(p, End::Write, A, A).unwrap();
    pipes.inherit(A, COPY).unwrap();
    // Of what A has, and of nothing else.
    pipes.read(COPY, p, MOST, 1);
    assert_eq!(done(&mut pipes), [(1, Answer::Got(Err(Error::BadFile)))]);
    pipes.write(COPY, p, b"x", 2);
    pipes.read(B, p, MOST, 3);
    assert_eq!(done(&mut pipes), [(2, wrote(1)), (3, got(b"x"))]);
    pipes.gone(A);
    pipes.read(B, p, MOST, 4);
    pipes.close(COPY, p, End::Write).unwrap();
    assert_eq!(done(&mut pipes), [], "it has the end twice");
    pipes.close(COPY, p, End::Write).unwrap();
    assert_eq!(done(&mut pipes), [(4, got(b""))]);
    for end in [End::Read, End::Write] {
        pipes.close(COPY, q, end).unwrap();
    }
    // Of one that has nothing, and for one that has something already.
    pipes.inherit(COPY, A).unwrap();
    let r = pipes.create(A).unwrap();
    pipes.share(r, End::Read, A, COPY).unwrap();
    assert_eq!(pipes.inherit(A, COPY), Err(Error::NoMemory));
    pipes.gone(A);
    pipes.gone(B);
    pipes.gone(COPY);
    assert!(pipes.is_empty());
}

#[test]
fn nobody_who_reads_breaks_the_pipe_for_who_waits_and_who_comes() {
    let mut pipes = Pipes::default();
    let p = between(&mut pipes);
    for n in 0..6 {
        pipes.write(A, p, &[0; MAX_IO], n);
    }
    done(&mut pipes);
    pipes.gone(B);
    assert_eq!(done(&mut pipes), [(5, Answer::Wrote(Err(Error::BrokenPipe)))]);
    pipes.write(A, p, &[0], 7);
    assert_eq!(done(&mut pipes), [(7, Answer::Wrote(Err(Error::BrokenPipe)))]);
    pipes.close(A, p, End::Write).unwrap();
    assert!(pipes.is_empty());
}

#[test]
fn an_end_belongs_to_its_space_as_often_as_it_was_given() {
    let mut pipes: Pipes<u32> = Pipes::default();
    let p = pipes.create(A).unwrap();
    assert_eq!(pipes.close(B, p, End::Read), Err(Error::BadFile));
    assert_eq!(pipes.share(p, End::Read, B, B), Err(Error::BadFile));
    pipes.share(p, End::Read, A, A).unwrap();
    pipes.close(A, p, End::Read).unwrap();
    pipes.close(A, p, End::Read).unwrap();
    assert_eq!(pipes.close(A, p, End::Read), Err(Error::BadFile));
    pipes.read(A, p, MOST, 1);
    pipes.write(B, p, &[1], 2);
    let bad = [(1, Answer::Got(Err(Error::BadFile))), (2, Answer::Wrote(Err(Error::BadFile)))];
    assert_eq!(done(&mut pipes), bad);
    assert_eq!(pipes.close(A, 77, End::Read), Err(Error::BadFile));
}

#[test]
fn who_gives_up_its_end_does_not_wait_for_it() {
    let mut pipes = Pipes::default();
    let p = pipes.create(A).unwrap();
    pipes.read(A, p, MOST, 1);
    pipes.close(A, p, End::Read).unwrap();
    assert_eq!(done(&mut pipes), [(1, Answer::Got(Err(Error::BadFile)))]);
}

#[test]
fn calls_of_a_space_that_is_gone_are_forgotten() {
    let mut pipes = Pipes::default();
    let p = between(&mut pipes);
    pipes.share(p, End::Read, B, A).unwrap();
    pipes.read(B, p, MOST, 1);
    pipes.gone(B);
    pipes.write(A, p, b"x", 2);
    pipes.read(A, p, MOST, 3);
    assert_eq!(done(&mut pipes), [(2, wrote(1)), (3, got(b"x"))]);
}

#[test]
fn short_writes_are_not_mixed() {
    let mut pipes = Pipes::default();
    let p = between(&mut pipes);
    pipes.write(A, p, &[0; CAPACITY], 0);
    let mut full = MAX_IO;
    while full + MAX_IO < CAPACITY {
        pipes.write(A, p, &[0; MAX_IO], 0);
        full += MAX_IO;
    }
    pipes.write(A, p, &vec![0; CAPACITY - full - 100], 0);
    done(&mut pipes);
    pipes.write(A, p, &[1; ATOMIC], 1);
    pipes.write(A, p, &[2; 50], 2);
    assert_eq!(done(&mut pipes), [], "100 bytes of room take neither the first nor, before it, the second");
    pipes.read(B, p, MOST, 3);
    let answers = done(&mut pipes);
    assert_eq!(answers[1..], [(1, wrote(ATOMIC)), (2, wrote(50))]);
}

#[test]
fn an_empty_write_takes_nothing_and_a_long_one_what_a_message_has() {
    let mut pipes = Pipes::default();
    let p = between(&mut pipes);
    pipes.write(A, p, &[], 1);
    pipes.write(A, p, &[7; 5000], 2);
    assert_eq!(done(&mut pipes), [(1, wrote(0)), (2, wrote(MAX_IO))]);
}

#[test]
fn every_pipe_moves_however_many_are_full() {
    let mut pipes = Pipes::default();
    let all: Vec<u32> = (0..PIPES).map(|_| between(&mut pipes)).collect();
    assert_eq!(pipes.create(A), Err(Error::TooManyFiles));
    let mut taken = 0;
    for (n, p) in all.iter().enumerate() {
        for _ in 0..CAPACITY / MAX_IO + 1 {
            pipes.write(A, *p, &[n as u8; MAX_IO], 0);
        }
        taken += done(&mut pipes)
            .iter()
            .map(|(_, a)| if let Answer::Wrote(Ok(n)) = a { *n } else { 0 })
            .sum::<u32>();
        // What could not be taken waits, or was refused.
        assert!(taken as usize >= (n + 1) * BLOCK);
    }
    assert_eq!(taken as usize, (PIPES + SHARED_BLOCKS) * BLOCK);
    for (n, p) in all.iter().enumerate() {
        pipes.read(B, *p, MOST, 1);
        let Some((1, Answer::Got(Ok(bytes)))) = done(&mut pipes).into_iter().find(|(t, _)| *t == 1) else {
            panic!()
        };
        assert!(bytes.len() >= BLOCK && bytes.iter().all(|b| *b == n as u8));
    }
}

#[test]
fn too_many_do_not_wait() {
    let mut pipes = Pipes::default();
    let (p, q) = (between(&mut pipes), between(&mut pipes));
    for n in 0..WAITING as u32 {
        pipes.read(B, p, MOST, n);
    }
    assert_eq!(done(&mut pipes), []);
    pipes.read(B, p, MOST, 1000);
    assert_eq!(done(&mut pipes), [(1000, Answer::Got(Err(Error::NoMemory)))]);
    // Who need not wait is served all the same.
    pipes.write(A, q, &[1], 1001);
    pipes.read(B, q, MOST, 1002);
    assert_eq!(done(&mut pipes), [(1001, wrote(1)), (1002, got(&[1]))]);
}

#[derive(Clone, Debug)]
enum Step {
    Create(u32),
    Read(u32, usize),
    Write(u32, usize, usize),
    Close(u32, usize, bool),
    Share(usize, bool, u32, u32),
    Gone(u32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let space = 1..5u32;
    let size = prop_oneof![0..10usize, 400..600usize, 3000..MAX_IO + 1];
    let step = prop_oneof![
        1 => space.clone().prop_map(Step::Create),
        6 => (space.clone(), 0..4usize).prop_map(|(s, p)| Step::Read(s, p)),
        6 => (space.clone(), 0..4usize, size).prop_map(|(s, p, n)| Step::Write(s, p, n)),
        1 => (space.clone(), 0..4usize, any::<bool>()).prop_map(|(s, p, e)| Step::Close(s, p, e)),
        2 => (0..4usize, any::<bool>(), space.clone(), space.clone()).prop_map(|(p, e, f, t)| Step::Share(p, e, f, t)),
        1 => space.prop_map(Step::Gone),
    ];
    prop::collection::vec(step, 1..300)
}

/// What a call that was made must become.
enum Asked {
    Read(u32),
    Write(u32, Vec<u8>),
}

/// A naive pipe: how often each space has each end, and all bytes that were taken and not yet brought.
#[derive(Default)]
struct Naive {
    ends: BTreeMap<(u32, bool), u32>,
    bytes: VecDeque<u8>,
}

impl Naive {
    fn has(&self, space: u32, write: bool) -> bool {
        self.ends.get(&(space, write)).is_some_and(|n| *n > 0)
    }
    fn open(&self, write: bool) -> bool {
        self.ends.iter().any(|((_, w), n)| *w == write && *n > 0)
    }
}

fn end(write: bool) -> End {
    if write { End::Write } else { End::Read }
}

proptest! {
    #[test]
    fn random_use_loses_no_byte_and_no_call(steps in steps()) {
        let mut pipes = Pipes::default();
        let mut numbers: Vec<u32> = Vec::new();
        let mut naive: BTreeMap<u32, Naive> = BTreeMap::new();
        let mut asked: BTreeMap<u32, (u32, Asked)> = BTreeMap::new();
        let mut pattern = 0u8;
        for (token, step) in steps.into_iter().enumerate() {
            let token = token as u32;
            let number = |at: usize| numbers.get(at).copied().unwrap_or(999);
            match step {
                Step::Create(space) if numbers.len() < 4 => {
                    let p = pipes.create(space).unwrap();
                    numbers.push(p);
                    naive.entry(p).or_default().ends.extend([((space, false), 1), ((space, true), 1)]);
                }
                Step::Create(_) => {}
                Step::Read(space, at) => {
                    asked.insert(token, (space, Asked::Read(number(at))));
                    pipes.read(space, number(at), MOST, token);
                }
                Step::Write(space, at, len) => {
                    let bytes: Vec<u8> = (0..len).map(|_| { pattern = pattern.wrapping_mul(5).wrapping_add(3); pattern }).collect();
                    asked.insert(token, (space, Asked::Write(number(at), bytes.clone())));
                    pipes.write(space, number(at), &bytes, token);
                }
                Step::Close(space, at, write) => {
                    let known = naive.get(&number(at)).is_some_and(|n| n.has(space, write));
                    let expected = if known { Ok(()) } else { Err(Error::BadFile) };
                    prop_assert_eq!(pipes.close(space, number(at), end(write)), expected);
                    if known {
                        *naive.get_mut(&number(at)).unwrap().ends.get_mut(&(space, write)).unwrap() -= 1;
                    }
                }
                Step::Share(at, write, from, to) => {
                    let known = naive.get(&number(at)).is_some_and(|n| n.has(from, write));
                    let expected = if known { Ok(()) } else { Err(Error::BadFile) };
                    prop_assert_eq!(pipes.share(number(at), end(write), from, to), expected);
                    if known {
                        *naive.get_mut(&number(at)).unwrap().ends.entry((to, write)).or_default() += 1;
                    }
                }
                Step::Gone(space) => {
                    pipes.gone(space);
                    naive.values_mut().for_each(|n| n.ends.retain(|(s, _), _| *s != space));
                    asked.retain(|_, (s, _)| *s != space);
                }
            }
            prop_assert_eq!(pipes.check(), Ok(()));
            for (token, answer) in pipes.take_done() {
                let Some((space, asked)) = asked.remove(&token) else { panic!("{token} was answered twice, or never asked") };
                match (asked, answer) {
                    (Asked::Read(p), Answer::Got(Ok(bytes))) => {
                        let n = naive.get_mut(&p).expect("a pipe");
                        prop_assert!(n.has(space, false));
                        if bytes.is_empty() {
                            prop_assert!(n.bytes.is_empty() && !n.open(true), "an end that is none");
                        }
                        let there: Vec<u8> = n.bytes.drain(..bytes.len()).collect();
                        prop_assert_eq!(bytes, there);
                    }
                    (Asked::Write(p, bytes), Answer::Wrote(Ok(count))) => {
                        let (n, count) = (naive.get_mut(&p).expect("a pipe"), count as usize);
                        prop_assert!(n.has(space, true) && (n.open(false) || bytes.is_empty()));
                        prop_assert!(count == bytes.len() || (count > 0 && bytes.len() > ATOMIC));
                        n.bytes.extend(&bytes[..count]);
                    }
                    (Asked::Read(p), Answer::Got(Err(Error::BadFile))) => {
                        prop_assert!(!naive.get(&p).is_some_and(|n| n.has(space, false)));
                    }
                    (Asked::Write(p, _), Answer::Wrote(Err(Error::BadFile))) => {
                        prop_assert!(!naive.get(&p).is_some_and(|n| n.has(space, true)));
                    }
                    (Asked::Write(p, _), Answer::Wrote(Err(Error::BrokenPipe))) => {
                        prop_assert!(!naive.get(&p).is_some_and(|n| n.open(false)));
                    }
                    (_, answer) => prop_assert!(false, "{:?}", answer),
                }
            }
            // Bytes that nobody can read any more are gone.
            naive.values_mut().filter(|n| !n.open(false)).for_each(|n| n.bytes.clear());
            naive.retain(|_, n| n.open(false) || n.open(true));
            numbers.retain(|n| naive.contains_key(n));
            prop_assert_eq!(pipes.len(), naive.len());
            // Whoever still waits has a reason.
            for (_, asked) in asked.values() {
                match asked {
                    Asked::Read(p) => prop_assert!(naive[p].bytes.is_empty() && naive[p].open(true)),
                    Asked::Write(p, _) => prop_assert!(!naive[p].bytes.is_empty() && naive[p].open(false)),
                }
            }
        }
    }
}
