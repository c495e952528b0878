//! What is mounted where, as /proc/self/mountinfo has it (proc_pid_mountinfo(5)).

/// The device numbers, `major:minor`, of what is mounted last at `place`.
pub(crate) fn device_at<'a>(mountinfo: &'a str, place: &str) -> Option<&'a str> {
    let mut found = None;
    for line in mountinfo.lines() {
        let mut fields = line.split(' ').skip(2);
        let device = fields.next();
        // Field 4 is the root within the filesystem: / for what is not bound.
        let (root, at) = (fields.next(), fields.next());
        if at == Some(place) && root == Some("/") {
            found = device;
        }
    }
    found
}

/// Whether what is mounted last at `place` may be written, as the mount and its filesystem say.
pub(crate) fn is_writable(mountinfo: &str, place: &str) -> bool {
    let mut writable = false;
    for line in mountinfo.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        if fields.get(3) == Some(&"/") && fields.get(4) == Some(&place) {
            let separator = fields.iter().position(|field| *field == "-");
            let of_filesystem = separator.and_then(|at| fields.get(at + 3));
            let writes = |options: Option<&&str>| {
                options.is_some_and(|options| options.split(',').any(|option| option == "rw"))
            };
            writable = writes(fields.get(5)) && writes(of_filesystem);
        }
    }
    writable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_found_by_its_place_and_bound_ones_are_not() {
        let text = "23 28 0:21 / /proc rw,nosuid - proc proc rw\n\
                    41 28 254:2 / /run/heirloom/data rw,nosuid - ext4 /dev/vda2 rw\n\
                    42 28 254:2 /state/mail /var/mail rw,nosuid - ext4 /dev/vda2 rw\n";
        assert_eq!(device_at(text, "/run/heirloom/data"), Some("254:2"));
        assert_eq!(device_at(text, "/var/mail"), None);
        assert_eq!(device_at(text, "/boot"), None);
    }

    #[test]
    fn a_mount_may_be_written_when_it_and_its_filesystem_may() {
        let is = |mount: &str, filesystem: &str| {
            let line = format!(
                "41 28 254:2 / /run/heirloom/data {mount},nosuid shared:3 - ext4 /dev/vda2 {filesystem}"
            );
            is_writable(&line, "/run/heirloom/data")
        };
        assert!(is("rw", "rw,errors=remount-ro"));
        // So the kernel leaves it after an error.
        assert!(!is("rw", "ro,errors=remount-ro"));
        assert!(!is("ro", "rw"));
        assert!(!is_writable("", "/run/heirloom/data"));
    }
}
