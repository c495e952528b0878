//! Ports of this host.

use std::net::{Ipv4Addr, TcpListener};

use crate::error::{Error, Result};

/// A port of the machine that is reached at one of this host's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Forward {
    /// Of this host; none: any that is free.
    pub(crate) here: Option<u16>,
    /// Of the machine.
    pub(crate) there: u16,
}

/// A port of the loopback for each of `wanted`: the one that it names, or one that was free a
/// moment ago.
pub(crate) fn assigned(wanted: &[Forward]) -> Result<Vec<(u16, u16)>> {
    // Held until all are found, so that no free one is a named one.
    let named: Vec<_> = wanted.iter().filter_map(|it| it.here).map(bind).collect::<Result<_>>()?;
    let mut free = free(wanted.len() - named.len())?.into_iter();
    let port = |it: &Forward| Some((it.here.or_else(|| free.next())?, it.there));
    Ok(wanted.iter().filter_map(port).collect())
}

fn bind(port: u16) -> Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|source| Error::Port { port, source })
}

/// As many ports of the loopback as `wanted`, all different and free a moment ago.
fn free(wanted: usize) -> Result<Vec<u16>> {
    let bound: std::io::Result<Vec<TcpListener>> =
        (0..wanted).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect();
    let ports: std::io::Result<Vec<u16>> =
        bound.and_then(|bound| bound.iter().map(|one| Ok(one.local_addr()?.port())).collect());
    ports.map_err(Error::io("find", "a free port"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn free_ports_are_different_and_can_be_bound() {
        let ports = free(20).unwrap();
        assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), 20);
        TcpListener::bind(("127.0.0.1", ports[0])).unwrap();
    }

    #[test]
    fn a_named_port_is_that_port_and_refused_when_it_is_taken() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let here = taken.local_addr().unwrap().port();
        let wanted = [Forward { here: None, there: 22 }, Forward { here: Some(here), there: 80 }];
        let error = assigned(&wanted).unwrap_err();
        assert_eq!(error.to_string(), format!("port {here} of this machine cannot be used"));
        assert!(error.hint().unwrap().contains("--forward"));
        drop(taken);
        let ports = assigned(&wanted).unwrap();
        assert_eq!((ports[0].1, ports[1]), (22, (here, 80)));
        assert_ne!(ports[0].0, here);
    }
}
