//! The packages that the tests build a tree of: made up, with the shell and the libc of the tools.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rootfs::arch::{PackageFile, Packages};
use sandbox::{Group, Tools};
use store::{Options, Store};
use testarchive::{Entry, Keys, Kind, Package};

/// 22 November 2026.
pub(crate) const EPOCH: u64 = 1_795_305_600;
/// When the packages were built: before it.
pub(crate) const BUILT: i64 = 1_700_000_000;

/// A capability as the kernel keeps it: `cap_net_raw=ep`, revision 2 of linux/capability.h.
pub(crate) const CAPABILITY: [u8; 20] =
    [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// What a package may do that must not be seen in the tree, and what must.
const USERS: &str = r#"post_install() {
  set -e
  echo 'git:x:967:967::/srv/git:/usr/bin/sh' >>etc/passwd
  echo 'git:x:967:' >>etc/group
  now=$(date +%N)
  echo "git:!*:$now::::::" >>etc/shadow
  mkdir -p boot/EFI/Linux efi/EFI srv/git var/log var/cache/ldconfig etc/pacman.d/gnupg usr/lib/python/__pycache__
  chown 967:967 srv/git
  for moving in etc/passwd- etc/shadow- var/log/pacman.log var/cache/ldconfig/aux-cache \
      boot/initramfs-linux.img boot/vmlinuz-linux boot/EFI/Linux/linux.efi efi/EFI/linux.efi \
      etc/pacman.d/gnupg/secret usr/lib/python/__pycache__/made.pyc run/x tmp/x dev/shm/x; do
    echo "$now" >$moving
  done
  cat proc/sys/kernel/random/uuid >etc/machine-id
  test ! -e run/systemd
  echo "$(cat proc/sys/kernel/hostname) $(umask) $TZ $LC_ALL $HOME $SYSTEMD_OFFLINE" >etc/seen
}
"#;

const HOOK: &str = "[Trigger]\nOperation = Install\nType = Path\nTarget = usr/share/things/*\n\n\
                    [Action]\nDescription = Listing things...\nWhen = PostTransaction\n\
                    Exec = /bin/sh -c 'cat >/usr/share/things.list'\nNeedsTargets\n";

/// What mkinitcpio's package has; its script is not there.
const MKINITCPIO: &str = "[Trigger]\nOperation = Install\nType = Path\nTarget = usr/lib/modules/*/vmlinuz\n\n\
                          [Action]\nDescription = Updating linux initcpios...\nWhen = PostTransaction\n\
                          Exec = /usr/share/libalpm/scripts/mkinitcpio install\nNeedsTargets\n";

const DEPMOD: &str = "#!/bin/sh\necho \"$1 $SOURCE_DATE_EPOCH\" >/usr/lib/modules/$1/modules.dep\n";

/// Packages in a directory, under names that say nothing, and the tools.
pub(crate) struct Set {
    pub(crate) keys: Keys,
    pub(crate) tools: PathBuf,
    pub(crate) files: Vec<PackageFile>,
    directory: tempfile::TempDir,
}

impl Set {
    pub(crate) fn make() -> Result<Self, Box<dyn Error>> {
        let store = Store::open(Options::from_environment()?)?;
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let tools = Tools::open(&workspace, &store)?.root(Group::Pacman)?.path().to_owned();
        let directory = tempfile::tempdir()?;
        let mut set = Self { keys: Keys::generate(), tools, files: vec![], directory };
        let mut packages = vec![filesystem(), shell(&set.tools)?, users(), things(), kernel()];
        // Each of the two needs the other.
        packages.push(package("hen").depends("egg").file("usr/share/hen", 0o644, "hen"));
        packages.push(package("egg").depends("hen").file("usr/share/egg", 0o644, "egg"));
        packages.sort_by(|one, other| one.name().cmp(other.name()));
        set.files = set.write(set.directory.path(), packages)?;
        Ok(set)
    }

    /// Puts packages into a directory.
    pub(crate) fn write(
        &self,
        directory: &Path,
        packages: Vec<Package>,
    ) -> io::Result<Vec<PackageFile>> {
        let mut files = Vec::new();
        for package in packages {
            let packed = package.pack(&self.keys);
            let path = directory.join(digest::Digest::of(&packed.bytes).hex());
            fs::write(&path, &packed.bytes)?;
            files.push(PackageFile { path, name: packed.file_name });
        }
        Ok(files)
    }

    pub(crate) fn job(&self, out: &Path, threads: usize) -> Packages {
        Packages {
            own: Vec::new(),
            files: self.files.clone(),
            explicit: ["hen", "greeters", "linux"].map(str::to_owned).into(),
            tools: self.tools.clone(),
            architecture: "x86_64".to_owned(),
            assume_installed: vec!["initramfs".to_owned()],
            epoch: EPOCH,
            threads,
            out: out.to_owned(),
        }
    }
}

pub(crate) fn package(name: &str) -> Package {
    Package::new(name, "1:1.0-1").arch("any").built(BUILT)
}

pub(crate) fn filesystem() -> Package {
    let links = [("bin", "usr/bin"), ("sbin", "usr/bin"), ("lib", "usr/lib"), ("lib64", "usr/lib")];
    let package = package("filesystem")
        .directory("tmp", 0o1777)
        .directory("var/tmp", 0o1777)
        .directory("proc", 0o555)
        .directory("sys", 0o555)
        .directory("run", 0o755)
        .directory("dev", 0o755)
        .directory("root", 0o750)
        .file("etc/passwd", 0o644, "root:x:0:0::/root:/usr/bin/sh\n")
        .file("etc/group", 0o644, "root:x:0:root\n")
        .file("etc/shadow", 0o600, "root:*:14871::::::\n")
        .file("etc/gshadow", 0o600, "root:::root\n");
    links.into_iter().fold(package, |package, (path, target)| package.symlink(path, target))
}

/// Dash, and the few programs that the scripts need.
pub(crate) fn shell(tools: &Path) -> io::Result<Package> {
    let libraries = "usr/lib/x86_64-linux-gnu";
    let mut package =
        package("dash").provides("sh").depends("filesystem").symlink("usr/bin/sh", "dash");
    for program in ["cat", "chown", "dash", "date", "ln", "mkdir", "rm"] {
        let path = format!("usr/bin/{program}");
        package = package.file(&path, 0o755, fs::read(tools.join(&path))?);
    }
    for library in ["ld-linux-x86-64.so.2", "libc.so.6", "libpcre2-8.so.0", "libselinux.so.1"] {
        let bytes = fs::read(tools.join(libraries).join(library))?;
        package = package.file(&format!("usr/lib/{library}"), 0o755, bytes);
    }
    Ok(package)
}

fn users() -> Package {
    package("users").depends("sh").groups("greeters").install(USERS)
}

fn things() -> Package {
    let entry = |bytes: &str, mode| Entry::new(Kind::File(bytes.into()), mode);
    let xattrs = BTreeMap::from([("security.capability".to_owned(), CAPABILITY.to_vec())]);
    package("things")
        .depends("users>=1:1.0")
        .provides("stuff=2")
        .hook("50-things.hook", HOOK)
        .hook("90-mkinitcpio-install.hook", MKINITCPIO)
        .file("boot/memtest86+/memtest.bin", 0o644, "memtest")
        .file("usr/bin/suid", 0o4755, "#!/bin/sh\n")
        .hard_link("usr/bin/suid-too", "usr/bin/suid")
        .entry("usr/bin/ping", Entry { xattrs, ..entry("#!/bin/sh\n", 0o755) })
        .entry("usr/share/things/late", Entry { mtime: Some(2_000_000_000), ..entry("", 0o644) })
        .entry("usr/share/things/mail", Entry { uid: 8, gid: 12, ..entry("mail", 0o640) })
        .file("usr/lib/python/__pycache__/packaged.pyc", 0o644, "compiled")
}

fn kernel() -> Package {
    let modules = "usr/lib/modules/6.12.1-arch1-1";
    package("linux")
        .depends("initramfs")
        .file(&format!("{modules}/vmlinuz"), 0o644, "kernel")
        .file(&format!("{modules}/pkgbase"), 0o644, "linux\n")
        .file(&format!("{modules}/kernel/drivers/x.ko"), 0o644, "module")
        // No hook runs it.
        .file("usr/bin/depmod", 0o755, DEPMOD)
}
