// SPDX-License-Identifier: BSD-2-Clause
//! What goes wrong: no room, a device that fails, a reader that is gone, too little memory; and what must not matter: how much a read brings.

mod host;

use ebb_tools::TOOLS;
use ebb_tools::system::{Error, Mount};
use host::{Fault, Faults, Folder, Host, run, run_on};

fn folder() -> Folder {
    let folder = Folder::new();
    let text: String =
        (0..20_000u32).map(|n| format!("line {} {}\n", n.wrapping_mul(7919) % 10_007, n % 3)).collect();
    folder.write("text", text.as_bytes());
    folder.write("other", &text.bytes().map(|b| b ^ 1).collect::<Vec<u8>>());
    folder.write("short", b"b\na\nc\n");
    folder
}

/// Lines whose output is larger than any buffer.
const WRITERS: &[&str] = &[
    "cat text",
    "cat -n text",
    "head -n 100000 text",
    "head -c -1 text",
    "tail -n 100000 text",
    "tail -c +2 text",
    "sort text",
    "sort -m text",
    "sort -S 4 text",
    "uniq text",
    "uniq -c text",
    "seq 100000",
    "grep line text",
    "grep -o [a-z]* text",
    "od text",
    "od -c text",
    "tee",
    "dd if=text bs=4096",
    "cmp -l text other",
];
/// Lines with little output.
const SHORT_WRITERS: &[&str] = &[
    "wc text",
    "sha256sum text",
    "ls",
    "ls -l",
    "stat text",
    "head -n 1 text",
    "tail -n 1 text",
    "grep -c line text",
    "env",
    "mv -v short s",
    "cp -v text t",
    "seq 1",
    "sort short",
    "cmp short text",
];

fn words(line: &str) -> (&str, Vec<&str>) {
    let mut words = line.split(' ');
    (words.next().unwrap(), words.collect())
}

fn host(folder: &Folder, faults: Faults) -> Host {
    let stdin = folder.read("text");
    Host { faults, ..Host::new(&folder.0, &stdin) }
}

fn trouble(name: &str) -> u8 {
    TOOLS.iter().find(|t| t.name == name).unwrap().trouble
}

#[test]
fn a_full_disk_under_the_output_is_told() {
    for after in [0, 1, 1000, 65_536, 70_000] {
        for line in WRITERS.iter().chain(SHORT_WRITERS.iter().filter(|_| after == 0)) {
            let folder = folder();
            let (name, args) = words(line);
            let fault = Fault { after, error: Error::NoSpace };
            let ended =
                run_on(&host(&folder, Faults { stdout: Some(fault), ..Faults::default() }), name, &args);
            assert_eq!(ended.status, trouble(name), "{line} {after}: {}", ended.err);
            let wanted = format!("{name}: write error: No space left on device\n");
            assert!(ended.err.ends_with(&wanted), "{line} {after}: {}", ended.err);
            assert_eq!(ended.out.len() as u64, after, "{line}");
        }
    }
}

#[test]
fn a_pipe_that_nobody_reads_ends_a_tool_quietly() {
    for after in [0, 1000, 70_000] {
        for line in WRITERS.iter().chain(SHORT_WRITERS.iter().filter(|_| after == 0)) {
            let folder = folder();
            let (name, args) = words(line);
            let fault = Fault { after, error: Error::BrokenPipe };
            let ended =
                run_on(&host(&folder, Faults { stdout: Some(fault), ..Faults::default() }), name, &args);
            assert_eq!(ended.status, 141, "{line} {after}: {}", ended.err);
            let tallies =
                name == "dd" && ended.err.lines().all(|l| l.contains("records") || l.contains("copied"));
            assert!(ended.err.is_empty() || tallies, "{line} {after}: {}", ended.err);
        }
    }
}

#[test]
fn a_file_that_cannot_be_read_to_its_end_is_told() {
    for after in [0, 1000, 70_000] {
        for line in [
            "cat text",
            "cat -n text",
            "head -n 100000 text",
            "tail -n 100000 text",
            "tail -n +2 text",
            "sort text",
            "sort -c text",
            "sort -m text",
            "sort -o out text",
            "uniq text",
            "grep line text",
            "od text",
            "wc text",
            "sha256sum text",
            "cmp text text",
            "cp text out",
            "dd if=text of=out",
            "tee out",
            "uniq text out",
        ] {
            let folder = folder();
            let (name, args) = words(line);
            let fault = Fault { after, error: Error::Io };
            let ended =
                run_on(&host(&folder, Faults { read: Some(fault), ..Faults::default() }), name, &args);
            if line.starts_with("sort -c") && ended.status == 1 {
                // It was not in order before the fault.
                continue;
            }
            assert_eq!(ended.status, trouble(name), "{line} {after}: {}", ended.err);
            assert!(ended.err.contains("Input/output error"), "{line} {after}: {}", ended.err);
        }
    }
}

#[test]
fn a_full_disk_under_a_file_is_told() {
    let all = [
        Faults { write: Some(Fault { after: 0, error: Error::NoSpace }), ..Faults::default() },
        Faults { write: Some(Fault { after: 5000, error: Error::NoSpace }), ..Faults::default() },
        Faults { close: Some(Error::NoSpace), ..Faults::default() },
    ];
    for faults in all {
        for line in [
            "cp text out",
            "cp -r . ../out",
            "sort -o out text",
            "sort -S 4 -o out text",
            "uniq text out",
            "dd if=text of=out",
            "tee out",
        ] {
            let folder = folder();
            std::fs::create_dir(folder.0.join("in")).unwrap();
            folder.write("in/text", &folder.read("text"));
            let (name, mut args) = words(line);
            if line.starts_with("cp -r") {
                args = vec!["-r", "in", "out"];
            }
            let ended = run_on(&host(&folder, faults), name, &args);
            assert_eq!(ended.status, trouble(name), "{line}: {}", ended.err);
            assert!(
                ended.err.contains("out") && ended.err.contains("No space left on device"),
                "{line}: {}",
                ended.err
            );
        }
    }
}

#[test]
fn one_operand_that_fails_does_not_stop_the_others() {
    for (line, out) in [
        ("cat missing short", "b\na\nc\n"),
        ("head -qn1 missing short", "b\n"),
        ("tail -qn1 missing short", "c\n"),
        ("wc -l missing short", "3 short\n3 total\n"),
        ("grep -h a missing short", "a\n"),
        ("od -An -c missing short", "   b  \\n   a  \\n   c  \\n\n"),
    ] {
        let folder = folder();
        let (name, args) = words(line);
        let ended = run(&folder.0, name, &args, b"");
        assert_eq!(ended.status, trouble(name), "{line}");
        assert_eq!(String::from_utf8(ended.out).unwrap(), out, "{line}");
        assert_eq!(ended.err, format!("{name}: missing: No such file or directory\n"));
    }
}

#[test]
fn pieces_of_any_size_make_no_difference() {
    for line in WRITERS.iter().chain(
        ["wc text", "sha256sum text", "cmp text text", "tail -n 3 text", "grep -c line text", "cat -A text"]
            .iter(),
    ) {
        let folder = folder();
        let (name, args) = words(line);
        let whole = run_on(&host(&folder, Faults::default()), name, &args);
        // A block of `dd` is what a read brings.
        for piece in [1, 7, 4095].iter().filter(|_| name != "dd") {
            let host = host(&folder, Faults { piece: Some(*piece), ..Faults::default() });
            assert_eq!(run_on(&host, name, &args), whole, "{line} in pieces of {piece}");
        }
    }
}

#[test]
fn sort_says_that_memory_is_not_enough() {
    let folder = folder();
    let most = Faults { memory: Some(4096), ..Faults::default() };
    let ended = run_on(&host(&folder, most), "sort", &["text"]);
    assert_eq!((ended.status, ended.err.as_str()), (2, "sort: memory: Cannot allocate memory\n"));
    assert!(ended.out.is_empty());
    // A line that does not fit what is sorted at a time gets more; one that does not fit memory is an error.
    folder.write("long", &[b"x".repeat(10_000), b"\na\n".to_vec()].concat());
    let ended = run_on(
        &host(&folder, Faults { memory: Some(1 << 16), ..Faults::default() }),
        "sort",
        &["-S", "1", "long"],
    );
    assert_eq!((ended.status, ended.out.starts_with(b"a\nxxx")), (0, true), "{}", ended.err);
    let ended = run_on(&host(&folder, most), "sort", &["-S", "1", "long"]);
    assert_eq!(ended.status, 2, "{}", ended.err);
}

#[test]
fn tee_goes_on_where_it_can() {
    let folder = folder();
    let gone = Fault { after: 1000, error: Error::BrokenPipe };
    let ended = run_on(&host(&folder, Faults { stdout: Some(gone), ..Faults::default() }), "tee", &["out"]);
    assert_eq!(ended.status, 141);
    assert_eq!(folder.read("out"), folder.read("text"));
    let full = Fault { after: 1000, error: Error::NoSpace };
    let ended = run_on(&host(&folder, Faults { write: Some(full), ..Faults::default() }), "tee", &["out"]);
    assert_eq!((ended.status, ended.out), (1, folder.read("text")));
}

#[test]
fn help_and_mistakes() {
    let folder = folder();
    for tool in TOOLS {
        let ended = run(&folder.0, tool.name, &["--help"], b"");
        let text = String::from_utf8(ended.out).unwrap();
        assert_eq!((ended.status, ended.err.as_str()), (0, ""), "{}", tool.name);
        assert!(text.starts_with(&format!("usage: {}", tool.name)) && text.ends_with('\n'), "{text}");
        let ended = run(&folder.0, tool.name, &["--no-such-option"], b"");
        assert_eq!(ended.status, tool.trouble, "{}", tool.name);
        assert!(ended.err.starts_with(&format!("{}: ", tool.name)) && ended.out.is_empty(), "{}", ended.err);
    }
}

#[test]
fn sleep_waits_for_the_sum() {
    let folder = folder();
    let host = Host::new(&folder.0, b"");
    assert_eq!(run_on(&host, "sleep", &["0.5", "1m", "2s"]).status, 0);
    assert_eq!(host.slept_us.get(), 62_500_000);
    for bad in ["x", "-1", "1y", ""] {
        assert_eq!(run(&folder.0, "sleep", &[bad], b"").status, 1, "{bad}");
    }
}

#[test]
fn time_has_the_status_of_its_command() {
    let folder = folder();
    let ended = run(&folder.0, "time", &["/bin/sh", "-c", "echo out; exit 7"], b"");
    assert_eq!((ended.status, ended.out.as_slice()), (7, b"out\n".as_slice()));
    assert!(ended.err.starts_with("real 0."), "{}", ended.err);
    assert_eq!(run(&folder.0, "time", &["no-such-command"], b"").status, 127);
    assert_eq!(run(&folder.0, "time", &[], b"").status, 125);
}

#[test]
fn file_systems() {
    let folder = folder();
    let mut host = Host::new(&folder.0, b"");
    assert_eq!(run_on(&host, "df", &[]).status, 1);
    let mount = |path: &str, read_only| Mount {
        path: path.into(),
        disk: "root".into(),
        kind: "ext4".into(),
        read_only,
        block_bytes: 4096,
        blocks: (1000, 250),
        inodes: (100, 99),
    };
    host.mounts = vec![mount("/", false), mount("/mnt", true)];
    let shown = |host: &Host, name: &str, args: &[&str]| {
        host.stdout.as_ref().unwrap().borrow_mut().clear();
        String::from_utf8(run_on(host, name, args).out).unwrap()
    };
    assert_eq!(shown(&host, "mount", &[]), "root on / type ext4 (rw)\nroot on /mnt type ext4 (ro)\n");
    assert_eq!(
        shown(&host, "df", &["/"]),
        "Filesystem     1K-blocks Used Available Use% Mounted on\nroot                4000 3000      1000  75% /\n"
    );
    assert_eq!(
        shown(&host, "df", &["-hT", "."]),
        "Filesystem     Type Size Used Avail Use% Mounted on\nroot           ext4 4.0M 3.0M 1000K  75% /\n"
    );
    assert_eq!(
        shown(&host, "df", &["-i"]),
        "Filesystem     Inodes IUsed IFree IUse% Mounted on\nroot              100     1    99    1% /\nroot              100     1    99    1% /mnt\n"
    );
    assert_eq!(run_on(&host, "mount", &["disk", "/x"]).status, 1);
    assert_eq!(run_on(&host, "df", &["missing"]).status, 1);
}
