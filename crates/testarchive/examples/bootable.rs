//! Makes the archive of a system that boots: `bootable TREE FOLDER`, with a `tree.tar` of a Debian
//! server, as builds leave it among their stages.

use std::path::Path;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [tree, folder] = words.as_slice() else {
        eprintln!("usage: bootable TREE FOLDER");
        std::process::exit(2);
    };
    let keys = testarchive::Keys::generate();
    let made = testarchive::bootable(Path::new(tree), Path::new(folder), &keys);
    println!("{} packages", made.repackaged.packages.len());
}
