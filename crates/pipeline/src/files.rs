//! Every file that a build of a server needs from elsewhere: what a vault holds.

use definition::Server;
use lock::Request;
use sandbox::Group;
use store::Item;

use crate::{Error, Session, locking, request};

/// The locked packages of `server` with their signatures, and the tools, sorted by digest.
///
/// # Errors
/// Those of the lock and of `tools.lock`.
pub fn files(session: &Session, server: &Server) -> Result<Vec<Item>, Error> {
    let lock = locking::current(&session.store, server, session.locked)?;
    let tools = session.tools()?;
    let mut items = lock.items();
    let mut groups = Group::BUILD.to_vec();
    if let Request::Arch(request) = request::of(server) {
        groups.push(Group::Pacman);
        if request.main_keys.is_empty() {
            items.push(lock::arch::main_keys());
        }
    }
    for group in groups {
        items.extend(tools.locked(group)?.items());
    }
    items.sort_by_key(|item| item.digest);
    items.dedup_by_key(|item| item.digest);
    Ok(items)
}
