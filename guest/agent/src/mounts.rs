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
}
