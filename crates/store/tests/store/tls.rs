//! https with a certificate that only the environment knows.

use crate::through_proxies::{tunnel, with};
use crate::{cache, content, held, item, options};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use std::io::{BufReader, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use store::Store;

/// A server for `localhost` and `mirror.invalid`, whose certificate a root of its own has signed.
/// Answers every request with `bytes`. Returns its port and the root in PEM.
fn serve(bytes: Vec<u8>) -> (u16, String) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned(), "mirror.invalid".to_owned()];
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &root).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || -> std::io::Result<()> {
        for stream in listener.incoming() {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = rustls::StreamOwned::new(connection, stream?);
            // A client that does not trust us ends here.
            let Ok(Some(_)) = crate::server::read_request(&mut BufReader::new(&mut stream)) else {
                continue;
            };
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", bytes.len())?;
            stream.write_all(&bytes)?;
            stream.conn.send_close_notify();
            stream.flush()?;
        }
        Ok(())
    });
    (port, root.pem())
}

#[test]
fn a_root_of_the_environment_is_trusted_and_a_strange_one_is_not() {
    let (bytes, folder) = (content("a", 1000), tempfile::tempdir().unwrap());
    let wanted = item("a.deb", &bytes);
    let (port, root) = serve(bytes.clone());
    let file = folder.path().join("root.crt");
    std::fs::write(&file, root).unwrap();
    let mirror = format!("https://localhost:{port}");

    let file = file.display().to_string();
    let directory = folder.path().display().to_string();
    for variable in [("SSL_CERT_FILE", &*file), ("SSL_CERT_DIR", &*directory)] {
        let cache = cache();
        let options = with(options(&cache).mirror("debian", &mirror), &[variable]);
        let store = Store::open(options).unwrap();
        store.fetch(std::slice::from_ref(&wanted)).unwrap();
        assert_eq!(held(&store, &wanted).as_ref(), Some(&bytes), "{variable:?}");
    }

    let cache = cache();
    let store = Store::open(options(&cache).mirror("debian", &mirror)).unwrap();
    let error = store.fetch(&[wanted]).unwrap_err().to_string();
    assert!(error.contains("cannot be reached: invalid peer certificate"), "{error}");
}

#[test]
fn https_goes_through_a_tunnel_of_the_proxy() {
    let (cache, bytes) = (cache(), content("a", 1000));
    let (port, root) = serve(bytes.clone());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("root.crt");
    std::fs::write(&file, root).unwrap();
    let (proxy, asked) = tunnel(port);
    let options = options(&cache).mirror("debian", "https://mirror.invalid");
    let file = file.display().to_string();
    let variables = [("HTTPS_PROXY", &*proxy), ("SSL_CERT_FILE", &*file)];
    let store = Store::open(with(options, &variables)).unwrap();
    let wanted = item("a.deb", &bytes);
    store.fetch(std::slice::from_ref(&wanted)).unwrap();
    assert_eq!(held(&store, &wanted), Some(bytes));
    assert_eq!(asked.recv().unwrap(), "CONNECT mirror.invalid:443 HTTP/1.1");
}
