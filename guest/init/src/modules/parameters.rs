//! Parameters of modules on the kernel's command line, `nvme_core.io_timeout=255`: the kernel gives
//! them to what is built in, whoever loads a module gives them to that (modprobe(8)).

use generation::modules::normalised;

/// The parameters of the module `name`, as finit_module(2) takes them.
pub(super) fn of(cmdline: &str, name: &str) -> String {
    let own = words(cmdline).into_iter().filter_map(|word| {
        let (module, parameter) = word.split_once('.')?;
        (normalised(module) == name).then_some(parameter)
    });
    own.collect::<Vec<_>>().join(" ")
}

/// Whether no device is to have it: `modprobe.blacklist=NAME,NAME`.
pub(super) fn is_blacklisted(cmdline: &str, name: &str) -> bool {
    let lists =
        words(cmdline).into_iter().filter_map(|word| word.strip_prefix("modprobe.blacklist="));
    lists.flat_map(|list| list.split(',')).any(|listed| normalised(listed) == name)
}

/// The words of a command line; a space in double quotes is part of one.
fn words(cmdline: &str) -> Vec<&str> {
    let mut quoted = false;
    let space = |c: char| {
        quoted ^= c == '"';
        c.is_ascii_whitespace() && !quoted
    };
    cmdline.split(space).filter(|word| !word.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "console=ttyS0 usb-storage.quirks=1:2:u nvme_core.a=1 nvme_core.b=\"2 3\" \
                        modprobe.blacklist=floppy,usb-storage quiet\n";

    #[test]
    fn a_module_gets_its_own_parameters() {
        assert_eq!(of(LINE, "nvme_core"), "a=1 b=\"2 3\"");
        assert_eq!(of(LINE, "usb_storage"), "quirks=1:2:u");
        assert_eq!(of(LINE, "loop"), "");
    }

    #[test]
    fn a_blacklist_is_kept() {
        assert!(is_blacklisted(LINE, "usb_storage") && is_blacklisted(LINE, "floppy"));
        assert!(!is_blacklisted(LINE, "uas"));
    }
}
