//! Names that cannot hold nonsense: of parts, hosts, users and groups.

/// Why a text is no value of a type: what is wrong, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What is wrong, without the text itself: "has an upper-case letter".
    pub message: String,
    /// What would be right.
    pub hint: Option<String>,
}

impl Refused {
    pub(crate) fn new(message: impl Into<String>, hint: &str) -> Self {
        Self { message: message.into(), hint: Some(hint.to_owned()) }
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refused {}

/// Why somebody wants something, in one line; not empty.
pub(crate) struct Reason(pub(crate) String);

impl std::str::FromStr for Reason {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        if text.trim().is_empty() || text.chars().any(char::is_control) {
            return Err(Refused::new("is no reason", "one line that says why"));
        }
        Ok(Self(text.to_owned()))
    }
}

/// A type over a text that `$check` has looked at; read and written as that text.
macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::names::Refused;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $check(text)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::names::Refused;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
pub(crate) use checked_text;

checked_text! {
    /// The name of a server, a role or a board: that of its Cargo package or its folder.
    PartName, check_part
}

fn check_part(text: &str) -> Result<(), Refused> {
    let hint = "lower-case letters, digits, `-` and `_`, the first a letter; as in `mailserver`";
    check_name(text, 64, |c| c.is_ascii_lowercase(), "-_", hint)
}

checked_text! {
    /// A host name: one label or a fully qualified name (RFC 1123, section 2.1), at most 64
    /// characters (`HOST_NAME_MAX` of Linux).
    Hostname, check_hostname
}

fn check_hostname(text: &str) -> Result<(), Refused> {
    let hint = "letters, digits and `-`, parts joined by `.`; as in `mail` or `mail.example.org`";
    if text.is_empty() {
        return Err(Refused::new("is empty", hint));
    }
    if text.len() > 64 {
        return Err(Refused::new("is longer than the 64 characters that Linux allows", hint));
    }
    for label in text.split('.') {
        if label.is_empty() {
            return Err(Refused::new("has an empty part between its dots", hint));
        }
        if label.len() > 63 {
            return Err(Refused::new("has a part longer than 63 characters", hint));
        }
        if let Some(wrong) = label.chars().find(|c| !c.is_ascii_alphanumeric() && *c != '-') {
            return Err(Refused::new(format!("has {}", shown(wrong)), hint));
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err(Refused::new("has a part that begins or ends with `-`", hint));
        }
    }
    if text.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return Err(Refused::new("is a number: programs take it for an address", hint));
    }
    Ok(())
}

checked_text! {
    /// The name of a user, in every form that useradd(8) and adduser(8) take: [`account`] has the
    /// grammar.
    UserName, check_account
}

checked_text! {
    /// The name of a group, in every form that groupadd(8) takes.
    GroupName, check_account
}

fn check_account(text: &str) -> Result<(), Refused> {
    let hint = "letters, digits, `-`, `_` and `.`, the first a letter or `_`; as in `vmail`";
    account::check(text).map_err(|fault| {
        let message = match fault {
            account::Fault::Empty => "is empty".to_owned(),
            account::Fault::TooLong => format!("is longer than {} bytes", account::LONGEST),
            account::Fault::Has(wrong) => format!("has {}", shown(wrong)),
            account::Fault::Begins(wrong) => format!("begins with {}", shown(wrong)),
            account::Fault::Number => "is a number: programs take it for an id".to_owned(),
            account::Fault::Directory => "is the name of a directory".to_owned(),
        };
        Refused::new(message, hint)
    })
}

/// Lower-case letters, digits and the characters of `also`; the first one as `first` says.
pub(crate) fn check_name(
    text: &str,
    longest: usize,
    first: impl Fn(char) -> bool,
    also: &str,
    hint: &str,
) -> Result<(), Refused> {
    let Some(begins) = text.chars().next() else {
        return Err(Refused::new("is empty", hint));
    };
    if text.len() > longest {
        return Err(Refused::new(format!("is longer than {longest} characters"), hint));
    }
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || also.contains(c);
    if let Some(wrong) = text.chars().find(|&c| !allowed(c)) {
        return Err(Refused::new(format!("has {}", shown(wrong)), hint));
    }
    if !first(begins) {
        return Err(Refused::new(format!("begins with {}", shown(begins)), hint));
    }
    Ok(())
}

/// A character as a message shows it.
pub(crate) fn shown(c: char) -> String {
    match c {
        ' ' => "a space".to_owned(),
        c if c.is_ascii_uppercase() => format!("the upper-case letter `{c}`"),
        c if c.is_control() => format!("the control character U+{:04X}", u32::from(c)),
        c => format!("`{c}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_are_those_of_rfc_1123() {
        for good in ["mail", "mail.example.org", "a", "3com.com", "x-1"] {
            assert!(good.parse::<Hostname>().is_ok(), "{good}");
        }
        let long = "a".repeat(64);
        for bad in ["", "-a", "a-", "a..b", ".a", "a.", "a_b", "a b", "ü", "10.0.0.1", &long] {
            assert!(bad.parse::<Hostname>().is_err(), "{bad}");
        }
    }

    #[test]
    fn account_names_cannot_break_the_lines_of_passwd() {
        for good in ["vmail", "_apt", "systemd-network", "www-data", "Debian-snmp", "host$", "a.b"]
        {
            assert!(good.parse::<UserName>().is_ok(), "{good}");
        }
        for bad in ["", "a:b", "a\nb", "100", "-a", "a b", "a/b", &"a".repeat(256)] {
            assert!(bad.parse::<UserName>().is_err(), "{bad}");
        }
    }
}
