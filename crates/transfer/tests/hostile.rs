//! Ends that do not keep to the protocol.

#![cfg(test)]

mod fake;

use digest::Digest;
use fake::{Generation, Server, generation, noise};
use proptest::prelude::*;
use serde_json::{Value, json};
use transfer::{Client, Error};

/// What the server says when `lines` are all that comes, and how it ends.
fn said(server: &Server, lines: &[Value], bytes: &[u8]) -> (String, transfer::Result<()>) {
    let mut input: Vec<u8> =
        lines.iter().flat_map(|line| format!("{line}\n").into_bytes()).collect();
    input.extend_from_slice(bytes);
    let mut output = Vec::new();
    let served = transfer::serve(&input[..], &mut output, &mut server.host());
    (String::from_utf8(output).unwrap(), served.map(drop))
}

fn hello() -> Value {
    json!({"hello": {"protocol": 1}})
}

fn offer(new: &Generation) -> Value {
    let manifest = String::from_utf8(new.manifest.to_bytes()).unwrap();
    json!({"offer": {"manifest": manifest, "dry_run": false}})
}

fn blob(new: &Generation) -> Value {
    json!({"blob": {"digest": new.manifest.config.digest, "offset": 0}})
}

#[test]
fn what_is_out_of_bounds_or_out_of_order_is_refused() {
    let new = generation(1, &noise(1, 10_000));
    let base = json!({"digest": Digest::of("nothing"), "offset": 0, "size": 5});
    for lines in [
        vec![offer(&new)],
        vec![hello(), hello()],
        vec![hello(), json!({"offer": {"manifest": "{}", "dry_run": false}})],
        vec![hello(), offer(&new), json!({"stage": {"annotations": {}}})],
        vec![hello(), offer(&new), json!({"blob": {"digest": Digest::of("other"), "offset": 0}})],
        vec![hello(), offer(&new), json!({"blob": {"digest": "sha256:../../etc", "offset": 0}})],
        vec![
            hello(),
            offer(&new),
            json!({"blob": {"digest": new.manifest.config.digest, "offset": 1}}),
        ],
        vec![hello(), offer(&new), blob(&new), json!({"chunk": {"size": 0, "encoded": 0}})],
        vec![
            hello(),
            offer(&new),
            blob(&new),
            json!({"chunk": {"size": 5, "encoded": 1u64 << 40}}),
        ],
        vec![
            hello(),
            offer(&new),
            blob(&new),
            json!({"chunk": {"size": 1u64 << 40, "encoded": 5}}),
        ],
        vec![hello(), offer(&new), blob(&new), json!({"chunk": {"size": -1, "encoded": 5}})],
        vec![
            hello(),
            offer(&new),
            blob(&new),
            json!({"chunk": {"size": 5, "encoded": 5, "base": base}}),
        ],
        vec![
            hello(),
            offer(&new),
            blob(&new),
            json!({"chunk": {"size": 5, "encoded": 5, "path": "/etc"}}),
        ],
    ] {
        let server = Server::new();
        let (answer, served) = said(&server, &lines, b"12345");
        assert!(
            matches!(served, Err(Error::Protocol(_) | Error::Generation(_) | Error::Io { .. })),
            "{lines:?}: {served:?}"
        );
        assert!(answer.lines().last().unwrap().starts_with("{\"refused\""), "{answer}");
        assert!(server.layout().index().unwrap().manifests.is_empty());
    }
}

#[test]
fn a_region_lies_within_its_base() {
    let server = Server::new();
    let old = generation(1, &noise(1, 10_000));
    server.deploy(&old, None).unwrap();
    let new = generation(2, &noise(1, 10_000));
    let size = old.layer().size;
    for (offset, count) in [(size, 1), (u64::MAX, 1), (0, size + 1), (0, 1 << 40), (1, size)] {
        let base = json!({"digest": old.layer().digest, "offset": offset, "size": count});
        let chunk = json!({"chunk": {"size": 5, "encoded": 5, "base": base}});
        let (_, served) = said(&server, &[hello(), offer(&new), blob(&new), chunk], b"12345");
        assert!(matches!(served, Err(Error::Protocol(_))), "{offset} {count}: {served:?}");
    }
}

#[test]
fn more_than_was_announced_is_not_written() {
    let server = Server::new();
    let new = generation(1, &noise(1, 10_000));
    let frame = zstd::bulk::compress(&[7; 100_000], 3).unwrap();
    let chunk = json!({"chunk": {"size": 100_000, "encoded": frame.len()}});
    let (_, served) = said(&server, &[hello(), offer(&new), blob(&new), chunk], &frame);
    assert!(matches!(served, Err(Error::Protocol(_))), "{served:?}");
}

#[test]
fn annotations_have_their_limits() {
    let server = Server::new();
    let new = generation(1, &noise(1, 10_000));
    server.deploy(&new, None).unwrap();
    let many: Value =
        (0..33).map(|n| (n.to_string(), json!("x"))).collect::<serde_json::Map<_, _>>().into();
    for annotations in [many, json!({"long": "x".repeat(2000)})] {
        let stage = json!({"stage": {"annotations": annotations}});
        let (_, served) = said(&server, &[hello(), offer(&new), stage], b"");
        assert!(matches!(served, Err(Error::Protocol(_))), "{served:?}");
    }
}

#[test]
fn a_line_without_end_takes_no_memory_without_end() {
    let server = Server::new();
    let (_, served) = said(&server, &[], &vec![b'x'; 2 << 20]);
    assert!(matches!(served, Err(Error::Protocol(_))), "{served:?}");
}

#[test]
fn another_version_is_named_by_both_ends() {
    let (answer, served) = said(&Server::new(), &[json!({"hello": {"protocol": 9}})], b"");
    served.unwrap();
    assert!(answer.starts_with("{\"hello\":{\"protocol\":1,"), "{answer}");
    let newer = b"{\"hello\":{\"protocol\":9,\"server\":\"mail\",\"board\":\"pc\"}}\n";
    let Err(error) = Client::connect(&newer[..], std::io::sink()) else { panic!("connected") };
    assert!(matches!(error, Error::Version { found: 9, wanted: 1 }), "{error}");
}

#[test]
fn a_server_cannot_ask_for_what_was_not_offered() {
    let new = generation(1, &noise(1, 10_000));
    let config = &new.manifest.config;
    let layer = new.layer();
    for blobs in [
        json!([{"digest": Digest::of("secret"), "have": 0}]),
        json!([{"digest": config.digest, "have": config.size + 1}]),
        json!([{"digest": config.digest, "have": 0}, {"digest": config.digest, "have": 0}]),
        json!([{"digest": layer.digest, "have": 0}, {"digest": config.digest, "have": 0}]),
    ] {
        let hello = json!({"hello": {"protocol": 1, "server": "mail", "board": "pc"}});
        let needs = json!({"needs": {"blobs": blobs, "bases": []}});
        let input = format!("{hello}\n{needs}\n");
        let (mut client, _) = Client::connect(input.as_bytes(), std::io::sink()).unwrap();
        let error = client.offer(&new.manifest, false).unwrap_err();
        assert!(matches!(error, Error::Protocol(_)), "{blobs}: {error}");
    }
}

proptest! {
    #[test]
    fn no_answer_makes_a_client_panic(garbage in prop::collection::vec(any::<u8>(), 0..300)) {
        let new = generation(1, b"layer");
        let hello = b"{\"hello\":{\"protocol\":1,\"server\":\"mail\",\"board\":\"pc\"}}\n".to_vec();
        prop_assert!(Client::connect(&garbage[..], std::io::sink()).is_err());
        let input = [hello, garbage].concat();
        let (mut client, _) = Client::connect(&input[..], std::io::sink()).unwrap();
        prop_assert!(client.offer(&new.manifest, false).is_err());
    }
}
