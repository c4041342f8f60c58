/**
 * Ends the making of an unpacked image, as mmdebstrap's extract hook: no maintainer script is run, so the least of what they
 * would do is done here. Names and versions are in the archives' file names. resolv.conf and hostname are copies of the
 * host's.
 */
export const unpackScript = `#!/bin/sh
set -e
cd "$1"
ls var/cache/apt/archives | grep '\\.deb$' | LC_ALL=C sort >"$MOORAGE_WORK/packages"
mkdir -p etc root tmp run proc sys dev
chmod 1777 tmp
chmod 700 root
cp usr/share/base-passwd/passwd.master etc/passwd
cp usr/share/base-passwd/group.master etc/group
rm -f etc/resolv.conf etc/hostname
chroot . /bin/busybox --install -s /bin
`
