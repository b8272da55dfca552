// SPDX-License-Identifier: BSD-2-Clause
//! Tools on text against the host's, byte by byte: standard output and status.

mod host;

use host::compare::{all, folder, same, theirs};
use host::run;

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

#[test]
fn od() {
    all(&[
        "od text",
        "od",
        "od -c text",
        "od -a text",
        "od -b text",
        "od -x text",
        "od -d text",
        "od -A x -t x1 text",
        "od -An -tx1 text",
        "od -Ad -c text",
        "od -t x1z text",
        "od -t x1 -t c text",
        "od -t x2 -t x4 -t x8 -t d1 text",
        "od -tx1z -tdS binary",
        "od -t u8 text",
        "od -t d4 text",
        "od -t o4 text",
        "od -to8 text",
        "od -tc -ta text",
        "od -j 5 text",
        "od -N 7 text",
        "od -j5 -N7 -c text",
        "od -j 0x10 text",
        "od -w8 text",
        "od -w4 -tx1 text",
        "od -v zeroes long",
        "od long",
        "od -tx1 long one",
        "od -j 9999999 text",
        "od missing text",
        "od -t q text",
        "od -A q text",
        "od -w3 text",
        "od empty",
        "od -i text",
        "od -l text",
        "od -s text",
        "od -o text",
        "od -tcz open",
        "od -j 30 one text",
        "od -N 20 one text",
        "od -tx1 -w3 -tcz text",
        "od -tx4z open",
    ]);
}
