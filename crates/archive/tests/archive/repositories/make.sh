#!/bin/sh
# Makes the repositories of this folder anew: the same packages by reprepro and by aptly, signed by
# a key that is made for them and thrown away; and one of Arch by repo-add. Needs dpkg-deb, gpg,
# reprepro, aptly, pacman-package-manager, makepkg, libarchive-tools, zstd (all in Debian).
#
#   sh crates/archive/tests/archive/repositories/make.sh
set -eu
cd "$(dirname "$0")"
rm -rf reprepro aptly arch key.asc fingerprint
work=$(mktemp -d)
trap 'gpgconf --homedir "$work/gnupg" --kill all; rm -rf "$work"' EXIT
export GNUPGHOME="$work/gnupg" SOURCE_DATE_EPOCH=1790000000
mkdir -m 700 "$GNUPGHOME"
gpg --batch --quiet --passphrase '' --quick-generate-key 'Test <test@example.org>' rsa2048 sign never
print=$(gpg --list-keys --with-colons | awk -F: '$1 == "fpr" { print $10; exit }')
gpg --armor --export "$print" > key.asc

package() { # name version architecture further-fields
    folder="$work/$1"
    mkdir -p "$folder/DEBIAN" "$folder/usr/share/$1"
    echo "$1 $2" > "$folder/usr/share/$1/version"
    printf 'Package: %s\nVersion: %s\nArchitecture: %s\nSection: misc\nPriority: optional\nMaintainer: Test <test@example.org>\n%bDescription: a test\n' \
        "$1" "$2" "$3" "$4" > "$folder/DEBIAN/control"
    dpkg-deb --root-owner-group --build "$folder" "$work" > /dev/null
}
package own-tool 1.0 all 'Depends: own-library (>= 1), bash\n'
package own-library 1.2-1 amd64 'Multi-Arch: same\n'
# Names that the distribution has too.
package bash 99.0 amd64 'Essential: yes\n'
package mawk 99.0 amd64 'Provides: awk\n'

mkdir -p "$work/reprepro/conf"
cat > "$work/reprepro/conf/distributions" <<END
Origin: Test
Suite: stable
Codename: bookworm
Architectures: amd64
Components: main
Description: made by reprepro
SignWith: $print
END
reprepro --silent --basedir "$work/reprepro" includedeb bookworm "$work"/*.deb
mkdir reprepro
cp -r "$work/reprepro/dists" "$work/reprepro/pool" reprepro/

echo "{ \"rootDir\": \"$work/aptly\", \"architectures\": [\"amd64\"] }" > "$work/aptly.conf"
aptly="aptly -config=$work/aptly.conf"
$aptly repo create -distribution=bookworm -component=main own > /dev/null
$aptly repo add own "$work"/*.deb > /dev/null
$aptly publish repo -batch -gpg-key="$print" -origin=Test -label=Test -skip-contents own > /dev/null
cp -r "$work/aptly/public" aptly

arch() { # name version architecture further-fields
    folder="$work/arch-$1"
    mkdir -p "$folder/usr/share/$1" arch
    echo "$1 $2" > "$folder/usr/share/$1/version"
    printf 'pkgname = %s\npkgbase = %s\npkgver = %s\npkgdesc = a test\nbuilddate = %s\narch = %s\nsize = 1\n%b' \
        "$1" "$1" "$2" "$SOURCE_DATE_EPOCH" "$3" "$4" > "$folder/.PKGINFO"
    (cd "$folder" && bsdtar --uid 0 --gid 0 -cf - .PKGINFO usr) |
        zstd -q -19 > "arch/$1-$2-$3.pkg.tar.zst"
}
arch own-tool 1.0-1 any 'depend = own-library>=1\ndepend = bash\n'
arch own-library 1.2-1 x86_64 ''
arch bash 99.0-1 x86_64 ''
arch archlinux-keyring 99990101-1 any ''
repo-add --quiet --sign --key "$print" arch/own.db.tar.gz arch/*.pkg.tar.zst > /dev/null
# What a server has under these names are links.
for file in own.db own.db.sig; do
    rm "arch/$file"
    mv "arch/$(echo "$file" | sed s/own.db/own.db.tar.gz/)" "arch/$file"
done
rm -f arch/own.files* arch/*.old*
echo "$print" > fingerprint
