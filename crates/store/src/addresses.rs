//! Addresses of hosts, looked up once for each host while a command runs.
//!
//! ureq looks a host up before every request, also when a connection to it is open. Hundreds of
//! lookups at a time are more than many a resolver answers, and a lost answer costs five seconds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// What is known of hosts, shared by all agents of a client.
#[derive(Clone, Debug, Default)]
pub(crate) struct Addresses(Arc<Mutex<HashMap<(String, String), ResolvedSocketAddrs>>>);

impl Resolver for Addresses {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let text = |part: Option<&str>| part.unwrap_or_default().to_ascii_lowercase();
        // The scheme stands for the port, when there is none.
        let host = (text(uri.scheme_str()), text(uri.authority().map(|a| a.as_str())));
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(addresses) = known().get(&host) {
            return Ok(addresses.clone());
        }
        let addresses = DefaultResolver::default().resolve(uri, config, timeout)?;
        known().insert(host, addresses.clone());
        Ok(addresses)
    }
}

/// Gives the address of a proxy, whatever the request is for.
#[derive(Debug)]
pub(crate) struct ToProxy {
    /// The proxy.
    pub(crate) proxy: Uri,
    /// What is known.
    pub(crate) addresses: Addresses,
}

impl Resolver for ToProxy {
    fn resolve(
        &self,
        _target: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        self.addresses.resolve(&self.proxy, config, timeout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    #[test]
    fn a_host_that_is_known_is_not_looked_up() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let head = BufReader::new(stream.try_clone().unwrap()).lines();
            assert!(head.map_while(Result::ok).any(|line| line.is_empty()));
            stream.write_all(b"HTTP/1.1 204 None\r\n\r\n").unwrap();
        });
        // RFC 6761: nobody knows this name.
        let known = Addresses::default();
        let mut found = ResolvedSocketAddrs::from_fn(|_| address);
        found.push(address);
        known.0.lock().unwrap().insert(("http".into(), "mirror.invalid".into()), found);
        let agent = ureq::Agent::with_parts(
            Config::default(),
            ureq::unversioned::transport::DefaultConnector::new(),
            known,
        );
        assert_eq!(agent.get("http://Mirror.invalid/").call().unwrap().status(), 204);
        server.join().unwrap();
    }
}
