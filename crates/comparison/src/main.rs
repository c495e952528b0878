//! `cargo xtask compare-packages`: measures package trees by what apt makes of the same packages.
//!
//! A program of its own, so that nobody who builds a server waits for it to be compiled.

mod error_text;
mod measure;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use comparison::boot;
use comparison::list::List;
use comparison::results::Results;
use comparison::table;
use pipeline::{Options, Session};

/// Measures package trees by what apt makes of the same packages.
#[derive(Parser)]
struct Arguments {
    /// The lists, by their names.
    lists: Vec<String>,
    /// Run only these rows.
    #[arg(long)]
    only: Vec<String>,
    /// Run these columns.
    #[arg(long, value_delimiter = ',')]
    columns: Vec<Column>,
    /// With what is recommended, too, or nothing else.
    #[arg(long, default_value = "without")]
    recommends: Recommends,
    /// Run rows again that have not changed.
    #[arg(long)]
    again: bool,
    /// Print results as JSON.
    #[arg(long)]
    json: bool,
    #[arg(long)]
    offline: bool,
    #[arg(long)]
    locked: bool,
    #[arg(long)]
    vault: Vec<PathBuf>,
    /// Builds the tree that a file describes, in other surroundings.
    #[arg(long, hide = true)]
    build: Option<PathBuf>,
    /// Boots the row that a file describes.
    #[arg(long, hide = true)]
    boot: Option<PathBuf>,
}

/// What is found out of a row.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Column {
    Locked,
    Built,
    Equal,
    Verified,
    Booted,
}

/// Which of the two rows of a name.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Recommends {
    Without,
    With,
    Both,
}

fn main() -> Result<ExitCode> {
    sandbox::serve(&[
        sandbox::JobEntry::of::<rootfs::debian::Packages>(),
        sandbox::JobEntry::of::<comparison::apt::Apt>(),
    ]);
    let arguments = Arguments::parse();
    if let Some(job) = &arguments.build {
        measure::build_elsewhere(job)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(definition) = &arguments.boot {
        let units = boot::failed_units(&std::fs::read_to_string(definition)?)?;
        println!("{}", serde_json::to_string(&units)?);
        return Ok(ExitCode::SUCCESS);
    }
    let options = Options {
        offline: arguments.offline,
        locked: arguments.locked,
        vaults: arguments.vault.clone(),
        ..Options::default()
    };
    let session = Session::open(Path::new("."), &options)?;
    let scratch = session.cache.root().join("scratch");
    std::fs::create_dir_all(&scratch)?;
    sandbox::set_scratch_parent(scratch);
    for name in &arguments.lists {
        run(&session, name, &arguments)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn run(session: &Session, name: &str, arguments: &Arguments) -> Result<()> {
    let root = session.workspace.root();
    let folder = root.join("crates/comparison");
    let list = List::read(&folder.join("lists").join(format!("{name}.toml")))?;
    let path = folder.join("results").join(format!("{name}.toml"));
    let page = root.join("docs/reference").join(format!("packages-{name}.md"));
    let with: &[bool] = match arguments.recommends {
        Recommends::Without => &[false],
        Recommends::With => &[true],
        Recommends::Both => &[false, true],
    };
    let mut columns = arguments.columns.clone();
    if columns.is_empty() {
        columns = Column::value_variants().to_vec();
    }
    for only in &arguments.only {
        let known = list.parsed.iter().any(|(row, _)| row == only);
        anyhow::ensure!(known, "there is no row `{only}` in the list `{name}`");
    }
    for (row_name, row) in &list.parsed {
        if !arguments.only.is_empty() && !arguments.only.contains(row_name) {
            continue;
        }
        for &recommends in with {
            // Other runs may have written meanwhile.
            let before = Results::read(&path)?;
            let measured = measure::Measure {
                session,
                list: &list,
                name: row_name,
                row,
                recommends,
                columns: &columns,
                again: arguments.again,
            };
            let Some(measured) = measured.run(before.row(row_name, recommends))? else { continue };
            let mut results = Results::read(&path)?;
            results.put(measured);
            sort(&mut results, &list);
            results.write(&path)?;
            std::fs::write(&page, table::page(&list, &results))
                .with_context(|| format!("could not write `{}`", page.display()))?;
        }
    }
    let mut results = Results::read(&path)?;
    for row in &mut results.rows {
        if let Some((_, asked)) = list.parsed.iter().find(|(name, _)| *name == row.name) {
            row.judge_boot(&asked.fails);
        }
    }
    results.write(&path)?;
    std::fs::write(&page, table::page(&list, &results))?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&results)?);
    }
    Ok(())
}

/// Rows come in the order of the list; those that left it are gone.
fn sort(results: &mut Results, list: &List) {
    let place = |name: &str| list.parsed.iter().position(|(row, _)| row == name);
    results.rows.retain(|row| place(&row.name).is_some());
    results.rows.sort_by_key(|row| (place(&row.name), row.recommends));
}
