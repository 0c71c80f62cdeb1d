//! The examples at work. `cargo test` builds them beside the tests.
mod common;
use common::{model, scratch, with_template, LAYOUT, PATH};
use skald::{stream_with, Conversation, Sampling, StreamOptions, Template};
use std::io::Write;
use std::process::{Command, Output, Stdio};

fn run(name: &str, arguments: &[&str], says: &str) -> Output {
    let own = std::env::current_exe().unwrap(); // in a folder below the one that has examples/
    let mut paths = own.ancestors().map(|folder| folder.join("examples").join(name));
    let path = paths.find(|path| path.is_file()).expect("cargo build --examples comes first");
    let mut command = Command::new(path);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(says.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn hello_says_what_generate_says() {
    let mut want = String::new();
    let hear = |text: &str| {
        want.push_str(text);
        true
    };
    model().generate("the sea", 128, &Sampling::default(), hear).unwrap();
    let told = run("hello", &[PATH, "the sea"], "");
    assert!(told.status.success());
    assert_eq!(String::from_utf8_lossy(&told.stdout), want + "\n");
    assert!(!run("hello", &["/nowhere.gguf", "the sea"], "").status.success());
}

#[test]
fn chat_answers_each_line_as_if_it_had_read_all() {
    let (model, layout) = (model(), scratch("chat.jinja", LAYOUT.as_bytes()));
    let template = Template::new(&model, Some(LAYOUT)).unwrap();
    let sampling = Sampling { temperature: 0.7, top_p: 0.95, ..Sampling::default() };
    let (mut said, mut want) = (Vec::new(), String::new());
    for line in ["hi", "the sea?"] {
        said.push(("user", line.to_string()));
        let messages: Vec<_> = said.iter().map(|(role, text)| (*role, text.as_str())).collect();
        let ids = template.encode(&Conversation::new(&messages)).unwrap();
        let options =
            StreamOptions { n_tokens: 12, sampling: sampling.clone(), special: true, ..StreamOptions::default() };
        let answer: String = stream_with(&model, &ids, &options).unwrap().map(Result::unwrap).collect();
        want += &format!("{answer}\n");
        said.push(("assistant", answer));
    }
    let told = run("chat", &[PATH, "12", layout.to_str().unwrap()], "hi\nthe sea?\n");
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    assert_eq!(String::from_utf8_lossy(&told.stdout), want);
    let own = scratch("chat.gguf", &with_template(LAYOUT));
    assert_eq!(run("chat", &[own.to_str().unwrap(), "12"], "hi\nthe sea?\n").stdout, want.as_bytes());
    let without = run("chat", &[PATH], "hi\n");
    assert!(!without.status.success() && !without.stderr.is_empty());
}
