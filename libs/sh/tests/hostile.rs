// SPDX-License-Identifier: BSD-2-Clause
//! Texts that nobody would write: whatever they are, the parser and the interpreter come to an end, and say so.

use ebb_sh::{Access, Interpreter, Streams, Variables, World, builtins, parse};
use proptest::prelude::*;

/// A system on which everything succeeds and nothing happens, and on which Control-C is typed after a while: a script may well be an endless loop.
struct Nothing {
    patience: u32,
}

impl World for Nothing {
    type File = ();
    type Process = ();

    fn is_builtin(&self, name: &str) -> bool {
        builtins::NAMES.contains(&name)
    }
    fn builtin(&mut self, words: &[String], _: &Streams<()>, variables: &mut Variables) -> Option<u8> {
        Some(builtins::run(words, variables, &mut |_, _| None).unwrap_or(2))
    }
    fn spawn(&mut self, words: &[String], _: Vec<(String, String)>, _: &Streams<()>) -> Result<(), u8> {
        if words.concat().contains('a') { Err(127) } else { Ok(()) }
    }
    fn spawn_shell(
        &mut self,
        text: &str,
        _: &[String],
        _: Vec<(String, String)>,
        _: &Streams<()>,
    ) -> Result<(), u8> {
        // What is handed on was understood as a part of the whole, so it is understood by itself.
        assert!(parse(text).is_ok(), "handed on: {text:?}: {:?}", parse(text));
        Ok(())
    }
    fn wait(&mut self, processes: Vec<()>) -> Option<u8> {
        Some(processes.len() as u8 % 2)
    }
    fn background(&mut self, (): (), _: &str) -> u32 {
        7
    }
    fn pipe(&mut self) -> Result<((), ()), String> {
        Ok(((), ()))
    }
    fn open(&mut self, path: &str, _: Access) -> Result<(), String> {
        if path.contains('b') { Err(String::from("no")) } else { Ok(()) }
    }
    fn read_all(&mut self, (): ()) -> Result<Vec<u8>, String> {
        Ok(b"a *\n\xff".to_vec())
    }
    fn list(&mut self, _: &str) -> Vec<String> {
        ["a", "b.c", ".h"].map(String::from).to_vec()
    }
    fn exists(&mut self, path: &str) -> bool {
        path.len().is_multiple_of(2)
    }
    fn complain(&mut self, text: &str) {
        assert!(!text.is_empty());
    }
    fn interrupted(&mut self) -> bool {
        self.patience = self.patience.saturating_sub(1);
        self.patience == 0
    }
    fn time(&mut self, _: Option<u64>) -> u64 {
        0
    }
}

fn run(text: &str) -> u8 {
    let mut variables = Variables::new(&[("x".into(), "a b".into())]);
    variables.set("y", "it's");
    variables.args = ["1", "two words", "*"].map(String::from).to_vec();
    Interpreter::new(Nothing { patience: 200 }, variables).run(text)
}

/// Pieces of which scripts are made.
const TOKENS: &[&str] = &[
    " ", " ", " ", "\n", ";", ";;", "&", "&&", "|", "||", "!", "(", ")", "{", "}", "<", ">", ">>", "2>",
    ">&2", "<<", "\\", "'", "\"", "`", "$", "${", "$(", "$((", "))", "#", "##", "%", ":-", ":=", ":?", "+",
    "*", "?", "[", "]", "a", "b", "x", "x=", "$x", "$@", "\"$@\"", "$?", "1", "3", "-", "if", "then", "elif",
    "else", "fi", "for", "in", "do", "done", "while", "until", "case", "esac", "repeat", "time", "é",
];

fn soup() -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(TOKENS), 0..40).prop_map(|tokens| tokens.concat())
}

/// Words of all kinds.
const WORDS: &[&str] =
    &["a", "$x", "\"$x\"", "'q w'", "${x#a}", "$((x+1))", "$(c)", "*", "\"$@\"", "${y:-z}", "\\;", "\"}\""];

/// Scripts that are right, of all constructions.
fn script() -> impl Strategy<Value = String> {
    let word = proptest::sample::select(WORDS);
    let simple = proptest::collection::vec(word.clone(), 1..4).prop_map(|w| format!("c {}", w.join(" ")));
    simple.prop_recursive(4, 24, 3, move |inner| {
        let two = (inner.clone(), inner.clone());
        prop_oneof![
            two.clone().prop_map(|(a, b)| format!("{a}; {b}")),
            two.clone().prop_map(|(a, b)| format!("( {a} ) && {{ {b}; }}")),
            two.clone().prop_map(|(a, b)| format!("( {a} ) | {{ {b}\n}} || ! c")),
            two.clone().prop_map(|(a, b)| format!("if {a}; then {b}; else c; fi")),
            two.prop_map(|(a, b)| format!("while {a}; do {b}; break; done > f")),
            (word.clone(), inner.clone()).prop_map(|(w, a)| format!("for v in {w}; do {a}; done")),
            (word.clone(), inner.clone()).prop_map(|(w, a)| format!("case {w} in {w}|z) {a};; *) c;; esac")),
            inner.clone().prop_map(|a| format!("( {a} ) & c")),
            inner.prop_map(|a| format!("repeat 2 {{ {a}; }}; c \"$( {a})\" 2>&1")),
        ]
    })
}

proptest! {
    #[test]
    fn any_text_comes_to_an_end(text in any::<String>()) {
        run(&text);
    }

    #[test]
    fn any_tokens_come_to_an_end(text in soup()) {
        run(&text);
    }

    #[test]
    fn what_is_right_is_understood(text in script()) {
        prop_assert!(parse(&text).is_ok(), "{:?}", parse(&text));
        run(&text);
    }
}

#[test]
fn deep_nesting_is_an_error() {
    for open in [
        "(",
        "{ ",
        "$(",
        "${x:-",
        "$((",
        "if ",
        "while ",
        "repeat 2 ",
        "time ",
        "\"$(",
        "case a in a) ",
        "a=$(",
    ] {
        let error = parse(&open.repeat(100_000)).expect_err("too deep");
        assert_eq!(error.line, 1, "{open}");
    }
}

#[test]
fn errors_say_the_line() {
    for (text, line) in [("a\nb\nfi", 3), ("a\n\nb | | c", 3), ("if a\nthen b\n", 3), ("a\n(b", 2)] {
        assert_eq!(parse(text).expect_err("wrong").line, line, "{text}");
    }
    assert_eq!(run("a\nfi"), 2);
}

#[test]
fn a_script_of_many_lines_takes_time_in_proportion() {
    let text = "c a b\n".repeat(100_000);
    assert_eq!(parse(&text).map(|list| list.len()), Ok(100_000));
}

#[test]
fn the_first_failure_is_a_scripts_status() {
    let script = |text| Interpreter::new(Nothing { patience: 200 }, Variables::default()).script(text);
    assert_eq!(script("true; test x -eq y; false; true"), 2);
    assert_eq!(script("if false; then true; fi; false || true"), 0);
    assert_eq!(script("true; { false; true; }; true"), 0);
    assert_eq!(script("exit 3; false"), 3);
}

#[test]
fn control_c_is_a_status() {
    let mut interpreter = Interpreter::new(Nothing { patience: 50 }, Variables::default());
    assert_eq!(interpreter.run("while true; do x=1; done"), 130);
    assert_eq!(interpreter.variables.status, 130);
}

/// What a person has typed is asked for more exactly as long as more can make it right.
#[test]
fn the_beginning_of_something_is_told_from_a_mistake() {
    for text in [
        "if true",
        "if true; then\n",
        "for i in 1 2; do echo $i\n",
        "while\n",
        "case x in\n",
        "case x in x) echo",
        "{ echo a\n",
        "(echo a\n",
        "echo 'open\n",
        "echo \"open\n",
        "echo $(date\n",
        "echo `date\n",
        "echo a |\n",
        "true &&\n",
        "true ||",
        "echo joined \\\n",
        "echo \\",
    ] {
        assert!(ebb_sh::is_incomplete(text), "{text:?}");
    }
    for text in [
        "",
        "echo a\n",
        "fi\n",
        "if true; fi\n",
        "echo )\n",
        "for 1 in\n",
        "echo \\\\\n",
        "done",
        "a | | b\n",
        "case x in esac\n",
        "true && ; true\n",
    ] {
        assert!(!ebb_sh::is_incomplete(text), "{text:?}");
    }
}
