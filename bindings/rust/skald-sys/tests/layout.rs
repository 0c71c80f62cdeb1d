//! Every struct lies as C has it: the C compiler is asked for each size and offset.
use std::fmt::Write;
use std::process::Command;

#[test]
fn structs_lie_as_in_c() {
    let (mut program, mut own) =
        (String::from("#include <skald/skald.h>\n#include <stddef.h>\n#include <stdio.h>\n"), String::new());
    program.push_str("int main(void) {\n");
    skald_sys::layouts(&mut |name, field, number| {
        let (what, label) = match field {
            Some(f) => {
                let f = f.trim_end_matches('_');
                (format!("offsetof({name}, {f})"), format!("{name}.{f}"))
            }
            None => (format!("sizeof({name})"), name.to_string()),
        };
        writeln!(program, "printf(\"{label} %zu\\n\", {what});").unwrap();
        writeln!(own, "{label} {number}").unwrap();
    });
    program.push_str("return 0; }\n");
    assert_eq!(ask_c(&program), own);
}

fn ask_c(program: &str) -> String {
    let folder = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let (source, binary) = (folder.join("layout.c"), folder.join("layout"));
    std::fs::write(&source, program).unwrap();
    let include = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../include");
    let cc = std::env::var("CC").unwrap_or_else(|_| "cc".into());
    let built = Command::new(cc).args(["-I", include, "-o"]).arg(&binary).arg(&source).status().unwrap();
    assert!(built.success());
    String::from_utf8(Command::new(&binary).output().unwrap().stdout).unwrap()
}

#[test]
fn versions_match() {
    // SAFETY: any thread, no arguments.
    let version = unsafe { skald_sys::skald_version() };
    assert_eq!(version >> 8, 1, "the crate speaks 0.1");
}
