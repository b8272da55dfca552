// SPDX-License-Identifier: BSD-2-Clause
//! The tools against those of the host, byte by byte: standard output and status.

mod host;

use host::{Folder, run};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// What the host's tool does.
fn theirs(folder: &Path, name: &str, args: &[&str], stdin: &[u8]) -> (u8, Vec<u8>, String) {
    let mut child = Command::new(name)
        .args(args)
        .current_dir(folder)
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("the host's {name}: {error}"));
    let mut input = child.stdin.take().unwrap();
    let bytes = stdin.to_vec();
    // A tool need not read everything.
    let writer = std::thread::spawn(move || drop(input.write_all(&bytes)));
    let out = child.wait_with_output().unwrap();
    writer.join().unwrap();
    (out.status.code().unwrap_or(141) as u8, out.stdout, String::from_utf8_lossy(&out.stderr).into_owned())
}

fn same(folder: &Path, line: &str, stdin: &[u8]) {
    if let Err(problem) = compare(folder, line, stdin) {
        panic!("{problem}");
    }
}

/// Runs a line (words are separated by one blank, `_` is a blank in a word) with our tool and with the host's.
fn compare(folder: &Path, line: &str, stdin: &[u8]) -> Result<(), String> {
    let words: Vec<String> = line.split(' ').map(|w| w.replace('_', " ")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let ours = run(folder, words[0], &words[1..], stdin);
    let (status, out, err) = theirs(folder, words[0], &words[1..], stdin);
    let text = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(2000)]).into_owned();
    if ours.out != out || ours.status != status || ours.err.is_empty() != err.is_empty() {
        return Err(format!(
            "{line}\nours ({}):\n{}\n{}\ntheirs ({status}):\n{}\n{err}\n",
            ours.status,
            text(&ours.out),
            ours.err,
            text(&out),
        ));
    }
    Ok(())
}

/// Words, blanks, empty lines, long lines, bytes of all kinds, and files without a last line's end.
fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("empty", b"");
    folder.write("one", b"one line\n");
    folder.write("open", b"no end");
    folder.write("text", b"The quick brown\nfox  jumps\tover\n\n\n\nthe lazy dog\nthe lazy dog\nThe Lazy Dog\n  indented\n\tline\n\n");
    folder.write("text2", b"the quick brown\nfox  jumps\tover\n\n\n\nthe lazy dog\nthe lazy cat\nThe Lazy Dog\n  indented\n\tline\nand more\n");
    let numbers: String = (0..500u64).map(|n| format!("{} {}\n", n * 7919 % 503, n % 7)).collect();
    folder.write("numbers", numbers.as_bytes());
    let mixed = "10\n9\n-3\n+4\n1.5\n1.25\n 8\n\nabc\n0x10\n-0\n0\n1e3\n007\n1,000\n-3.5\n--2\n.5\n-.5\n10K\n2M\n1G\n900K\n5k\n-1M\n";
    folder.write("mixed", mixed.as_bytes());
    folder.write("fields", b"b:3:x\na:10:y\nc:3:a\n:2:\na:9:y\nb:3\n\nd\na:10:b\n a:1:z\n");
    folder.write("months", b"feb 3\nJAN 1\n dec 9\nxxx\nMarch 2\nfeb 1\n\n");
    let binary: Vec<u8> = (0..200_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    folder.write("binary", &binary);
    let mut other = binary.clone();
    other[100_000] ^= 1;
    other[150_000] ^= 0x80;
    folder.write("binary2", &other);
    folder.write("shorter", &binary[..100_000]);
    let long: String =
        (0..3000).map(|n| format!("{n}\n")).chain(["x".repeat(200_000), "\nend\n".into()]).collect();
    folder.write("long", long.as_bytes());
    folder.write("zeroes", b"b\0a\0c\0a");
    folder.write("nl\\name", b"named\n");
    folder
}

fn all(lines: &[&str]) {
    let folder = folder();
    let stdin = folder.read("text");
    let problems: Vec<String> =
        lines.iter().filter_map(|line| compare(&folder.0, line, &stdin).err()).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn cat() {
    all(&[
        "cat",
        "cat -",
        "cat text - one",
        "cat open text",
        "cat -n open text",
        "cat -b text",
        "cat -s text",
        "cat -nbs text open",
        "cat -E text",
        "cat -T text",
        "cat -A text binary",
        "cat -v binary",
        "cat -et text",
        "cat empty",
        "cat missing text",
        "cat . text",
        "cat -u binary long",
        "cat -x",
        "cat -- text",
        "cat --number text",
        "cat --bogus",
    ]);
}

#[test]
fn head() {
    all(&[
        "head text",
        "head",
        "head -n 3 text open",
        "head -n3 text",
        "head -3 text",
        "head -n -3 text",
        "head -n 0 text",
        "head -c 5 text",
        "head -c -5 text",
        "head -c 1K binary",
        "head -c 100000 binary long",
        "head -qn1 text text2",
        "head -v text",
        "head missing text",
        "head -n x text",
        "head -n -0 open",
        "head -c -0 binary",
        "head -z -n 2 zeroes",
        "head -n 5000 long",
        "head -n -1 long",
        "head -c -150000 binary",
        "head --lines=2 text",
        "head --bytes 3 text",
        "head empty open",
        "head -n -7",
        "head -c -7",
    ]);
}

#[test]
fn tail() {
    all(&[
        "tail text",
        "tail",
        "tail -n 3 text open",
        "tail -n3 text",
        "tail -3 text",
        "tail -n +3 text",
        "tail -n 0 text",
        "tail -c 5 text",
        "tail -c +5 text",
        "tail -c 1K binary",
        "tail -c 100000 binary long",
        "tail -qn1 text text2",
        "tail -v text",
        "tail missing text",
        "tail -n x text",
        "tail -n +0 open",
        "tail -c +0 binary",
        "tail -c 0 binary",
        "tail -z -n 2 zeroes",
        "tail -n 5000 long",
        "tail -n 1 long",
        "tail -n 2 long",
        "tail -n 3 long",
        "tail -n +99999999 text",
        "tail -c +150000 binary",
        "tail -n 1 open",
        "tail -n 700 binary",
        "tail empty open",
        "tail -n 2",
        "tail -c 9",
        "tail -n +2",
        "tail -c +9",
        "tail -n 0",
        "tail -n +1 long",
        "tail -n +2500 long",
    ]);
}

#[test]
fn wc() {
    all(&[
        "wc text",
        "wc",
        "wc -",
        "wc -l text",
        "wc -w text",
        "wc -c binary",
        "wc -m text",
        "wc -L text",
        "wc -lw text text2",
        "wc empty",
        "wc open one",
        "wc text missing one",
        "wc -lwcmL text long",
        "wc -l long binary",
        "wc -c",
        "wc -l < text",
        "wc - text",
        "wc -q",
        "wc --lines text",
    ]);
}

#[test]
fn tee() {
    let folder = folder();
    let text = folder.read("text");
    same(&folder.0, "tee a b", &text);
    assert_eq!(folder.read("a"), text);
    same(&folder.0, "tee -a a", b"more");
    assert!(folder.read("a").starts_with(&text) && folder.read("a").ends_with(b"moremore"));
    same(&folder.0, "tee missing/x b", b"x");
    assert_eq!(folder.read("b"), b"x");
}

#[test]
fn uniq() {
    all(&[
        "uniq text",
        "uniq",
        "uniq -c text",
        "uniq -d text",
        "uniq -u text",
        "uniq -D text",
        "uniq -i text",
        "uniq -ci text",
        "uniq -f 1 numbers",
        "uniq -cf1 numbers",
        "uniq -s 2 text",
        "uniq -w 3 text",
        "uniq -w 0 text",
        "uniq -f1 -s1 -w2 text2",
        "uniq open",
        "uniq empty",
        "uniq -cd text",
        "uniq -cu text",
        "uniq -du text",
        "uniq -z zeroes",
        "uniq missing",
        "uniq a b c",
        "uniq -f x",
        "uniq -c long",
        "uniq -Di text",
    ]);
    let folder = folder();
    same(&folder.0, "uniq text out", b"");
    let theirs = folder.read("out");
    run(&folder.0, "uniq", &["text", "out"], b"");
    assert_eq!(folder.read("out"), theirs);
}

#[test]
fn cmp() {
    all(&[
        "cmp text text",
        "cmp text text2",
        "cmp text",
        "cmp text -",
        "cmp binary binary2",
        "cmp -l binary binary2",
        "cmp -s binary binary2",
        "cmp -b text text2",
        "cmp -lb text text2",
        "cmp binary shorter",
        "cmp shorter binary",
        "cmp -l shorter binary2",
        "cmp -s shorter binary",
        "cmp empty text",
        "cmp text empty",
        "cmp empty empty",
        "cmp -n 100000 binary shorter",
        "cmp -n 3 text text2",
        "cmp -i 1 text text2",
        "cmp -i 1:2 text text2",
        "cmp text text2 1 1",
        "cmp missing text",
        "cmp -s missing text",
        "cmp",
        "cmp a b c d e",
        "cmp -n x a b",
        "cmp open one",
        "cmp -i 100000 binary binary2",
        "cmp -l text2 text",
    ]);
}

#[test]
fn sha256sum() {
    all(&[
        "sha256sum text binary empty",
        "sha256sum",
        "sha256sum -b text -",
        "sha256sum missing text",
        "sha256sum nl\\name",
        "sha256sum -t text",
    ]);
    let folder = folder();
    let (_, mut sums, _) = theirs(&folder.0, "sha256sum", &["text", "binary", "nl\\name"], b"");
    folder.write("sums", &sums);
    for line in [
        "sha256sum -c sums",
        "sha256sum -c --quiet sums",
        "sha256sum -c --status sums",
        "sha256sum --check sums",
    ] {
        same(&folder.0, line, b"");
    }
    sums.extend_from_slice(
        &[b"0".repeat(64), b"  text\nnonsense\n".to_vec(), b"1".repeat(64), b"  missing\n".to_vec()].concat(),
    );
    folder.write("sums", &sums);
    folder.write("nosums", b"nothing\n");
    for line in [
        "sha256sum -c sums",
        "sha256sum -c --quiet sums",
        "sha256sum -c --status sums",
        "sha256sum -c --strict sums",
        "sha256sum -cw sums",
        "sha256sum -c --ignore-missing sums",
        "sha256sum -c nosums",
        "sha256sum -c missing",
    ] {
        same(&folder.0, line, b"");
    }
}

#[test]
fn seq() {
    all(&[
        "seq 5",
        "seq 0",
        "seq 3 7",
        "seq 7 3",
        "seq 7 -1 3",
        "seq 1 0.5 3",
        "seq 0.1 0.1 1",
        "seq -w 8 11",
        "seq -s , 5",
        "seq -s, 1",
        "seq -w -5 5",
        "seq -5 -1",
        "seq -w 1 0.25 2",
        "seq -f %05.1f 3",
        "seq -f x%gy 1 0.5 3",
        "seq -f %f 2",
        "seq 1.0 3",
        "seq 1 3.5",
        "seq",
        "seq 1 0 3",
        "seq x",
        "seq 1 2 3 4",
        "seq -w 1 10.5",
        "seq -w 1 0.5 10",
        "seq 10 -3 -10",
        "seq -- -3 3",
        "seq 1 1000",
        "seq -f bad 3",
        "seq -f %g%g 3",
        "seq -f %5g| 9 11",
        "seq -f %-5g| 9 11",
        "seq 1 .25 2",
        "seq 0 0.3 1",
        "seq -w -1 0.5 1",
        "seq 9999999999 10000000001",
    ]);
}

#[test]
fn sort() {
    let files = [
        "text",
        "numbers",
        "mixed",
        "fields",
        "months",
        "binary",
        "long",
        "open",
        "empty",
        "open text one",
        "-",
        "",
    ];
    let options = [
        "",
        "-r",
        "-n",
        "-u",
        "-nr",
        "-nu",
        "-f",
        "-fu",
        "-b",
        "-d",
        "-i",
        "-df",
        "-s",
        "-h",
        "-hr",
        "-M",
        "-k2",
        "-k2n",
        "-k2,2n",
        "-k1,1n -k2,2r",
        "-k2nr -s",
        "-t: -k2",
        "-t: -k2,2n",
        "-t: -k2,2n -k1,1",
        "-t: -k3",
        "-t: -k1.2,2.1",
        "-k1.2",
        "-k1.2,1.3",
        "-bk2.2",
        "-k2b,2b",
        "-k2.1b,3.2b",
        "-u -k1,1",
        "-t: -uk1,1",
        "-t: -k2,2nr -k3,3r -r",
        "-rs",
        "-run",
        "-k1,1f -k2n",
        "-z",
        "-t_ -k2n",
        "-k2.2,2.0",
        "-k4",
        "-nk2.1",
        "-rk2,2n",
        "-k3,1",
        "-c",
        "-C",
        "-cu",
        "-m",
    ];
    let folder = folder();
    let stdin = folder.read("text2");
    for files in files {
        for options in options {
            if options.contains(['c', 'C']) && files.contains("open text") {
                continue;
            }
            let line = format!("sort {options} {files}").split_whitespace().collect::<Vec<_>>().join(" ");
            same(&folder.0, &line, &stdin);
        }
    }
    for line in [
        "sort missing",
        "sort text missing",
        "sort -k0 text",
        "sort -k1.0 text",
        "sort -k text",
        "sort -nM text",
        "sort -nd text",
        "sort -t ab text",
        "sort -kx text",
        "sort -c one",
        "sort -c a b",
        "sort .",
        "sort -o . text",
        "sort --reverse text",
        "sort --key=2 numbers",
        "sort -m one open text",
        "sort -mu one one",
    ] {
        same(&folder.0, line, b"");
    }
    let (_, sorted, _) = theirs(&folder.0, "sort", &["numbers"], b"");
    assert_eq!(run(&folder.0, "sort", &["-o", "numbers", "numbers"], b"").status, 0);
    assert_eq!(folder.read("numbers"), sorted);
    assert_eq!(run(&folder.0, "sort", &["-m", "-o", "one", "one", "numbers"], b"").status, 0);
    assert_eq!(folder.read("one").len(), sorted.len() + 9);
}
