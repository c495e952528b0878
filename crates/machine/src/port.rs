//! Ports of this host.

use std::net::{Ipv4Addr, TcpListener};

use crate::error::{Error, Result};

/// As many ports of the loopback as `wanted`, all different and free a moment ago.
pub(crate) fn free(wanted: usize) -> Result<Vec<u16>> {
    let bound: std::io::Result<Vec<TcpListener>> =
        (0..wanted).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect();
    let ports: std::io::Result<Vec<u16>> =
        bound.and_then(|bound| bound.iter().map(|one| Ok(one.local_addr()?.port())).collect());
    ports.map_err(Error::io("find", "a free port"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn free_ports_are_different_and_can_be_bound() {
        let ports = super::free(20).unwrap();
        assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), 20);
        std::net::TcpListener::bind(("127.0.0.1", ports[0])).unwrap();
    }
}
