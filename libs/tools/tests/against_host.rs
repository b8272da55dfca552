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
    let text = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(400)]).into_owned();
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

/// Everything below a folder: names, kinds, permissions, contents, targets of links, and who is the same file.
fn tree(folder: &Path) -> Vec<String> {
    use std::os::unix::fs::MetadataExt;
    let mut found = Vec::new();
    let mut inodes: Vec<u64> = Vec::new();
    let mut rest = vec![folder.to_path_buf()];
    while let Some(path) = rest.pop() {
        let data = std::fs::symlink_metadata(&path).unwrap();
        let name = path.strip_prefix(folder).unwrap().display().to_string();
        let contents = if data.is_symlink() {
            format!("-> {}", std::fs::read_link(&path).unwrap().display())
        } else if data.is_dir() {
            let mut below: Vec<_> = std::fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()).collect();
            below.sort();
            rest.extend(below);
            "directory".into()
        } else {
            let same = inodes.iter().position(|i| *i == data.ino()).unwrap_or_else(|| {
                inodes.push(data.ino());
                inodes.len() - 1
            });
            let bytes = std::fs::read(&path).unwrap();
            format!("#{same} {}", String::from_utf8_lossy(&bytes))
        };
        let old = data.mtime() < 1_000_000_000;
        found.push(format!("{name} {:o} {old} {contents}", data.mode()));
    }
    found
}

/// Runs lines one after the other in two equal folders, with our tools and with the host's; the folders stay equal.
fn histories(lines: &[&str], stdin: &[u8]) {
    let prepare = || {
        let folder = Folder::new();
        for script in [
            "mkdir -p d/e/f empty other && echo a > a && echo b > b && echo c > d/c && echo x > d/e/x && ln -s a link && ln -s d dlink && ln -s nowhere dangling",
            "ln a hard && chmod 600 b && chmod 755 d/c && touch -d 1980-01-01 b d/e/x && printf 'The Quick Brown\\nfox' > text && chmod 500 d/e/f",
        ] {
            let done = Command::new("sh").args(["-c", script]).current_dir(&folder.0).status().unwrap();
            assert!(done.success());
        }
        folder
    };
    let (a, b) = (prepare(), prepare());
    let mut problems = Vec::new();
    for line in lines {
        let words: Vec<String> = line.split(' ').map(|w| w.replace('_', " ")).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let ours = run(&a.0, words[0], &words[1..], stdin);
        let (status, out, err) = theirs(&b.0, words[0], &words[1..], stdin);
        let (left, right) = (tree(&a.0), tree(&b.0));
        if ours.status != status || ours.out != out || left != right || ours.err.is_empty() != err.is_empty()
        {
            let only =
                |x: &[String], y: &[String]| x.iter().filter(|l| !y.contains(l)).cloned().collect::<Vec<_>>();
            problems.push(format!(
                "{line}\nours ({}): {}{}\n{:?}\ntheirs ({status}): {}{err}\n{:?}\n",
                ours.status,
                String::from_utf8_lossy(&ours.out),
                ours.err,
                only(&left, &right),
                String::from_utf8_lossy(&out),
                only(&right, &left),
            ));
            break;
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn cp() {
    histories(
        &[
            "cp a new",
            "cp a b",
            "cp missing x",
            "cp a d",
            "cp a b d other",
            "cp d x",
            "cp -r d x",
            "cp -r d x",
            "cp -rp d y",
            "cp -a d dlink link z",
            "cp a missing/x",
            "cp a b",
            "cp a a",
            "cp a hard",
            "cp link copied",
            "cp -P link copied2",
            "cp -r dlink copied3",
            "cp -rL dlink copied4",
            "cp -rH dlink copied5",
            "cp -n b a",
            "cp -u b a",
            "cp -v a vv",
            "cp -rv empty ve",
            "cp a b missing",
            "cp a",
            "cp",
            "cp -t d a b",
            "cp -T a tt",
            "cp -p b bb",
            "cp dangling x2",
            "cp -d dangling x3",
            "cp -r empty a",
            "cp a empty",
            "cp -f a b",
            "cp -x_bad",
            "cp -T -r empty d2",
            "cp -i a b",
        ],
        b"n\n",
    );
}

#[test]
fn a_directory_is_not_copied_into_itself() {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.0.join("d/e")).unwrap();
    folder.write("d/file", b"x");
    let before = tree(&folder.0);
    for target in ["d", "d/e", "d/new", "./d/e/../new", "d/e/new"] {
        let ended = run(&folder.0, "cp", &["-r", "d", target], b"");
        assert_eq!(ended.status, 1, "{target}");
        assert!(ended.err.starts_with("cp: cannot copy a directory, 'd', into itself"), "{}", ended.err);
        assert_eq!(tree(&folder.0), before, "{target}");
    }
    assert_eq!(run(&folder.0, "cp", &["-r", "d", "d2"], b"").status, 0);
}

#[test]
fn mv() {
    histories(
        &[
            "mv a new",
            "mv new b",
            "mv missing x",
            "mv b d",
            "mv text d other",
            "mv other moved",
            "mv d/text .",
            "mv d empty",
            "mv empty/d/e moved",
            "mv -v text tt",
            "mv tt moved text",
            "mv moved moved",
            "mv link link2",
            "mv dlink dl2",
            "mv -n link2 dangling",
            "mv -T moved empty",
            "mv moved moved/sub",
            "mv",
            "mv one",
            "mv -t empty link2",
            "mv -u dangling dl3",
            "mv empty/ last/",
        ],
        b"",
    );
}

#[test]
fn rm() {
    histories(
        &[
            "rm a",
            "rm missing",
            "rm -f missing",
            "rm d",
            "rm -d empty",
            "rm -d d",
            "rm link",
            "rm -r dlink",
            "rm -rv other",
            "rm .",
            "rm -r ..",
            "rm -f",
            "rm",
            "rm -i b",
            "rm -rf d/e x",
            "rm -rf d hard",
            "rm -r b missing text",
            "rm -- dangling",
            "rm -Z",
        ],
        b"n\n",
    );
}

#[test]
fn directories() {
    histories(
        &[
            "mkdir n",
            "mkdir n",
            "mkdir -p n/o/p",
            "mkdir -p n",
            "mkdir a",
            "mkdir -p a/x",
            "mkdir x/y",
            "mkdir -m 700 m",
            "mkdir -m u=rwx,go= m2",
            "mkdir -v v",
            "mkdir -pv v/w/x",
            "mkdir",
            "mkdir -m 9 q",
            "mkdir -p -- q/",
            "rmdir n",
            "rmdir -p n/o/p",
            "rmdir missing",
            "rmdir a",
            "rmdir d",
            "rmdir --ignore-fail-on-non-empty d",
            "rmdir -v m",
            "rmdir -pv v/w/x",
            "rmdir",
            "rmdir empty/",
        ],
        b"",
    );
}

#[test]
fn ln() {
    histories(
        &[
            "ln a l1",
            "ln a l1",
            "ln -f a l1",
            "ln -s a s1",
            "ln -s b s1",
            "ln -sf b s1",
            "ln -s d/c",
            "ln d/c e1 e2",
            "ln a b d",
            "ln -s x y d",
            "ln missing q",
            "ln d dd",
            "ln",
            "ln -sv a sv",
            "ln -sn d ds",
            "ln -sfn other ds",
            "ln -st d qq",
            "ln -sT a tt",
            "ln -v a hh",
            "ln -f b b",
            "ln a missing/x",
        ],
        b"",
    );
}

#[test]
fn attributes() {
    histories(
        &[
            "touch new a",
            "touch -c absent",
            "touch -d 1980-02-03 a",
            "touch -d 1980-02-03_04:05:06 d/e/x",
            "touch -r b text",
            "touch",
            "touch missing/x",
            "touch -d nonsense a",
            "touch -d @1000 a",
            "chmod 600 a",
            "chmod u+x,g=rw,o=r a",
            "chmod -x a",
            "chmod +x a",
            "chmod a=r,u+w a",
            "chmod -R go-rwx d",
            "chmod -R a+X d",
            "chmod 4755 b",
            "chmod u=g b",
            "chmod g+s d",
            "chmod 755 d",
            "chmod missing",
            "chmod 8 a",
            "chmod u+r missing",
            "chmod -v 644 a",
            "chmod +t d",
            "chmod --help_no",
            "truncate -s 5 a",
            "truncate -s +3 a",
            "truncate -s -2 a",
            "truncate -s 1K new",
            "truncate -s <100 new",
            "truncate -s >200 new",
            "truncate -s /64 new",
            "truncate -s %100 new",
            "truncate -c -s 3 absent",
            "truncate -s x a",
            "truncate a",
            "truncate -s 3",
            "truncate -r a b",
            "truncate -s 3 missing/x",
        ],
        b"",
    );
}

#[test]
fn dd() {
    // What is told on standard error differs in its figures of time only.
    histories(
        &[
            "dd if=text bs=4 count=3",
            "dd if=text ibs=7 obs=5 skip=1 count=4",
            "dd if=text of=out bs=3",
            "dd if=a of=out bs=2 seek=3 count=2",
            "dd if=b of=out bs=1 seek=1 count=1 conv=notrunc",
            "dd bs=4 conv=ucase",
            "dd ibs=4 conv=sync",
            "dd conv=swab",
            "dd bs=3 skip=1",
            "dd iflag=count_bytes,skip_bytes count=5 skip=2 if=text",
            "dd if=text conv=lcase,notrunc of=new",
            "dd if=text of=new conv=excl",
            "dd if=text of=absent conv=nocreat",
            "dd if=missing",
            "dd bs=0",
            "dd bs=x",
            "dd nonsense",
            "dd conv=nonsense",
            "dd if=text of=missing/x",
            "dd if=text skip=1000",
            "dd if=text count=0 of=b",
            "dd if=text bs=2x3 count=2",
            "dd if=a oflag=append conv=notrunc of=text",
            "dd if=text obs=5 ibs=2 of=o2 conv=sync,fsync",
            "dd of=out2 seek=2 bs=3",
            "dd if=text of=out3 obs=4 seek=1 oflag=seek_bytes",
        ],
        b"some text",
    );
    let folder = folder();
    let ours = run(&folder.0, "dd", &["if=text", "bs=7", "of=x"], b"").err;
    let (_, _, err) = theirs(&folder.0, "dd", &["if=text", "bs=7", "of=x"], b"");
    assert_eq!(ours.lines().take(2).collect::<Vec<_>>(), err.lines().take(2).collect::<Vec<_>>());
}

#[test]
fn ls() {
    let folder = folder();
    let script = "mkdir -p d/e d/.h && touch -d '2020-01-02 03:04' .hidden d/x d/e/y && touch -d '2026-11-20 10:00' d/z && ln -s text l && ln -s d ld && ln -s no dangling && chmod 755 one && chmod 4700 open && ln text hard && touch -d 2021-05-05 *";
    assert!(Command::new("sh").args(["-c", script]).current_dir(&folder.0).status().unwrap().success());
    let mut problems = Vec::new();
    for line in [
        "ls",
        "ls -a",
        "ls -A",
        "ls -1",
        "ls -l",
        "ls -la",
        "ls -lA d",
        "ls -ld .",
        "ls -d d one",
        "ls -R",
        "ls -lR d",
        "ls -r",
        "ls -t",
        "ls -lt d",
        "ls -S",
        "ls -lSr",
        "ls -lh",
        "ls -s",
        "ls -F",
        "ls -p",
        "ls -n",
        "ls -g",
        "ls -o",
        "ls d one",
        "ls one d text",
        "ls -l ld",
        "ls ld",
        "ls -L",
        "ls -lL ld",
        "ls missing",
        "ls missing one d",
        "ls -C -T0",
        "ls -C -T0 -a d",
        "ls -CFT0",
        "ls -ai d",
        "ls empty",
        "ls -li d",
        "ls -lsh",
        "ls -l l",
        "ls -dl ld",
        "ls dangling",
        "ls -go d",
        "ls --all d",
        "ls -AFd d",
    ] {
        problems.extend(compare(&folder.0, line, b"").err());
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn stat() {
    let folder = folder();
    for line in [
        "stat -c %n:%s:%a:%A:%h:%i:%F:%b:%B text one empty .",
        "stat -c %Y text",
        "stat -c 100%% text",
        "stat missing -c %n",
        "stat",
    ] {
        same(&folder.0, line, b"");
    }
    let shown = String::from_utf8(run(&folder.0, "stat", &["one"], b"").out).unwrap();
    assert!(shown.contains("File: one") && shown.contains("Size: 9") && shown.contains("-rw-"), "{shown}");
}

#[test]
fn env() {
    all(&[
        "env -i A=1 B=2",
        "env -i",
        "env - A=1",
        "env -i A=1 A=2 B=x=y",
        "env -i A=1 -0",
        "env -0i A=1",
        "env -i A=1 /usr/bin/env B=2",
        "env -i /bin/sh -c exit_3",
        "env missing-command",
        "env -i A=1 /missing/x",
        "env -u",
        "env -Q",
        "env -C d",
        "env -i -u A A=1",
        "env -i ./text",
        "env -i /bin/echo -n x",
    ]);
}

#[test]
fn grep() {
    let files = ["text", "text text2", "numbers", "-", "mixed fields open"];
    let options = [
        "the",
        "-i the",
        "-v the",
        "-n the",
        "-c the",
        "-l the",
        "-L the",
        "-q the",
        "-o the",
        "-no [a-z]*",
        "-w the",
        "-x the_lazy_dog",
        "-E the|fox",
        "-F .",
        "-Fi THE",
        "-Fx d",
        "-e the -e fox",
        "^",
        "$",
        "^$",
        "-v ^$",
        "-vn the",
        "-vc the",
        "-io [a-z]*o",
        "-E (a|ab)(c|bcd)*",
        "-oE a|ab|abc|la|laz|lazy",
        "-oE x*",
        "-ob o",
        "-A1 fox",
        "-B1 lazy",
        "-C1 fox",
        "-1n lazy",
        "-n -A2 the",
        "-m1 the",
        "-m2 -c e",
        "-m1 -A2 the",
        "-h the",
        "-H the",
        "-hn e",
        "-cH e",
        "-E [0-9]{2,}",
        "-E ^[0-9]{3}_",
        "[0-9]\\{3\\}",
        "a\\+",
        "o\\?n",
        "\\(l\\|d\\)o",
        "-E (l|d)o",
        "-E a{1",
        "-E {1",
        "-E a{,2}b",
        "*",
        "\\*",
        "a**",
        "-E a+?",
        "^*",
        "\\(*a\\)",
        "-E ()",
        "-E a||b",
        "-E (|a)b",
        "[[:alpha:]][[:digit:]]",
        "[[:space:]]$",
        "[^[:alnum:]]",
        "[]a]",
        "[^]a]",
        "[a-]",
        "[]-a]",
        "-w o",
        "-w -o [a-z]*",
        "-wv the",
        "-x -v the",
        "\\bthe",
        "the\\b",
        "\\<l",
        "y\\>",
        "\\Bo",
        "\\w\\W\\w",
        "-E \\s\\S+$",
        "-E a.c",
        "-iw THE",
        "-E ^(the|fox).*(dog|over)$",
        "a$b",
        "a^b",
        "-E a^b",
        "-E a$b",
        "^^",
        "$$",
        "-s the",
        "-i [A-C]",
        "-i [[:upper:]]x",
        "-y FOX",
        "-F -e the -e lazy -o",
        "-o -i l.*y",
        "-on b*",
        "-c .",
        "-E .{5}",
        "-z b",
        "x\\{0\\}y",
        "-e",
        "[",
        "-E (",
        "\\(",
        "-E )",
        "\\)",
        "[[:foo:]]",
        "[:space:]",
        "[b-a]",
        "a\\{2,1\\}",
        "\\",
        "-E a{99999}",
        "-A x the",
        "-vo the",
        "-lv the",
        "-Lv the",
        "-qv the",
        "-cv ^$",
        "-lc the",
        "-ow l[a-z]*",
        "-E -o [[:alpha:]]+|[[:digit:]]+",
        "-Fw the",
        "-Fo o",
    ];
    let folder = folder();
    let stdin = folder.read("text");
    let mut problems = Vec::new();
    for files in files {
        for options in options {
            problems.extend(compare(&folder.0, &format!("grep {options} {files}"), &stdin).err());
        }
    }
    folder.write("patterns", b"fox\nlazy\n");
    folder.write("withzero", b"one\0two\nthree\n");
    std::fs::create_dir_all(folder.0.join("r/s")).unwrap();
    folder.write("r/one.txt", b"the one\nother\n");
    folder.write("r/s/two.c", b"the two\n");
    for line in [
        "grep -f patterns text",
        "grep -vf patterns text",
        "grep -f empty text",
        "grep -vf empty text",
        "grep -f missing text",
        "grep -cf patterns -e dog text",
        "grep one withzero",
        "grep -c one withzero",
        "grep -a one withzero",
        "grep three withzero",
        "grep -v three withzero",
        "grep -l one withzero",
        "grep the missing",
        "grep the missing text",
        "grep -s the missing",
        "grep -q the missing text",
        "grep -q the text missing",
        "grep",
        "grep -E",
        "grep --bogus x",
        "grep the r",
        "grep -z a zeroes",
        "grep -zc a zeroes",
        "grep --include=*.c -r the r",
        "grep -rc two r/s",
        "grep -rh two r",
        "grep -rl two r",
        "grep -r one r",
        "grep --count the text",
        "grep --exclude=*.c -rL zzz r/s",
        "grep -e  text",
        "grep -F  text",
    ] {
        problems.extend(compare(&folder.0, line, &stdin).err());
    }
    let shown = &problems[..problems.len().min(12)];
    assert!(problems.is_empty(), "{} problems\n{}", problems.len(), shown.join("\n"));
}
