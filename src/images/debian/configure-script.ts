import { runDirectoriesScript } from './run-directories-script.ts'

/** What maintainer scripts get of the capabilities of root: what Docker gives to the steps of a build. */
const capabilities = [
  ...['chown', 'dac_override', 'fowner', 'fsetid', 'kill', 'setgid', 'setuid', 'setpcap', 'setfcap'],
  ...['net_bind_service', 'net_raw', 'sys_chroot', 'mknod', 'audit_write'],
]

/** The environment of maintainer scripts: nothing of the host's, which may hold secrets. */
const environment = [
  'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  'HOME=/root',
  'DEBIAN_FRONTEND=noninteractive',
  'DEBCONF_NONINTERACTIVE_SEEN=true',
  // initdb, for example, takes the encoding of its databases from it.
  'LANG=C.UTF-8',
]

/**
 * Ends the making of a configured image, as mmdebstrap's extract hook, when the archives of the essential packages are
 * unpacked. The archives are downloaded here; each program of a package runs in `isolatedScript`. The third descriptor
 * takes progress, in lines that begin with `moorage: `.
 */
const configureScript = `#!/bin/sh
set -e
exec 1>&2
cd "$1"
export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
isolated() { sh "$MOORAGE_WORK/isolated.sh" "$@" 3>&-; }
ls var/cache/apt/archives | grep '\\.deb$' >"$MOORAGE_WORK/essential"
# At once, so that a name that is wrong is told before the work.
echo 'moorage: downloading' >&3
# shellcheck disable=SC2086
apt-get --yes --quiet --download-only install '?essential' $MOORAGE_PACKAGES
echo 'moorage: configuring the base' >&3
isolated essential
# What is essential is there now: apt decides as it will when it installs, and the network is not needed after this.
# shellcheck disable=SC2086
apt-get --yes --quiet --download-only install $MOORAGE_PACKAGES
echo 'moorage: configuring' >&3
isolated install
isolated directories
isolated list | LC_ALL=C sort >"$MOORAGE_WORK/packages"
# Not what debconf and dpkg keep for the next upgrade, nor what says something of this host.
rm -f etc/resolv.conf etc/hostname etc/apt/apt.conf.d/99mmdebstrap
rm -f var/cache/debconf/*-old var/lib/dpkg/*-old
`

/**
 * Runs one step of the configuration, the current directory being the root filesystem: in namespaces of its own, without
 * any network but loopback, under a host name that is nobody's, and with few capabilities. invoke-rc.d(8) asks policy-rc.d
 * whether it may start a service, and 101 forbids it. Whatever runs all the same ends with the PID namespace.
 *
 * sh isolated.sh essential | install | directories | list
 */
export const isolatedScript = `set -e
if [ "$1" != inside ]; then
	exec unshare --mount --pid --net --ipc --uts --cgroup --fork --kill-child sh "$0" inside "$@"
fi
step=$2
echo localhost >/proc/sys/kernel/hostname
mount -t proc -o nosuid,nodev,noexec proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs sys
mount -t tmpfs -o mode=755,nosuid,noexec dev dev
mkdir dev/pts dev/shm
mount -t devpts -o nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5 devpts dev/pts
mount -t tmpfs -o mode=1777,nosuid,nodev,noexec shm dev/shm
mknod -m 666 dev/null c 1 3
mknod -m 666 dev/zero c 1 5
mknod -m 666 dev/full c 1 7
mknod -m 666 dev/random c 1 8
mknod -m 666 dev/urandom c 1 9
mknod -m 666 dev/tty c 5 0
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s fd/0 dev/stdin
ln -s fd/1 dev/stdout
ln -s fd/2 dev/stderr
ip link set lo up
policy=usr/sbin/policy-rc.d
printf '#!/bin/sh\\n# Of moorage, while the image is built.\\nexit 101\\n' >$policy
chmod 755 $policy
exec <dev/null
clean() {
	setpriv --bounding-set=-all,${capabilities.map((name) => `+${name}`).join(',')} -- \\
		env -i ${environment.join(' ')} "$@"
}
case $step in
essential)
	# Not by apt: base-passwd has to come first, and dpkg alone calls its script early enough.
	set --
	while read -r archive; do set -- "$@" "/var/cache/apt/archives/$archive"; done <"$MOORAGE_WORK/essential"
	clean chroot . dpkg --force-unsafe-io --force-depends --install "$@"
	;;
install)
	# apt and its downloads are the host's, its dpkg the image's. Links to the archives lie below TMPDIR, inside and outside.
	# shellcheck disable=SC2086
	clean APT_CONFIG="$APT_CONFIG" TMPDIR="$PWD/tmp" apt-get --yes --quiet --no-download \\
		-o Dpkg::Use-Pty=0 -o Dir::Bin::dpkg=env -o DPkg::Options::=--unset=TMPDIR -o DPkg::Options::=--unset=APT_CONFIG \\
		-o DPkg::Options::=dpkg -o DPkg::Options::=--force-unsafe-io -o "DPkg::Chroot-Directory=$PWD" \\
		install $MOORAGE_PACKAGES
	;;
list)
	clean chroot . dpkg-query --show --showformat '\${Package}_\${Version}_\${Architecture}\\n'
	;;
directories)
	clean chroot . sh -c "$(cat "$MOORAGE_WORK/run-directories.sh")"
	;;
esac
if grep -q '^# Of moorage' $policy; then rm $policy; fi
`

/** The files that the build has in its directory, by their names. */
export const configureFiles: Readonly<Record<string, string>> = {
  'hook.sh': configureScript,
  'isolated.sh': isolatedScript,
  'run-directories.sh': runDirectoriesScript,
}
