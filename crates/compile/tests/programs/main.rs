//! A small workspace, compiled by the tool root's compiler: in two places, with two neighbours,
//! before and after edits.

#![cfg(test)]

mod workspace;

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use compile::Target;
use digest::Digest;
use libtest_mimic::{Arguments, Failed, Trial};
use sandbox::Tools;
use stage::Cache;
use store::{Options, Store};
use workspace::Workspace;

type Outcome = Result<(), Failed>;

fn main() {
    sandbox::serve(&[]);
    let trials = vec![
        Trial::test("a_program_is_static_and_runs", || with_tools(is_static_and_runs)),
        Trial::test("two_workspaces_give_the_same_bytes", || with_tools(same_bytes)),
        Trial::test("an_edit_of_a_local_dependency_compiles_again", || with_tools(edits)),
        Trial::test("a_package_from_git_is_compiled_with_what_it_needs", || with_tools(from_git)),
        Trial::test("a_package_that_is_not_there_is_named", || with_tools(unknown_package)),
        Trial::test("an_error_of_the_compiler_is_shown", || with_tools(compiler_error)),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn with_tools(test: fn(&Tools<'_>) -> Result<(), Box<dyn Error>>) -> Outcome {
    let run = || -> Result<(), Box<dyn Error>> {
        let store = Store::open(Options::from_environment()?)?;
        test(&Tools::open(repository(), &store)?)
    };
    run().map_err(|error| error.to_string().into())
}

/// The workspace that this test belongs to.
fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
}

fn compiled(
    tools: &Tools<'_>,
    workspace: &Workspace,
    cache: &Cache,
) -> Result<PathBuf, compile::Error> {
    compiled_without(tools, workspace, cache, &BTreeSet::new())
}

fn compiled_without(
    tools: &Tools<'_>,
    workspace: &Workspace,
    cache: &Cache,
    left_out: &BTreeSet<PathBuf>,
) -> Result<PathBuf, compile::Error> {
    let packages = [workspace::PACKAGE];
    let sources = compile::Workspace::read(workspace.root())?.without(left_out.clone());
    let ([program], _held) = compile::programs(tools, cache, &sources, packages, Target::X86_64)?;
    let bytes = fs::read(&program.path).unwrap();
    assert_eq!(program.digest, Digest::of(bytes));
    Ok(program.path)
}

fn is_static_and_runs(tools: &Tools<'_>) -> Result<(), Box<dyn Error>> {
    let workspace = Workspace::new("first");
    let program = compiled(tools, &workspace, &workspace.cache())?;
    let bytes = fs::read(&program)?;
    assert!(!wants_interpreter(&bytes), "a dynamic loader is asked for");
    assert!(!contains(&bytes, b"/work/"), "no path of the build");
    if cfg!(target_arch = "x86_64") {
        let output = Command::new(&program).output()?;
        assert_eq!(String::from_utf8(output.stdout)?, "7 of leaf\n");
    }
    Ok(())
}

fn same_bytes(tools: &Tools<'_>) -> Result<(), Box<dyn Error>> {
    let (here, there) = (Workspace::new("here"), Workspace::new("a/longer path/there"));
    there.write("crates/other/Cargo.toml", &workspace::manifest("other", "itoa = \"1\""));
    there.write("crates/other/src/lib.rs", "compile_error!(\"nobody compiles this\");");
    there.write("guest/program/tests/run.rs", "compile_error!(\"nor this\");");
    there.lock();
    let ours = fs::read(compiled(tools, &here, &here.cache())?)?;
    let theirs = fs::read(compiled(tools, &there, &there.cache())?)?;
    assert!(ours == theirs, "the programs differ");
    Ok(())
}

fn edits(tools: &Tools<'_>) -> Result<(), Box<dyn Error>> {
    let workspace = Workspace::new("edited");
    let cache = workspace.cache();
    let before = compiled(tools, &workspace, &cache)?;
    workspace.write("README.md", "words");
    workspace.write("guest/program/rootfs/etc/motd", "words");
    assert_eq!(compiled(tools, &workspace, &cache)?, before);
    let mut left_out = BTreeSet::new();
    for path in ["crates/leaf/build.rs", "crates/leaf/src/lib.rs~", "crates/leaf/src/old/a.rs"] {
        workspace.write(path, "compile_error!(\"nobody compiles this\");");
        left_out.insert(workspace.root().join(path.trim_end_matches("/a.rs")));
    }
    assert_eq!(compiled_without(tools, &workspace, &cache, &left_out)?, before);
    workspace.write("crates/leaf/src/lib.rs", "pub const NAME: &str = \"another\";");
    let after = compiled_without(tools, &workspace, &cache, &left_out)?;
    assert_ne!(after, before);
    let hits: Vec<bool> = cache.timings().iter().map(|timing| timing.hit).collect();
    assert_eq!(hits, [false, true, true, false]);
    let why = &cache.timings()[3].why;
    assert!(why.iter().any(|line| line.contains("sources of leaf")), "{why:?}");
    Ok(())
}

fn from_git(tools: &Tools<'_>) -> Result<(), Box<dyn Error>> {
    let workspace = Workspace::new("with-git");
    workspace.depend_on_git();
    let program = compiled(tools, &workspace, &workspace.cache())?;
    if cfg!(target_arch = "x86_64") {
        let output = Command::new(&program).output()?;
        assert_eq!(String::from_utf8(output.stdout)?, "hello 7 by leaf\n");
    }
    Ok(())
}

fn unknown_package(tools: &Tools<'_>) -> Result<(), Box<dyn Error>> {
    let workspace = Workspace::new("unknown");
    let cache = workspace.cache();
    let sources = compile::Workspace::read(workspace.root())?;
    let answer = compile::programs(tools, &cache, &sources, ["nobody"], Target::X86_64);
    let error = answer.unwrap_err();
    assert!(matches!(error, compile::Error::NoPackage { .. }), "{error}");
    assert!(error.to_string().contains("nobody"), "{error}");
    Ok(())
}

fn compiler_error(tools: &Tools<'_>) -> Result<(), Box<dyn Error>> {
    let workspace = Workspace::new("wrong");
    workspace.write("crates/leaf/src/lib.rs", "pub const NAME: &str = 7;");
    let mut error: &dyn Error = &compiled(tools, &workspace, &workspace.cache()).unwrap_err();
    let mut chain = error.to_string();
    while let Some(source) = error.source() {
        chain += &source.to_string();
        error = source;
    }
    assert!(chain.contains("E0308") && chain.contains("crates/leaf/src/lib.rs"), "{chain}");
    Ok(())
}

/// Whether a 64-bit ELF program has a PT_INTERP segment (elf(5)).
fn wants_interpreter(elf: &[u8]) -> bool {
    const PT_INTERP: u32 = 3;
    assert!(elf.starts_with(b"\x7fELF\x02\x01"));
    let half = |at: usize| usize::from(u16::from_le_bytes(elf[at..at + 2].try_into().unwrap()));
    let headers = u64::from_le_bytes(elf[32..40].try_into().unwrap()) as usize;
    (0..half(56)).any(|number| {
        let at = headers + number * half(54);
        u32::from_le_bytes(elf[at..at + 4].try_into().unwrap()) == PT_INTERP
    })
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
