// SPDX-License-Identifier: BSD-2-Clause
//! Our tools and the host's, side by side.

use super::{Folder, run};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// What the host's tool does.
pub fn theirs(folder: &Path, name: &str, args: &[&str], stdin: &[u8]) -> (u8, Vec<u8>, String) {
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

pub fn same(folder: &Path, line: &str, stdin: &[u8]) {
    if let Err(problem) = compare(folder, line, stdin) {
        panic!("{problem}");
    }
}

/// Runs a line (words are separated by one blank, `_` is a blank in a word) with our tool and with the host's.
pub fn compare(folder: &Path, line: &str, stdin: &[u8]) -> Result<(), String> {
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
pub fn folder() -> Folder {
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

pub fn all(lines: &[&str]) {
    let folder = folder();
    let stdin = folder.read("text");
    let problems: Vec<String> =
        lines.iter().filter_map(|line| compare(&folder.0, line, &stdin).err()).collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Everything below a folder: names, kinds, permissions, contents, targets of links, and who is the same file.
pub fn tree(folder: &Path) -> Vec<String> {
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
pub fn histories(lines: &[&str], stdin: &[u8]) {
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
