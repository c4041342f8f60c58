import { createHash } from 'node:crypto'
import { chmod, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { MoorageError } from '../../errors/index.ts'
import type { Store, StoredImage } from '../../store/index.ts'
import { fullDiskError, lastWords, runTool } from '../../system-tool/index.ts'
import type { Working } from '../progress.ts'
import type { PackagesReference } from '../reference.ts'
import { syncFilesystem } from '../sync-filesystem.ts'
import { hostSources } from './debian-mirror.ts'

/** Part of the digest: raised when the filesystem is made in another way, so that it is another image. */
const recipe = 2

/** Packages that turn unpacked packages into a system: merged /usr, a shell, users, the names of protocols. */
const base = ['usr-is-merged', 'busybox-static', 'base-passwd', 'netbase']
const leftOut = ['man', 'doc', 'locale', 'info', 'zoneinfo']
const hooks = '/usr/share/mmdebstrap/hooks/merged-usr'

/** Passed to mmdebstrap, which finds no key of its own if there is none in /etc/apt of the host. */
export const debianKeyring = '/usr/share/keyrings/debian-archive-keyring.gpg'

/**
 * The last step. No maintainer script is run, so the script does what images need of their work. The names of the
 * archives hold the names and versions of the packages. resolv.conf and hostname are copies of the host's, and are
 * removed.
 */
const finish = `#!/bin/sh
set -e
cd "$1"
ls var/cache/apt/archives | grep '\\.deb$' | LC_ALL=C sort >"$MOORAGE_PACKAGES"
mkdir -p etc root tmp run proc sys dev
chmod 1777 tmp
chmod 700 root
cp usr/share/base-passwd/passwd.master etc/passwd
cp usr/share/base-passwd/group.master etc/group
rm -f etc/resolv.conf etc/hostname
chroot . /bin/busybox --install -s /bin
`

/**
 * Makes a root filesystem of Debian packages, unpacked and not configured: small, quick, and the same for the same
 * versions. Users that maintainer scripts would make are not in it.
 *
 * @throws MoorageError PACKAGE_NOT_FOUND, REGISTRY_UNREACHABLE, IMAGE_FAILED, DISK_FULL
 */
export async function buildFromPackages(
  store: Store,
  reference: PackagesReference,
  { signal, onProgress }: Working,
): Promise<StoredImage> {
  const { ref, suite, packages } = reference
  const work = await store.temporary()
  try {
    onProgress(`building from Debian packages: ${packages.join(', ') || 'none but the base'}`)
    const unpacked = await unpackPackages(store, reference, work, signal)
    const missing = packages.find((name) => !unpacked.some((archive) => isOfPackage(archive, name)))
    if (missing !== undefined) {
      const reason = `${missing} is not a package of its own in ${suite} (a virtual one?)`
      throw new MoorageError('PACKAGE_NOT_FOUND', { ref, reason })
    }
    const rootfs = join(work, 'rootfs')
    // The runtime makes the device nodes.
    const devices = await readdir(join(rootfs, 'dev'))
    await Promise.all(devices.map((name) => rm(join(rootfs, 'dev', name), { recursive: true })))
    await chmod(rootfs, 0o755)
    const digest = `sha256:${createHash('sha256').update(JSON.stringify({ recipe, unpacked })).digest('hex')}`
    await syncFilesystem(rootfs, signal)
    return await store.images.adopt({
      digest,
      rootfs,
      source: ref,
      config: { entrypoint: [], cmd: [], env: [], user: '', workdir: '/', exposedPorts: [] },
    })
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

/** Makes `rootfs` in the directory `work`; returns the sorted names of the package archives that it was made of. */
async function unpackPackages(
  store: Store,
  { ref, suite, packages }: PackagesReference,
  work: string,
  signal: AbortSignal,
): Promise<string[]> {
  const listing = join(work, 'packages')
  const hook = join(work, 'finish.sh')
  await writeFile(hook, finish, { mode: 0o755 })
  const { code, stderr } = await runTool(
    'unshare',
    [
      // Mounts and processes of mmdebstrap end with it, whatever ends it.
      ...['--mount', '--pid', '--fork', '--kill-child', '--mount-proc', 'mmdebstrap'],
      ...['--variant=extract', '--format=directory', `--keyring=${debianKeyring}`],
      ...leftOut.map((name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`),
      '--aptopt=APT::Sandbox::User "root"',
      '--aptopt=Acquire::http::Timeout "15"',
      '--aptopt=Acquire::https::Timeout "15"',
      '--aptopt=Acquire::Retries "3"',
      `--hook-dir=${hooks}`,
      `--extract-hook=${hook}`,
      `--include=${[...packages, ...base].join(',')}`,
      ...[suite, join(work, 'rootfs'), ...hostSources(suite)],
    ],
    { signal, env: { ...process.env, MOORAGE_PACKAGES: listing, TMPDIR: work } },
  )
  if (code !== 0) throw failureOf(ref, stderr, store.directory)
  return (await readFile(listing, 'utf8')).trim().split('\n')
}

/**
 * Tells whether an archive, `NAME_VERSION_ARCHITECTURE.deb` with the colon written %3a, is of the requested
 * package.
 */
function isOfPackage(archive: string, requested: string): boolean {
  const [name, version = ''] = archive.split('_')
  const [requestedName, requestedVersion] = requested.split('=')
  if (name !== requestedName) return false
  return requestedVersion === undefined || decodeURIComponent(version) === requestedVersion
}

/** mmdebstrap exits 25 for everything: the cause is in the words of apt. */
const codesByWords: readonly [RegExp, 'PACKAGE_NOT_FOUND' | 'REGISTRY_UNREACHABLE'][] = [
  [
    /Unable to locate package|has no installation candidate|Version '.*' for '.*' was not found|unmet dependencies|held broken packages/,
    'PACKAGE_NOT_FOUND',
  ],
  [
    /Temporary failure resolving|Could not (connect|resolve)|Connection (failed|timed out|refused)|Something wicked happened resolving|Unable to connect|Proxy/,
    'REGISTRY_UNREACHABLE',
  ],
  [/does not have a Release file|no longer has a Release file/, 'PACKAGE_NOT_FOUND'],
]

function failureOf(ref: string, stderr: string, directory: string): MoorageError {
  const full = fullDiskError(stderr, `the image ${ref}`, directory)
  if (full) return full
  const lines = stderr.split('\n').map((line) => line.trim())
  for (const [words, code] of codesByWords) {
    const line = lines.find((candidate) => words.test(candidate))
    if (line !== undefined) return new MoorageError(code, { ref, reason: line.replace(/^[EW]: /, '') })
  }
  const reason = lines.find((line) => line.startsWith('E: ')) ?? lastWords(stderr)
  return new MoorageError('IMAGE_FAILED', { ref, reason })
}
