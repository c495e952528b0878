//! Kernels for real machines: the web server with Debian's kernels, on each kind of disk that QEMU
//! has.
//!
//! ```text
//! cargo test -p webserver --test kernels              linux-image-amd64, up to a healthy server
//! cargo test -p webserver --test kernels -- --all     all kernels on all disks, up to the handover;
//!                                                     half an hour; writes docs/reference/kernels.md
//! cargo test -p webserver --test kernels -- trixie    those whose name has the word
//! cargo test -p webserver --test kernels -- trixie disk=sd   on such a disk alone; other rows stay
//! ```

mod boots;
mod initramfs;
mod sorts;
mod table;

use std::process::ExitCode;

use anyhow::Result;
use sorts::KERNELS;
use testbed::DiskKind;

/// What a word begins with that names a disk.
const DISK: &str = "disk=";

/// What is tried where nothing is named.
const TEST: &str = "linux_image_amd64_is_a_healthy_server";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |option: &str| arguments.iter().any(|argument| argument == option);
    if has("--list") {
        println!("{TEST}: test");
        return ExitCode::SUCCESS;
    }
    let words: Vec<&String> = arguments.iter().filter(|word| !word.starts_with('-')).collect();
    let done = match has("--all") || !words.is_empty() {
        true => matrix(&words),
        false => boots::is_healthy().map(|()| {
            println!("test {TEST} ... ok");
            true
        }),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:?}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all machines that can boot did.
fn matrix(words: &[&String]) -> Result<bool> {
    let (disks, words): (Vec<&String>, Vec<&String>) =
        words.iter().partition(|word| word.starts_with(DISK));
    let disks: Vec<DiskKind> =
        disks.iter().map(|word| word[DISK.len()..].parse()).collect::<Result<_, _>>()?;
    let mut good = true;
    for kernel in &KERNELS {
        if !words.is_empty() && !words.iter().any(|word| kernel.name().contains(word.as_str())) {
            continue;
        }
        let boots = boots::of(kernel, &disks)?;
        good &= boots.iter().all(|boot| boot.is_good());
        table::write(kernel, &boots)?;
    }
    Ok(good)
}
