//! Prints a lock: `cargo run -p heirloom-archive --example lock -- SUITE POCKETS DATE PACKAGE...`
//!
//! POCKETS is a list with commas, or `-`. `--closure` before SUITE leaves the Essential packages
//! out, as for a tool root.

use archive::debian;
use lock::debian::Request;

fn main() {
    if let Err(error) = run() {
        let mut cause: Option<&dyn std::error::Error> = Some(error.as_ref());
        while let Some(error) = cause {
            eprintln!("error: {error}");
            cause = error.source();
        }
        std::process::exit(1);
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let closure = arguments.first().is_some_and(|first| first == "--closure");
    arguments.drain(..usize::from(closure));
    let [suite, pockets, date, packages @ ..] = arguments.as_slice() else {
        return Err("usage: lock [--closure] SUITE POCKETS DATE PACKAGE...".into());
    };
    let mut request = Request::new(suite, "amd64", date.parse()?);
    let pockets = pockets.split(',').filter(|pocket| *pocket != "-");
    request.pockets = pockets.map(str::parse).collect::<Result<_, _>>()?;
    request.install = packages.iter().map(|name| name.parse()).collect::<Result<_, _>>()?;
    request.essential = !closure;
    let store = store::Store::open(store::Options::from_environment()?)?;
    let lock = debian::resolve(&store, &request, None)?;
    print!("{}", lock.text("NAME"));
    Ok(())
}
