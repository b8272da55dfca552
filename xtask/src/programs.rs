// SPDX-License-Identifier: BSD-2-Clause
//! Machine tests of programs and scripts that come from files.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use ebb_workload::Random;

use crate::compile::Built;
use crate::files::Rig;
use crate::size::Size;
use crate::user;

/// The program, and the bytes of its table.
const LARGE: &str = include_str!("../programs/large.rs");
const TABLE: usize = 48 << 20;

/// What a machine with less memory than the program has says of it.
const AT_ONCE: &str = "large 48; echo status $?; \
    vmstat -s --json > /data/before; large 8 & large 8 & large 8 & large 8 & wait; vmstat -s --json > /data/after; audit";

/// A program larger than memory runs, and programs that run at once share what they read of their file.
pub fn large(built: &Built) -> Result<()> {
    let mut rig = Rig::new(&AT_ONCE.replace("large ", "/data/large "))?;
    let source = user::new(&rig.path("large"))?;
    let mut random = Random::new(23);
    let table: Vec<u8> = (0..TABLE / 8).flat_map(|_| random.bits().to_le_bytes()).collect();
    fs::write(source.join("src/main.rs"), LARGE)?;
    fs::write(source.join("src/table"), &table)?;
    let input = rig.input()?;
    for program in user::build(&source, "release", Some(&crate::target_dir()), Stdio::null())? {
        user::put(&program, &input)?;
    }
    rig.options.mem = Size::mib(40);
    // Nothing of it has to go to swap: its file has it.
    rig.options.swap = Vec::new();
    let (out, said) = rig.run(built, 0)?;
    let sum = |mib: usize| {
        let words =
            table[..mib << 20].chunks_exact(8).map(|w| u64::from_le_bytes(w.try_into().unwrap_or_default()));
        format!("sum {mib} {:016x}", words.fold(0u64, |sum, word| sum.rotate_left(1) ^ word))
    };
    ensure!(
        said.matches(&sum(48)).count() == 1 && said.contains("status 0"),
        "{} is not said:\n{said}",
        sum(48)
    );
    ensure!(said.matches(&sum(8)).count() == 4, "{} is not said four times:\n{said}", sum(8));
    ensure!(said.contains("audit: clean"), "{said}");
    let read = |name: &str| -> Result<f64> {
        let text = fs::read_to_string(out.join(name))?;
        let all: serde_json::Value = serde_json::from_str(&text).with_context(|| text.clone())?;
        all["v_vnodepgsin"].as_f64().with_context(|| text.clone())
    };
    let pages = read("after")? - read("before")?;
    // 2,048 pages of the table: once for all four of them, and a part that went and came again.
    ensure!((1024.0..3072.0).contains(&pages), "{pages} pages were read for 2,048 that four programs share");
    Ok(())
}

/// A script that uses what the language and the tools have.
const SCRIPT: &str = include_str!("../programs/script.sh");

/// A script from a file says the same here and on the host, and makes the same files.
pub fn script(built: &Built) -> Result<()> {
    let mut rig = Rig::new("cd /data && ./script.sh 'first one' second > said; echo $? > status; audit")?;
    let input = rig.input()?;
    let host = rig.path("host");
    fs::create_dir(&host)?;
    for folder in [&input, &host] {
        let path = folder.join("script.sh");
        fs::write(&path, SCRIPT)?;
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        fs::write(folder.join("words"), "one two three\nfour five\n\nsix\n")?;
    }
    let done = Command::new("sh")
        .args(["-c", "./script.sh 'first one' second > said; echo $? > status"])
        .current_dir(&host)
        .envs([("LC_ALL", "C"), ("TZ", "UTC")])
        .status()?;
    ensure!(done.success(), "the host's sh fails");
    let (out, said) = rig.run(built, 42)?;
    ensure!(said.contains("audit: clean"), "{said}");
    let (here, there) = (names(&host)?, names(&out)?);
    ensure!(here == there, "the host has {here:?}, the machine {there:?}");
    for name in here {
        let (here, there) = (fs::read(host.join(&name))?, fs::read(out.join(&name))?);
        ensure!(
            here == there,
            "{name}: the host has\n{}\nthe machine has\n{}",
            String::from_utf8_lossy(&here),
            String::from_utf8_lossy(&there)
        );
    }
    Ok(())
}

/// Files of a folder.
fn names(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Files that are no programs, whole ones cut short, and a program with any of its first bytes changed: a message each, and nothing else.
pub fn broken(built: &Built) -> Result<()> {
    let (_, cat) = built.programs.iter().find(|(name, _)| name == "seq").context("no seq")?;
    let whole = fs::read(cat)?;
    let mut rig = Rig::new(
        "for f in /data/*; do $f 3 > /dev/null 2> /dev/null; s=$?; case $s in 0 | 126 | 1?? | 2) ;; *) echo $f: status $s;; esac; \
         n=$((n+1)); done; echo $n were tried; /data/cut0; echo status $?; /bin/seq 2; audit",
    )?;
    let input = rig.input()?;
    let put = |name: String, bytes: &[u8]| -> Result<()> {
        let path = input.join(name);
        fs::write(&path, bytes)?;
        Ok(fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755))?)
    };
    let mut files = 0;
    for (n, length) in
        [0, 1, 4, 16, 63, 64, 100, 200, 1000, 4096, whole.len() / 2, whole.len() - 1].into_iter().enumerate()
    {
        put(format!("cut{n}"), &whole[..length])?;
        files += 1;
    }
    // The header and the table of segments.
    let mut random = Random::new(31);
    for n in 0..120 {
        let mut bytes = whole.clone();
        for _ in 0..1 + random.below(3) {
            bytes[4 + random.below(64 + 56 * 4) as usize] = random.bits() as u8;
        }
        put(format!("changed{n}"), &bytes)?;
        files += 1;
    }
    // 126 is more than a machine's status can say.
    let (_, said) = rig.run(built, 63)?;
    ensure!(said.contains(&format!("{files} were tried")) && !said.contains(": status"), "{said}");
    ensure!(said.contains("Exec format error") && said.contains("status 126"), "{said}");
    ensure!(said.contains("1\r\n2") || said.contains("1\n2"), "{said}");
    ensure!(said.contains("audit: clean"), "{said}");
    Ok(())
}
