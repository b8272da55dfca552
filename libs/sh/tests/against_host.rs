// SPDX-License-Identifier: BSD-2-Clause
//! Scripts run by the interpreter on the host and by the host's own shell: output and status must be the same.

use ebb_sh::builtins::{self, Facts};
use ebb_sh::{Access, Interpreter, Streams, Variables, World};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;

/// The host. A shell of its own for a part of a script is the host's, which understands the same.
struct Host {
    folder: PathBuf,
    out: Rc<File>,
}

fn stdio(file: &Option<Rc<File>>, other: &Rc<File>) -> Stdio {
    let file = file.as_ref().unwrap_or(other);
    Stdio::from(file.try_clone().expect("a copy of a file"))
}

impl Host {
    fn start(
        &self,
        mut command: Command,
        env: Vec<(String, String)>,
        streams: &Streams<Rc<File>>,
    ) -> Result<Child, u8> {
        let null = Rc::new(File::open("/dev/null").expect("/dev/null"));
        command.current_dir(&self.folder).env_clear().envs(env);
        command.stdin(stdio(&streams[0], &null)).stdout(stdio(&streams[1], &self.out));
        command.stderr(match &streams[2] {
            Some(file) => Stdio::from(file.try_clone().expect("a copy of a file")),
            None => Stdio::null(),
        });
        command.spawn().map_err(|_| 127)
    }
}

impl World for Host {
    type File = Rc<File>;
    type Process = Child;

    fn is_builtin(&self, name: &str) -> bool {
        name == "echo" || builtins::NAMES.contains(&name)
    }
    fn builtin(&mut self, words: &[String], streams: &Streams<Rc<File>>, v: &mut Variables) -> Option<u8> {
        if words[0] == "echo" {
            let mut to: &File = streams[1].as_deref().unwrap_or(&self.out);
            writeln!(to, "{}", words[1..].join(" ")).expect("output");
            return Some(0);
        }
        let mut facts = |path: &str, follow: bool| {
            let path = self.folder.join(path);
            let data = if follow { path.metadata() } else { path.symlink_metadata() }.ok()?;
            Some(Facts {
                directory: data.is_dir(),
                regular: data.is_file(),
                link: data.is_symlink(),
                size: data.len(),
                mode: data.permissions().mode() as u16,
            })
        };
        Some(builtins::run(words, v, &mut facts).unwrap_or(2))
    }
    fn spawn(
        &mut self,
        words: &[String],
        env: Vec<(String, String)>,
        streams: &Streams<Rc<File>>,
    ) -> Result<Child, u8> {
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        self.start(command, env, streams)
    }
    fn spawn_shell(
        &mut self,
        text: &str,
        args: &[String],
        env: Vec<(String, String)>,
        streams: &Streams<Rc<File>>,
    ) -> Result<Child, u8> {
        let mut command = Command::new("sh");
        // What the host's shell takes from no environment becomes commands.
        let (mut before, mut options, mut exported) = (String::new(), "", Vec::new());
        let mut status = "0";
        for (name, value) in &env {
            match (name.as_str(), name.strip_prefix('.')) {
                ("?", _) => status = value,
                ("-", _) => options = value,
                ("$", _) => {}
                (_, Some(name)) => before += &format!("{name}='{}';", value.replace('\'', "'\\''")),
                _ => exported.push((name.clone(), value.clone())),
            }
        }
        let env = exported;
        before += &if options.is_empty() { format!("(exit {status});") } else { format!("set -{options};") };
        command.args(["-c", &format!("{before}{text}"), "sh"]).args(args);
        self.start(command, env, streams)
    }
    fn wait(&mut self, processes: Vec<Child>) -> Option<u8> {
        let end = |mut p: Child| p.wait().expect("a process").code().unwrap_or(129) as u8;
        Some(processes.into_iter().map(end).fold(0, |_, status| status))
    }
    fn background(&mut self, mut process: Child, _text: &str) -> u32 {
        process.wait().expect("a process");
        process.id()
    }
    fn pipe(&mut self) -> Result<(Rc<File>, Rc<File>), String> {
        let (read, write) = std::io::pipe().map_err(|e| e.to_string())?;
        let (read, write): (std::os::fd::OwnedFd, std::os::fd::OwnedFd) = (read.into(), write.into());
        Ok((Rc::new(read.into()), Rc::new(write.into())))
    }
    fn open(&mut self, path: &str, access: Access) -> Result<Rc<File>, String> {
        if path == "&1" {
            return Ok(self.out.clone());
        }
        if path == "&2" {
            return File::options().write(true).open("/dev/null").map(Rc::new).map_err(|e| e.to_string());
        }
        let path = self.folder.join(path);
        let mut options = OpenOptions::new();
        match access {
            Access::Read => options.read(true),
            Access::Write => options.write(true).create(true).truncate(true),
            Access::Append => options.append(true).create(true),
        };
        options.open(path).map(Rc::new).map_err(|e| e.to_string())
    }
    fn read_all(&mut self, file: Rc<File>) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        (&*file).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
        Ok(bytes)
    }
    fn list(&mut self, directory: &str) -> Vec<String> {
        let entries = fs::read_dir(self.folder.join(directory)).into_iter().flatten().flatten();
        entries.filter_map(|e| e.file_name().into_string().ok()).collect()
    }
    fn exists(&mut self, path: &str) -> bool {
        self.folder.join(path).symlink_metadata().is_ok()
    }
    fn complain(&mut self, _text: &str) {}
    fn interrupted(&mut self) -> bool {
        false
    }
    fn time(&mut self, _started: Option<u64>) -> u64 {
        0
    }
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("ebb-sh-{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("d/e")).expect("a folder");
    for file in ["a.txt", "b.txt", "c.rs", "d/x.txt", "d/e/y.txt", ".hidden", "with space"] {
        fs::write(folder.join(file), format!("in {file}\nsecond\n")).expect("a file");
    }
    folder
}

fn ours(script: &str, args: &[&str]) -> (String, u8) {
    let folder = folder("ours");
    let out = folder.with_extension("out");
    let file = File::options().read(true).write(true).create(true).truncate(true).open(&out).expect("output");
    let mut variables = Variables::new(&[("PATH".into(), std::env::var("PATH").unwrap_or_default())]);
    variables.name = "sh".into();
    variables.args = args.iter().map(|a| a.to_string()).collect();
    variables.mistakes_end = true;
    let mut interpreter = Interpreter::new(Host { folder: folder.clone(), out: Rc::new(file) }, variables);
    let status = interpreter.run(script);
    drop(interpreter);
    (told(&folder, &out), status)
}

/// The output, and what is in the files afterwards.
fn told(folder: &Path, out: &Path) -> String {
    let mut text = fs::read_to_string(out).expect("output");
    let mut names: Vec<_> = fs::read_dir(folder).expect("folder").flatten().map(|e| e.path()).collect();
    names.sort();
    for name in names.iter().filter(|n| n.is_file()) {
        text += &format!("--- {:?}\n{}", name.file_name(), fs::read_to_string(name).expect("a file"));
    }
    fs::remove_dir_all(folder).expect("removing");
    fs::remove_file(out).expect("removing");
    text
}

fn host(script: &str, args: &[&str]) -> (String, u8) {
    let folder = folder("host");
    let out = folder.with_extension("out");
    let file = File::create(&out).expect("output");
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).arg("sh").args(args).current_dir(&folder).env_clear();
    command.env("PATH", std::env::var("PATH").unwrap_or_default());
    let status = command.stdin(Stdio::null()).stdout(file).stderr(Stdio::null()).status().expect("sh");
    (told(&folder, &out), status.code().unwrap_or(129) as u8)
}

/// Scripts, one a paragraph.
const SCRIPTS: &str = include_str!("scripts.txt");

#[test]
fn scripts_do_what_the_hosts_shell_does() {
    let args = ["one", "two words", "*"];
    let mut wrong = 0;
    for script in SCRIPTS.split("\n\n") {
        let (here, host) = (ours(script, &args), host(script, &args));
        if here != host {
            wrong += 1;
            println!("{script}\nhere: {here:?}\nhost: {host:?}\n");
        }
    }
    assert_eq!(wrong, 0, "scripts that do something else");
}
