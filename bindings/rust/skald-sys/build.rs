//! Where the library is. SKALD_LIB_DIR names a folder; the feature `bundled` compiles the sources; else pkg-config knows.
//! Nothing but the tools themselves is needed: no crate is.
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-env-changed=SKALD_LIB_DIR");
    if env::var_os("CARGO_FEATURE_BUNDLED").is_some() {
        bundled();
    } else if let Ok(folder) = env::var("SKALD_LIB_DIR") {
        println!("cargo:rustc-link-search=native={folder}");
        println!("cargo:rustc-link-lib=dylib=skald");
    } else {
        installed();
    }
}

fn installed() {
    let told = Command::new("pkg-config").args(["--libs", "skald"]).output();
    let told = told.expect("pkg-config is missing: set SKALD_LIB_DIR, or use the feature `bundled`");
    let complaint = String::from_utf8_lossy(&told.stderr);
    assert!(
        told.status.success(),
        "skald is not installed ({complaint}): set SKALD_LIB_DIR, or use the feature `bundled`"
    );
    for word in String::from_utf8_lossy(&told.stdout).split_whitespace() {
        if let Some(folder) = word.strip_prefix("-L") {
            println!("cargo:rustc-link-search=native={folder}");
        } else if let Some(library) = word.strip_prefix("-l") {
            println!("cargo:rustc-link-lib={library}");
        }
    }
}

/// The sources lie in `vendor` in a package, three folders up in the repository. Options as in CMakeLists.txt.
fn bundled() {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap());
    let root =
        [here.join("vendor"), here.join("../../..")].into_iter().find(|r| r.join("include/skald/skald.h").exists());
    let root = root.expect("the sources of skald are neither in vendor/ nor three folders up");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap());
    let mut sources = Vec::new();
    for room in ["lib", "backends"] {
        find_sources(&root.join(room), &mut sources);
    }
    let objects = compile(&root, &out, &sources);
    let archive = out.join("libskald.a");
    let _ = std::fs::remove_file(&archive);
    let ar = env::var("AR").unwrap_or_else(|_| "ar".into());
    run(Command::new(ar).arg("crs").arg(&archive).args(&objects));
    for room in ["include", "lib", "backends"] {
        println!("cargo:rerun-if-changed={}", root.join(room).display());
    }
    for tool in ["CC", "AR"] {
        println!("cargo:rerun-if-env-changed={tool}");
    }
    println!("cargo:rustc-link-search=native={}", out.display());
    println!("cargo:rustc-link-lib=static=skald");
    println!("cargo:rustc-link-lib=pthread");
    println!("cargo:rustc-link-lib=dl");
    println!("cargo:include={}", root.join("include").display());
}

fn find_sources(folder: &Path, found: &mut Vec<PathBuf>) {
    let (x86, arm) = (machine() == "x86_64", machine() == "aarch64");
    for entry in std::fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let leaf = name.starts_with("avx") || name == "amx";
        let wanted = name != "cuda" && (x86 || !leaf) && (arm || name != "neon");
        if path.is_dir() && wanted {
            find_sources(&path, found);
        } else if name.ends_with(".c") {
            found.push(path);
        }
    }
}

fn machine() -> String {
    env::var("CARGO_CFG_TARGET_ARCH").unwrap()
}

fn compile(root: &Path, out: &Path, sources: &[PathBuf]) -> Vec<PathBuf> {
    let cc = env::var("CC").unwrap_or_else(|_| "cc".into());
    let objects: Vec<_> = (0..sources.len()).map(|n| out.join(format!("{n}.o"))).collect();
    let next = std::sync::atomic::AtomicUsize::new(0);
    let threads: usize = env::var("NUM_JOBS").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| loop {
                let n = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                if n >= sources.len() {
                    break;
                }
                let mut command = Command::new(&cc);
                command.args([
                    "-std=c11",
                    "-O3",
                    "-fPIC",
                    "-ffp-contract=off",
                    "-fno-math-errno",
                    "-fvisibility=hidden",
                    "-fno-stack-protector",
                    "-U_FORTIFY_SOURCE",
                    "-fno-asynchronous-unwind-tables",
                    "-ffunction-sections",
                    "-fdata-sections",
                ]);
                command.args(["-DSKALD_BUILDING", "-D_FILE_OFFSET_BITS=64"]);
                for folder in ["include", "lib", ""] {
                    command.arg("-I").arg(root.join(folder));
                }
                run(command.arg("-c").arg(&sources[n]).arg("-o").arg(&objects[n]));
            });
        }
    });
    objects
}

fn run(command: &mut Command) {
    let status = command.status().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(status.success(), "{command:?} failed");
}
