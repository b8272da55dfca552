// SPDX-License-Identifier: BSD-2-Clause
//! Tools on names against the host's: two equal folders stay equal.

mod host;

use host::compare::{all, compare, folder, histories, same, theirs, tree};
use host::{Folder, run};
use std::process::Command;

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
fn nice() {
    all(&[
        "nice",
        "nice -n 5 nice",
        "nice nice",
        "nice -n 100 nice",
        "nice -n +3 nice",
        "nice -n 99999999999 nice",
        "nice -n 5",
        "nice -n x nice",
        "nice -n 1x nice",
        "nice -n - nice",
        "nice -n",
        "nice -Q",
        "nice missing-command",
        "nice -n 1 /missing/x",
        "nice -n 5 /bin/sh -c exit_3",
        "nice -n 5 -n 2 nice",
    ]);
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
