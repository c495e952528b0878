//! Secrets that an image would give to everyone who has it.

use serde::{Deserialize, Serialize};

/// How much of a file is looked at: keys and the heads of key stores are shorter.
pub const LOOKED_AT: usize = 64 << 10;

/// A file that holds a secret, or may hold one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// The absolute path on the server.
    pub path: String,
    /// What it holds, or why it may.
    pub what: String,
}

/// What a file with this mode holds that is nobody else's, or may hold: what only its owner may read
/// is a secret to whoever made it so. `content` is its first [`LOOKED_AT`] bytes.
pub fn secret(mode: u32, content: &[u8]) -> Option<&'static str> {
    let owners = mode & 0o077 == 0 && !content.is_empty();
    recognised(content).or(owners.then_some("something that only its owner may read"))
}

/// The secret that a file holds, where its form tells.
fn recognised(content: &[u8]) -> Option<&'static str> {
    if DROPBEAR.iter().any(|kind| content.starts_with(kind)) {
        return Some("a host key of dropbear");
    }
    // A store of Java's whose first entry is a key, and one of PKCS #12 with a key in it: certificates
    // alone are public.
    if content.starts_with(&JKS) && content.get(12..16) == Some(&[0, 0, 0, 1]) {
        return Some("a private key (JKS)");
    }
    if content.starts_with(&[0x30]) && has(content, &PKCS12) && has(content, &SHROUDED_KEY) {
        return Some("a private key (PKCS #12)");
    }
    content.split(|byte| *byte == b'\n').find_map(|line| in_line(line.trim_ascii()))
}

fn in_line(line: &[u8]) -> Option<&'static str> {
    if line.starts_with(b"-----BEGIN ") {
        let openssh = line.ends_with(b"OPENSSH PRIVATE KEY-----");
        let key = line.ends_with(b"PRIVATE KEY-----") || line.ends_with(b"PRIVATE KEY BLOCK-----");
        return match (openssh, key) {
            (true, _) => Some("a private key (OpenSSH)"),
            (false, true) => Some("a private key (PEM)"),
            (false, false) => None,
        };
    }
    let (name, value) = line.split_at(line.iter().position(|byte| b"= \t".contains(byte))?);
    let value = value.trim_ascii_start();
    if name == b"PrivateKey" || name == b"PresharedKey" {
        let key = value.strip_prefix(b"=")?.trim_ascii_start();
        return is_base64(key, 44).then_some("a key of WireGuard");
    }
    // named.conf(5), as rndc-confgen(8) and tsig-keygen(8) write it.
    let key = value.strip_prefix(b"\"")?.strip_suffix(b"\";")?;
    (name == b"secret" && is_base64(key, 16)).then_some("a key of BIND")
}

/// Whether a text is base64 of at least so many characters.
fn is_base64(text: &[u8], least: usize) -> bool {
    let is_its = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
    text.len() >= least && text.iter().all(is_its)
}

/// What host keys of dropbear begin with: the name of their kind and its length.
const DROPBEAR: [&[u8]; 4] = [
    b"\0\0\0\x07ssh-rsa\0",
    b"\0\0\0\x07ssh-dss\0",
    b"\0\0\0\x0bssh-ed25519\0",
    b"\0\0\0\x13ecdsa-sha2-nistp",
];
/// What a Java store of the type `JKS` begins with.
const JKS: [u8; 4] = [0xfe, 0xed, 0xfe, 0xed];
/// The type of what PKCS #12 wraps: 1.2.840.113549.1.7.1 (RFC 7292).
const PKCS12: [u8; 11] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01];
/// The type of an encrypted key in it: 1.2.840.113549.1.12.10.1.2.
const SHROUDED_KEY: [u8; 13] =
    [0x06, 0x0b, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x0a, 0x01, 0x02];

fn has(content: &[u8], part: &[u8]) -> bool {
    content.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(content: &[u8]) -> Option<&'static str> {
        secret(0o644, content)
    }

    #[test]
    fn keys_are_known_by_their_form_whoever_may_read_them() {
        for (content, what) in [
            (&b"junk\n-----BEGIN PRIVATE KEY-----\nMII"[..], "a private key (PEM)"),
            (b"-----BEGIN ENCRYPTED PRIVATE KEY-----\r\nMII", "a private key (PEM)"),
            (b"-----BEGIN EC PRIVATE KEY-----\n", "a private key (PEM)"),
            (b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n", "a private key (PEM)"),
            (b"-----BEGIN OPENSSH PRIVATE KEY-----\n", "a private key (OpenSSH)"),
            (b"\0\0\0\x07ssh-rsa\0\0\0\x03", "a host key of dropbear"),
            (b"\0\0\0\x0bssh-ed25519\0\0\0\x40", "a host key of dropbear"),
            (b"\xfe\xed\xfe\xed\0\0\0\x02\0\0\0\x01\0\0\0\x01\0", "a private key (JKS)"),
            (
                b"[Interface]\nPrivateKey = yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=\n",
                "a key of WireGuard",
            ),
            (
                b"key \"rndc-key\" {\n\talgorithm hmac-sha256;\n\tsecret \"q83vEjRWeJCrze8SNFZ4kA==\";\n};\n",
                "a key of BIND",
            ),
        ] {
            assert_eq!(of(content), Some(what), "{}", String::from_utf8_lossy(content));
        }
        let pkcs12 = [&[0x30, 0x82][..], &PKCS12, b"...", &SHROUDED_KEY, b"..."].concat();
        assert_eq!(of(&pkcs12), Some("a private key (PKCS #12)"));
    }

    #[test]
    fn what_is_public_is_no_secret() {
        for content in [
            &b""[..],
            b"-----BEGIN CERTIFICATE-----\nMII",
            b"-----BEGIN PUBLIC KEY-----\nMII",
            b"# -----BEGIN PRIVATE KEY----- goes here\n",
            b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA root@x\n",
            b"\xfe\xed\xfe\xed\0\0\0\x02\0\0\0\x01\0\0\0\x02\0",
            b"PrivateKey = <your key>\n",
            b"secret \"none\";\n",
        ] {
            assert_eq!(of(content), None, "{}", String::from_utf8_lossy(content));
        }
    }

    #[test]
    fn what_only_its_owner_may_read_may_be_a_secret() {
        assert_eq!(secret(0o600, b"x"), Some("something that only its owner may read"));
        assert_eq!(secret(0o600, b""), None);
        assert_eq!(secret(0o640, b"x"), None);
    }
}
