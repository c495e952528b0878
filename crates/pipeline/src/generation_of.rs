//! A server's generation: lock, packages, config, manifest.

use std::panic::resume_unwind;

use definition::{Epoch, Server};
use generation::{Config, State, StateOption};
use image::Bundle;
use lock::Lock;

use crate::built::{Artefact, Built, Sizes};
use crate::{Error, Session, config, first_boot, locking, packages, programs, tree};

/// Builds the generation of `server`. What did not change is not made again.
///
/// # Errors
/// Those of the stages; what they had finished is kept.
pub fn generation(session: &Session, server: &Server) -> Result<Built, Error> {
    let mut lock = locking::current(&session.store, server, session.locked)?;
    let day = lock.date;
    // git reads history meanwhile.
    let (epoch, tools, sources) = std::thread::scope(|scope| {
        let epoch = scope.spawn(|| session.epoch(server, day));
        let tools = session.tools();
        let sources = programs::sources(session, server);
        (epoch.join().unwrap_or_else(|panic| resume_unwind(panic)), tools, sources)
    });
    let (epoch, tools, sources) = (epoch?, tools?, sources?);
    let programs = programs::all(session, &tools, &sources, server)?;
    let own = first_boot::rows(server, &lock)?;
    let tree = tree::tree(session, &tools, server, &lock, own)?;
    let ids = packages::complete_ids(session, server, &mut lock, &tree)?;
    let (package_layer, held_layer) = packages::layer(session, &tools, server, &lock, &tree, &ids)?;
    let (kernel, initramfs, held_boot) =
        packages::boot(session, &tools, server, &tree, &programs.init)?;
    let (config_layer, held_config) =
        config::layer(session, &tools, server, &tree, &ids, &programs, epoch)?;

    let sizes = Sizes {
        definition: server.definition_bytes,
        packages: package_layer.descriptor.size,
        config: config_layer.descriptor.size,
        boot: kernel.descriptor.size + initramfs.descriptor.size,
    };
    let begins = config::begins(server, &held_config)?;
    let (tree_archive, config_archive) = (tree.tar(), config::archive(&held_config));
    let artefacts = vec![
        Artefact::new("lock", server.lock_path()),
        Artefact::new("init", programs.init.path),
        Artefact::new("health check", programs.health.path),
        Artefact::new("agent", programs.agent.path),
        Artefact::new("package tree", &tree_archive),
        Artefact::new("package layer", &package_layer.path),
        Artefact::new("kernel", &kernel.path),
        Artefact::new("initramfs", &initramfs.path),
        Artefact::new("config files", &config_archive),
        Artefact::new("config layer", &config_layer.path),
    ];
    let (tree_key, secrets) = (tree.done.key, tree.facts.secrets);
    let mut held = vec![tree.done, held_layer, held_boot, held_config];
    held.extend(programs.held);
    let document = document(server, &lock, epoch)?;
    let bundle = Bundle::new(document, kernel, initramfs, vec![package_layer, config_layer])?;
    Ok(Built {
        generation: bundle.manifest().digest(),
        bundle,
        epoch: epoch.seconds(),
        sizes,
        begins,
        artefacts,
        tree: tree_archive,
        tree_key,
        packages: lock.packages_digest(),
        secrets,
        renumbering: ids.renumbering,
        config: config_archive,
        _held: held,
    })
}

// What a definition may ask for, a generation can have: nothing is built first and refused then.
const _: () = assert!(definition::LONGEST_CMDLINE <= generation::config::MAX_CMDLINE);

/// The generation's config blob.
fn document(server: &Server, lock: &Lock, epoch: Epoch) -> Result<Config, Error> {
    let cmdline: Vec<_> = server.cmdline.iter().map(ToString::to_string).collect();
    let state = server.state.iter().map(|state| State {
        path: state.path.to_string(),
        at: state.at.to_string(),
        seed: state.seed,
        options: state.options.iter().copied().map(option).collect(),
    });
    Ok(Config {
        server: server.name.to_string(),
        hostname: server.hostname.to_string(),
        board: server.board.name.to_string(),
        distribution: lock.distribution.clone(),
        architecture: lock.architecture.clone(),
        cmdline: cmdline.join(" "),
        // What `sha256sum server.lock` says.
        lock: packages::digest_of(&server.lock_path())?,
        epoch: epoch.seconds(),
        health_within: server.health.duration().as_secs(),
        state: state.collect(),
    })
}

fn option(option: definition::StateOption) -> StateOption {
    match option {
        definition::StateOption::Dev => StateOption::Dev,
        definition::StateOption::Exec => StateOption::Exec,
        definition::StateOption::Suid => StateOption::Suid,
    }
}
