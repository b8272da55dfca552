// SPDX-License-Identifier: BSD-2-Clause
//! Machine tests whose verdict is on the host: files that are put in, worked on under pressure, and looked at afterwards.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use ebb_workload::churn::{self, Ledger};
use ebb_workload::{Random, stripes};

use crate::compile::Built;
use crate::fsck::{self, Verdict};
use crate::qemu::{Outcome, Sink};
use crate::root;
use crate::run::{Folder, Options, Prepared};
use crate::size::Size;
use crate::status::End;
use crate::{qemu, test};

/// A test.
pub struct Test {
    /// Its name; a filter matches any part of it.
    pub name: &'static str,
    /// Does it.
    pub run: fn(&Built) -> Result<()>,
}

/// All of them.
pub const TESTS: &[Test] = &[
    Test { name: "files-sort-freebsd", run: |built| sort(built, "freebsd", 160 << 20) },
    Test { name: "files-sort-fifo", run: |built| sort(built, "fifo", 160 << 20) },
    Test { name: "files-stripes", run: |built| map_shared(built, false) },
    Test { name: "files-stripes-sparse", run: |built| map_shared(built, true) },
    Test { name: "files-crash", run: |built| crash(built, 30) },
    Test { name: "files-kill-pager", run: kill_pager },
    Test { name: "files-replace-pager", run: replace_pager },
    Test { name: "files-disk-full", run: disk_full },
    Test { name: "files-disk-errors", run: disk_errors },
    Test { name: "files-tree", run: tree },
    Test { name: "replace-at-random", run: crate::replacing::at_random },
    Test { name: "files-script", run: crate::programs::script },
    Test { name: "files-broken-programs", run: crate::programs::broken },
    Test { name: "files-large-program", run: crate::programs::large },
    Test { name: "files-own-program", run: crate::documented::programs },
];

/// A machine's options, and folders for what goes in and comes out.
pub struct Rig {
    folder: Folder,
    /// The machine's options.
    pub options: Options,
}

impl Rig {
    /// A machine that runs a script.
    pub fn new(exec: &str) -> Result<Rig> {
        let folder = Folder::new(false)?;
        let options = Options { exec: Some(exec.to_string()), timeout: Some(300), ..Options::default() };
        Ok(Rig { folder, options })
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder that is put on the disk.
    pub fn input(&mut self) -> Result<PathBuf> {
        let input = self.path("in");
        fs::create_dir_all(&input)?;
        self.options.files = Some(input.clone());
        Ok(input)
    }

    /// Runs the machine, and copies `/data` out; what it said.
    pub fn run(&self, built: &Built, status: u8) -> Result<(PathBuf, String)> {
        let prepared = Prepared::new(&self.options, built)?;
        let outcome = prepared.capture()?;
        let said = String::from_utf8_lossy(&outcome.console.machine).into_owned();
        let log = String::from_utf8_lossy(&outcome.log.machine).to_ascii_lowercase();
        if outcome.end.status() != status || log.contains("panic") {
            bail!(
                "  status {} instead of {status}: {}\n{}",
                outcome.end.status(),
                outcome.end,
                test::evidence_of(&outcome)
            );
        }
        let out = self.path("out");
        let image = prepared.root_image().context("no root disk")?;
        root::save(image, &out).with_context(|| test::evidence_of(&outcome))?;
        Ok((out, said))
    }
}

fn same_file(a: &Path, b: &Path) -> Result<()> {
    let (left, right) = (fs::read(a).with_context(|| a.display().to_string())?, fs::read(b)?);
    ensure!(left == right, "{} and {} differ", a.display(), b.display());
    Ok(())
}

/// Lines of words, the same ones often.
fn text(bytes: usize) -> Vec<u8> {
    let mut random = Random::new(7);
    let words: Vec<Vec<u8>> = (0..4000)
        .map(|_| (0..2 + random.below(9)).map(|_| b'a' + random.below(26) as u8).collect())
        .collect();
    let mut text = Vec::with_capacity(bytes + 200);
    while text.len() < bytes {
        for n in 0..1 + random.below(14) {
            if n > 0 {
                text.push(b' ');
            }
            text.extend_from_slice(&words[random.below(words.len() as u64) as usize]);
        }
        text.push(b'\n');
    }
    text
}

/// A text of many times the memory is sorted, hashed and compared; the host says whether it is sorted right.
fn sort(built: &Built, policy: &str, bytes: usize) -> Result<()> {
    let mut rig = Rig::new(
        "sort -o /data/sorted /data/text && sha256sum /data/text /data/sorted > /data/sums; cmp -s /data/text /data/sorted; \
         [ $? = 1 ] && sort -c /data/sorted && rm /data/text; audit",
    )?;
    let input = rig.input()?;
    fs::write(input.join("text"), text(bytes))?;
    rig.options.swap = vec![Size::mib(512)];
    rig.options.policy = Some(policy.to_string());
    let expected = rig.path("expected");
    let sorted =
        Command::new("sort").env("LC_ALL", "C").arg("-o").arg(&expected).arg(input.join("text")).status()?;
    ensure!(sorted.success(), "the host cannot sort");
    let sums = Command::new("sha256sum").arg(input.join("text")).arg(&expected).output()?;
    let (out, _) = rig.run(built, 1)?;
    same_file(&out.join("sorted"), &expected)?;
    ensure!(!out.join("text").exists(), "/data/text was to be removed at the end");
    let hashes = |text: &str| -> Vec<String> {
        text.lines().filter_map(|l| l.split(' ').next().map(str::to_string)).collect()
    };
    let told = fs::read_to_string(out.join("sums"))?;
    ensure!(hashes(&told) == hashes(&String::from_utf8_lossy(&sums.stdout)), "the hashes differ: {told}");
    Ok(())
}

/// Eight programs on one mapped file.
fn map_shared(built: &Built, sparse: bool) -> Result<()> {
    let (pages, writers, rounds, seed) = (24_576, 8, 1, 5);
    let mut rig = Rig::new("stripes /data/file --writers 8 --rounds 1 --seed 5; audit")?;
    let file = rig.input()?.join("file");
    let mut before = vec![0; pages as usize * 4096];
    if !sparse {
        let mut random = Random::new(11);
        before.chunks_exact_mut(8).for_each(|c| c.copy_from_slice(&random.bits().to_le_bytes()));
    }
    fs::write(&file, &before)?;
    rig.options.swap = vec![Size::mib(256)];
    let (out, said) = rig.run(built, 0)?;
    ensure!(said.contains("audit: clean"), "{said}");
    let after = fs::read(out.join("file"))?;
    ensure!(after.len() == before.len(), "{} bytes instead of {}", after.len(), before.len());
    for (page, number) in stripes::last(seed, writers, pages, rounds).into_iter().enumerate() {
        let held = &after[page * 4096..][..4096];
        let right = match number {
            None => held == &before[page * 4096..][..4096],
            Some(number) => held
                .chunks_exact(8)
                .enumerate()
                .all(|(at, word)| word == stripes::word(number, at).to_le_bytes()),
        };
        ensure!(right, "page {page} is not what was written last");
    }
    Ok(())
}

/// The machine is killed at random moments: the file system is clean then, and what was answered is there. It goes on with what it has.
fn crash(built: &Built, times: u64) -> Result<()> {
    let rig = Rig::new("audit")?;
    let mut random = Random::new(u64::from(std::process::id()));
    let mut image: Option<PathBuf> = None;
    let mut answered = 0;
    for time in 0..times {
        let seed = random.bits() >> 16;
        let options =
            Options { exec: Some(format!("rm -f /data/*; churn /data {seed}")), ..rig.options.clone() };
        let mut prepared = Prepared::new(&options, built)?;
        if let Some(image) = &image {
            prepared.replace_root(image)?;
        }
        let life = Duration::from_millis(random.below(2500));
        let said = die_at_work(&prepared, life)?;
        let evidence = || format!("  after {} ms of seed {seed}, death {time}", life.as_millis());
        let root = prepared.root_image().context("no root disk")?.to_path_buf();
        if let Verdict::Damaged(what) = fsck::check(&root)? {
            bail!("{}: the file system is not clean:\n{what}", evidence());
        }
        let ledger = Ledger::read(&said);
        answered += ledger.answered;
        let out = rig.path(&format!("out{time}"));
        root::save(&root, &out).with_context(evidence)?;
        let mut wrong = Vec::new();
        for name in 0..churn::NAMES {
            let held = fs::read(out.join(churn::name(name))).ok();
            wrong.extend(ledger.judge(name, held.as_deref()));
        }
        ensure!(wrong.is_empty(), "{}\n{}", evidence(), wrong.join("\n"));
        // The next machine goes on with this file system.
        let kept = rig.path("kept.img");
        fs::copy(&root, &kept)?;
        image = Some(kept);
        fs::remove_dir_all(&out)?;
    }
    ensure!(answered > times, "only {answered} steps were answered: nothing was tried");
    Ok(())
}

/// What a machine has said so far.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<u8>>>);

impl Write for Said {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().map_err(|_| std::io::ErrorKind::Other)?.extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Said {
    fn text(&self) -> String {
        self.0.lock().map_or(String::new(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// Lets a machine work for so long after its first step, kills it, and returns what it had said.
fn die_at_work(prepared: &Prepared, life: Duration) -> Result<String> {
    let said = Said::default();
    let machine = qemu::Machine::start(&prepared.config, Sink::To(Box::new(said.clone())), Sink::Capture)?;
    let since = Instant::now();
    while !said.text().contains("B ") && since.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(2));
    }
    let Outcome { end, log, .. } = machine.wait(Some(life))?;
    let said = said.text();
    match end {
        End::TimedOut if said.contains("B ") => Ok(said),
        end => {
            bail!("  nothing was killed at work: {end}\n{said}\n{}", String::from_utf8_lossy(&log.machine))
        }
    }
}

/// The vnode pager dies again and again under programs that use files.
fn kill_pager(built: &Built) -> Result<()> {
    disturbed(built, "repeat 10 { sleep 0.25; service kill vnode-pager }").map(|_| ())
}

/// It makes room for another instance of itself, both ways that there are.
fn replace_pager(built: &Built) -> Result<()> {
    let said = disturbed(
        built,
        "repeat 6 { sleep 0.25; service restart vnode-pager; sleep 0.25; service replace vnode-pager vnode-pager }",
    )?;
    for told in ["vnode-pager restarted, held", "vnode-pager -> vnode-pager, held"] {
        let count = said.matches(told).count();
        ensure!(count == 6, "{told:?} was said {count} times of 6:\n{said}");
    }
    Ok(())
}

/// Programs write and verify files while this is done; afterwards everything is what was written, and the file system has nothing that it should not. What
/// the machine said.
fn disturbed(built: &Built, disturbance: &str) -> Result<String> {
    let mut rig = Rig::new(&format!(
        "seq 1 300000 > /data/numbers; sort -r /data/numbers > /data/down & stripes /data/file --writers 4 --rounds 4 --seed 9 & \
         churn /data/churned 3 400 > /data/said & {disturbance}; wait; \
         sort -n /data/down > /data/again; cmp /data/numbers /data/again && stripes /data/file --writers 4 --rounds 4 --seed 9 --check; audit",
    ))?;
    let input = rig.input()?;
    fs::create_dir(input.join("churned"))?;
    let mut random = Random::new(3);
    fs::write(
        input.join("file"),
        (0..1 << 20).flat_map(|_| random.bits().to_le_bytes()).collect::<Vec<u8>>(),
    )?;
    rig.options.swap = vec![Size::mib(256)];
    let (out, said) = rig.run(built, 0)?;
    ensure!(said.contains("audit: clean"), "{said}");
    let numbers: String = (1..=300_000).map(|n| format!("{n}\n")).collect();
    ensure!(fs::read(out.join("again"))? == numbers.as_bytes(), "the numbers are not what they were");
    let ledger = Ledger::read(&fs::read_to_string(out.join("said"))?);
    ensure!(ledger.answered == 400, "{} steps of 400 were answered", ledger.answered);
    for name in 0..churn::NAMES {
        let held = fs::read(out.join("churned").join(churn::name(name))).ok();
        if let Some(wrong) = ledger.judge(name, held.as_deref()) {
            bail!("{wrong}");
        }
    }
    Ok(said)
}

/// No room, and names and files that cannot be: the message that POSIX has, and everything else goes on.
fn disk_full(built: &Built) -> Result<()> {
    let mut rig = Rig::new(
        "echo kept > /data/kept; dd if=/dev/zero of=/data/large bs=64k; echo $?; cat /data/kept; rm /data/large; \
         echo again > /data/again; cat /data/again; cat /data/nothere; echo $?; cat /data; echo $?; echo x > /data/$LONG; echo $?; \
         cat /data/readonly; echo x >> /data/readonly; echo $?; echo x > /data; echo $?; mkdir /data/kept; rmdir /data; mv /data/nothere /data/x; \
         cd /data/kept; /data/readonly; echo $?; sync; audit"
            .replace("$LONG", &"n".repeat(300))
            .as_str(),
    )?;
    let input = rig.input()?;
    fs::write(input.join("readonly"), "read me\n")?;
    let mut permissions = fs::metadata(input.join("readonly"))?.permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o444);
    fs::set_permissions(input.join("readonly"), permissions)?;
    rig.options.root = Some(crate::run::RootSize::Size(Size::mib(48)));
    let (out, said) = rig.run(built, 1)?;
    for line in [
        "No space left on device",
        "kept",
        "again",
        "No such file or directory",
        "Is a directory",
        "File name too long",
        "read me",
        "Permission denied",
        "File exists",
        "Directory not empty",
        "Not a directory",
        "audit: clean",
    ] {
        ensure!(said.contains(line), "{line:?} was not said:\n{said}");
    }
    ensure!(
        fs::read(out.join("again"))? == b"again\n" && fs::read(out.join("readonly"))? == b"read me\n",
        "a file was lost"
    );
    Ok(())
}

/// The disk fails under a file: who reads it is told, and nobody else.
fn disk_errors(built: &Built) -> Result<()> {
    let mut rig = Rig::new(
        "cat /data/good > /data/copy; cat /data/bad > /dev/null; echo status $?; cat /data/good | wc -c; sleep 1; audit",
    )?;
    let input = rig.input()?;
    let bytes = vec![0x55; 1 << 20];
    fs::write(input.join("good"), &bytes)?;
    // Found again on the disk by what is in it.
    let mark: Vec<u8> =
        b"this block is bad".iter().copied().chain(std::iter::repeat(0xee)).take(4096).collect();
    fs::write(input.join("bad"), [&bytes[..8192], &mark, &bytes[..8192]].concat())?;
    let mut prepared = Prepared::new(&rig.options, built)?;
    let image = prepared.root_image().context("no root disk")?.to_path_buf();
    let disk = fs::read(&image)?;
    let block = disk.chunks(4096).position(|b| b == mark).context("the bad block is not on the disk")?;
    prepared.break_root(block as u64 * 8)?;
    let outcome = prepared.capture()?;
    let said = String::from_utf8_lossy(&outcome.console.machine).into_owned();
    let good = outcome.end.status() == 1
        && said.contains("Input/output error")
        && said.contains("status 1")
        && said.contains("1048576")
        && said.contains("audit: clean");
    ensure!(good, "  {}\n{}", outcome.end, test::evidence_of(&outcome));
    let out = rig.path("out");
    root::save(&image, &out)?;
    ensure!(fs::read(out.join("copy"))? == bytes, "the copy differs");
    Ok(())
}

/// A folder goes in and comes out again, names, links and permissions and all, and a copy of it that the machine made.
fn tree(built: &Built) -> Result<()> {
    let mut rig = Rig::new("cp -r /data/tree /data/copy && find_nothing=1; ls -la /data/tree; audit")?;
    let input = rig.input()?.join("tree");
    fs::create_dir_all(input.join("a/b/c"))?;
    fs::write(input.join("a/empty"), "")?;
    fs::write(input.join("a/with space"), "x")?;
    fs::write(input.join("a/b/c/näme"), vec![1; 5000])?;
    fs::write(input.join("a/b").join("n".repeat(255)), "long")?;
    for n in 0..600 {
        fs::write(input.join(format!("a/b/c/{n}")), format!("{n}\n").repeat(n))?;
    }
    std::os::unix::fs::symlink("../a/empty", input.join("a/link"))?;
    let (out, said) = rig.run(built, 0)?;
    ensure!(said.contains("audit: clean"), "{said}");
    let original = snapshot(&input)?;
    for there in ["tree", "copy"] {
        let got = snapshot(&out.join(there))?;
        for (name, what) in &original {
            ensure!(
                got.get(name) == Some(what),
                "{there}/{name:?} is {:?} instead of {what:?}",
                got.get(name).map(|w| w.len())
            );
        }
        ensure!(
            got.len() == original.len(),
            "{there} has {} entries instead of {}",
            got.len(),
            original.len()
        );
    }
    Ok(())
}

/// Everything in a folder: contents of files, targets of links.
fn snapshot(folder: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut all = BTreeMap::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).with_context(|| dir.display().to_string())? {
            let path = entry?.path();
            let name = path.strip_prefix(folder)?.to_path_buf();
            let kind = path.symlink_metadata()?.file_type();
            if kind.is_dir() {
                all.insert(name, b"folder".to_vec());
                open.push(path);
            } else if kind.is_symlink() {
                all.insert(name, fs::read_link(&path)?.into_os_string().into_encoded_bytes());
            } else {
                all.insert(name, fs::read(&path)?);
            }
        }
    }
    Ok(all)
}
