//! Whether a password is the one whose hash the definition has: SHA-512 crypt, `$6$` of crypt(5).
//!
//! After Ulrich Drepper, "Unix crypt using SHA-256 and SHA-512", version 0.6, whose step numbers
//! and test vectors these are. The server's own crypt(3) is a shared library, and what this is for
//! is a server in which anything may be broken.

use sha2::{Digest, Sha512};

/// Rounds, where the hash does not say; and what it may say.
const ROUNDS: u32 = 5000;
const ALLOWED: std::ops::RangeInclusive<u32> = 1000..=999_999_999;

/// The longest salt that counts, and the longest password that is taken, in bytes.
const SALT: usize = 16;
const LONGEST: usize = 256;

const DIGITS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A hash that can be compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hash {
    rounds: u32,
    salt: Vec<u8>,
    digest: String,
}

impl Hash {
    /// The hash in a text: its first line that is neither empty nor a comment. None where that is
    /// no SHA-512 crypt: such a hash opens nothing.
    pub fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines().map(str::trim);
        let line = lines.find(|line| !line.is_empty() && !line.starts_with('#'))?;
        let rest = line.strip_prefix("$6$")?;
        let (rounds, rest) = match rest.strip_prefix("rounds=") {
            Some(rest) => {
                let (rounds, rest) = rest.split_once('$')?;
                (rounds.parse().ok().filter(|rounds| ALLOWED.contains(rounds))?, rest)
            }
            None => (ROUNDS, rest),
        };
        let (salt, digest) = rest.split_once('$')?;
        let is_digest = digest.len() == 86 && digest.bytes().all(|byte| DIGITS.contains(&byte));
        if !is_digest || salt.is_empty() || salt.len() > SALT {
            return None;
        }
        Some(Self { rounds, salt: salt.into(), digest: digest.into() })
    }

    /// Whether `password` has this hash. It takes as long for any.
    pub fn is_of(&self, password: &[u8]) -> bool {
        if password.len() > LONGEST {
            return false;
        }
        let found = encode(&sha512_crypt(password, &self.salt, self.rounds));
        let pairs = found.bytes().zip(self.digest.bytes());
        pairs.fold(found.len() ^ self.digest.len(), |seen, (a, b)| seen | usize::from(a ^ b)) == 0
    }
}

fn sha512_crypt(password: &[u8], salt: &[u8], rounds: u32) -> [u8; 64] {
    // 4 to 8.
    let b = Sha512::new().chain_update(password).chain_update(salt).chain_update(password);
    let b = b.finalize();
    // 1 to 3, 9 to 12.
    let mut a = Sha512::new().chain_update(password).chain_update(salt);
    a.update(repeated(&b, password.len()));
    let mut length = password.len();
    while length > 0 {
        a.update(if length & 1 == 1 { &b[..] } else { password });
        length >>= 1;
    }
    let a: [u8; 64] = a.finalize().into();
    // 13 to 16.
    let mut dp = Sha512::new();
    (0..password.len()).for_each(|_| dp.update(password));
    let p = repeated(&dp.finalize(), password.len());
    // 17 to 20.
    let mut ds = Sha512::new();
    (0..16 + usize::from(a[0])).for_each(|_| ds.update(salt));
    let s = repeated(&ds.finalize(), salt.len());
    // 21.
    (0..rounds).fold(a, |last, round| {
        let mut c = Sha512::new();
        c.update(if round % 2 == 1 { &p[..] } else { &last[..] });
        if round % 3 != 0 {
            c.update(&s);
        }
        if round % 7 != 0 {
            c.update(&p);
        }
        c.update(if round % 2 == 1 { &last[..] } else { &p[..] });
        c.finalize().into()
    })
}

/// `length` bytes of `digest`, over and over.
fn repeated(digest: &[u8], length: usize) -> Vec<u8> {
    digest.iter().copied().cycle().take(length).collect()
}

/// 22 e: three bytes in four digits, in an order of their own.
fn encode(digest: &[u8; 64]) -> String {
    let mut text = String::new();
    let mut add = |a: u8, b: u8, c: u8, digits: usize| {
        let mut word = u32::from(a) << 16 | u32::from(b) << 8 | u32::from(c);
        for _ in 0..digits {
            text.push(char::from(DIGITS[(word & 0x3f) as usize]));
            word >>= 6;
        }
    };
    let (mut a, mut b, mut c) = (0, 21, 42);
    for _ in 0..21 {
        add(digest[a], digest[b], digest[c], 4);
        (a, b, c) = (b + 1, c + 1, a + 1);
    }
    add(0, 0, digest[63], 2);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vectors of the specification.
    const VECTORS: [(&str, &str); 4] = [
        (
            "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
            "Hello world!",
        ),
        (
            "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.",
            "Hello world!",
        ),
        (
            "$6$rounds=1400$anotherlongsalts$POfYwTEok97VWcjxIiSOjiykti.o/pQs.wPvMxQ6Fm7I6IoYN3CmLs66x9t0oSwbtEW7o7UmJEiDwGqd8p4ur1",
            "a very much longer text to encrypt.  This one even stretches over morethan one line.",
        ),
        (
            "$6$rounds=77777$short$WuQyW2YR.hBNpjjRhpYD/ifIw05xdfeEyQoMxIXbkvr0gge1a1x3yRULJ5CCaUeOxFmtlcGZelFl5CxtgfiAc0",
            "we have a short salt string but not a short password",
        ),
    ];

    #[test]
    fn the_passwords_of_the_specification_have_their_hashes_and_others_have_not() {
        for (text, password) in VECTORS {
            let Some(hash) = Hash::parse(text) else { panic!("{text} is no hash") };
            assert!(hash.is_of(password.as_bytes()), "{text}");
            assert!(!hash.is_of(&password.as_bytes()[1..]), "{text}");
            assert!(!hash.is_of(b""), "{text}");
        }
    }

    #[test]
    fn what_is_no_hash_opens_nothing() {
        let [(good, _), ..] = VECTORS;
        let digest = good.rsplit_once('$').unwrap().1;
        assert!(Hash::parse(&format!("# mkpasswd -m sha-512\n\n  {good}\n")).is_some());
        for text in [
            "",
            "# no password",
            "*",
            "!",
            "secret",
            "$6$",
            "$6$salt$",
            &format!("!{good}"),
            &format!("$1$salt${digest}"),
            &format!("$6$$${digest}"),
            &format!("$6$salt${}", &digest[1..]),
            &format!("$6$rounds=10$salt${digest}"),
            &format!("$6$rounds=x$salt${digest}"),
            &format!("$6$asaltthatisfartoolong${digest}"),
        ] {
            assert_eq!(Hash::parse(text), None, "{text}");
        }
    }
}
