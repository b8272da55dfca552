// SPDX-License-Identifier: BSD-2-Clause
//! Random texts through the tools and through the host's, and against naive models.

mod host;

use host::{Folder, run};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use std::io::Write;
use std::process::{Command, Stdio};

fn theirs(folder: &Folder, args: &[&str], stdin: &[u8]) -> (u8, Vec<u8>) {
    let mut child = Command::new(args[0])
        .args(&args[1..])
        .current_dir(&folder.0)
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // A tool need not read everything, and these inputs fit a pipe.
    let _ = child.stdin.take().unwrap().write_all(stdin);
    let out = child.wait_with_output().unwrap();
    (out.status.code().unwrap() as u8, out.stdout)
}

/// Few letters, so that lines are equal, begin alike, and have fields, numbers and empty lines.
fn text() -> impl Strategy<Value = String> {
    "([ab:\\.\\-0-9 \tAK]{0,9}\n){0,60}[ab1]{0,3}"
}

fn check(line: &str, stdin: &[u8], files: &[(&str, &[u8])]) -> Result<(), TestCaseError> {
    let folder = Folder::new();
    for (name, bytes) in files {
        folder.write(name, bytes);
    }
    let words: Vec<&str> = line.split(' ').collect();
    let ours = run(&folder.0, words[0], &words[1..], stdin);
    let (status, out) = theirs(&folder, &words, stdin);
    let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    prop_assert_eq!(shown(&ours.out), shown(&out), "{} {}", line, ours.err);
    prop_assert_eq!(ours.status, status, "{} {}", line, ours.err);
    Ok(())
}

proptest! {
    // The same texts each time: what the host's tools make of the corners of their languages is theirs to decide.
    #![proptest_config(ProptestConfig { cases: 150, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sort(text in text(), flags in "-[nrufbdsz]{1,4}", key in prop::option::of("[1-3](\\.[1-3])?[bnrfd]{0,2}(,[1-3](\\.[0-3])?[bnr]{0,2})?"), by in prop::option::of(Just("-t:"))) {
        prop_assume!(!(flags.contains('n') && flags.contains('d')));
        let key = key.filter(|k| !(k.contains('n') && k.contains('d') || k.contains('d') && flags.contains('n')));
        let mut line = format!("sort -S 64b {flags}");
        if let Some(by) = by {
            line += &format!(" {by}");
        }
        if let Some(key) = key {
            line += &format!(" -k{key}");
        }
        check(&line, text.as_bytes(), &[])?;
        // In one run as well.
        check(&line.replace(" -S 64b", ""), text.as_bytes(), &[])?;
    }

    #[test]
    fn sorted_and_checked(text in text(), other in text()) {
        let files = [("a", text.as_bytes()), ("b", other.as_bytes())];
        for line in ["sort -S 64b a b", "sort -S 64b -u a b", "sort -m a b", "sort -c a", "sort -C a", "sort -cu a", "sort -cn a", "sort -mu a b"] {
            check(line, b"", &files)?;
        }
    }

    #[test]
    fn bytes_of_all_kinds(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        for line in ["sort -S 64b", "sort -r -S 64b", "uniq", "head -n 3", "tail -n 3", "head -c -7", "tail -c 9", "cat -A", "od -c", "od -tx1z", "wc -lc", "sha256sum", "head -n -2", "tail -n +2"] {
            check(line, &bytes, &[])?;
        }
    }

    #[test]
    fn lines(text in text(), n in 0u32..9, flags in "[cdiu]{0,3}") {
        let files = [("a", text.as_bytes())];
        for line in [format!("head -n {n} a"), format!("head -n -{n} a"), format!("tail -n {n} a"), format!("tail -n +{n} a"), format!("head -c {n}"), format!("tail -c {n}"), format!("tail -n {n}"), "wc a".into(), "wc -L a".into(), format!("uniq -{flags}w{n} a"), format!("uniq -f{n} a"), format!("uniq -s{n} a")] {
            check(&line, text.as_bytes(), &files)?;
        }
    }

    #[test]
    fn differences(a in prop::collection::vec(any::<u8>(), 0..200), change in 0usize..220, cut in 0usize..220, value: u8) {
        let mut b = a.clone();
        if let Some(byte) = b.get_mut(change) {
            *byte = value;
        }
        b.truncate(cut);
        for line in ["cmp a b", "cmp -l a b", "cmp -s a b", "cmp -b a b", "cmp -n 50 a b", "cmp -i 9 a b"] {
            check(line, b"", &[("a", &a), ("b", &b)])?;
        }
    }

    #[test]
    fn matching(text in text(), pattern in "[ab:\\.0-9]{1,3}", flags in "[ivncxwo]{0,3}") {
        let line = format!("grep -F{flags} -e {pattern}");
        check(&line, text.as_bytes(), &[])?;
    }

    #[test]
    fn expressions(text in text(), pattern in "(\\^|([ab\\.1]|\\[ab\\]|\\[\\^a\\]|\\(a\\|b\\)|\\(ab\\))([\\*\\+\\?]|\\{1,2\\})?)([ab\\.1]|\\[0-9\\]|\\(b\\|ab\\|\\))[\\*\\+\\?]?[a\\$]?", flags in "[ivncxwo]{0,2}") {
        check(&format!("grep -E{flags} -e {pattern}"), text.as_bytes(), &[])?;
        check(&format!("grep -G{flags} -e {pattern}"), text.as_bytes(), &[])?;
    }

    #[test]
    fn counting(first in 1i32..60, step in 1i32..9, last in 1i32..60, decimals in 0usize..3, wide: bool, below: bool) {
        // Not across zero, which the host's tool shows as -0.0 where its sums are a little below it.
        let sign = if below { -1 } else { 1 };
        let number = |n: i32| format!("{:.*}", decimals, f64::from(n) / 10f64.powi(decimals as i32));
        let flag = if wide { " -w" } else { "" };
        for step in [step, -step] {
            check(&format!("seq{flag} {} {} {}", number(first * sign), number(step), number(last * sign)), b"", &[])?;
        }
    }
}
