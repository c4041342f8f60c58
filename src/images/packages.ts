import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { chmod, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { MoorageError } from '../errors.ts'
import type { Store, StoredImage } from '../store/index.ts'
import type { PackagesReference } from './reference.ts'
import { runTool } from './tool.ts'

/** Part of the digest: a change of how the filesystem is made makes another image. */
const recipe = 1

/** What turns unpacked packages into a system: merged /usr, a shell, users, the names of protocols. */
const base = ['usr-is-merged', 'busybox-static', 'base-passwd', 'netbase']
const leftOut = ['man', 'doc', 'locale', 'info', 'zoneinfo']
const hooks = '/usr/share/mmdebstrap/hooks/merged-usr'
const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg'

/** Names and versions are in the file names; the list decides the digest. */
const finish = `#!/bin/sh
set -e
cd "$1"
ls var/cache/apt/archives | grep '\\.deb$' | sort >"$MOORAGE_PACKAGES"
mkdir -p etc root tmp run proc sys dev
chmod 1777 tmp
chmod 700 root
cp usr/share/base-passwd/passwd.master etc/passwd
cp usr/share/base-passwd/group.master etc/group
chroot . /bin/busybox --install -s /bin
`

/**
 * A root filesystem made of Debian packages, unpacked and not configured: small, quick, and the same for the same
 * versions.
 *
 * @throws MoorageError PACKAGE_NOT_FOUND, REGISTRY_UNREACHABLE, IMAGE_FAILED
 */
export async function buildFromPackages(
  store: Store,
  reference: PackagesReference,
  options: { signal?: AbortSignal; onProgress?: (detail: string) => void },
): Promise<StoredImage> {
  const { ref, suite, packages } = reference
  const { signal, onProgress } = options
  const work = await store.temporary()
  const rootfs = await store.temporary()
  try {
    const listing = join(work, 'packages')
    const hook = join(work, 'finish.sh')
    const tar = join(work, 'root.tar')
    await writeFile(hook, finish, { mode: 0o755 })
    onProgress?.(`fetching and unpacking ${packages.join(', ')} from Debian ${suite}`)
    const made = await runTool(
      'unshare',
      [
        ...['-m', '-p', '-f', '--mount-proc', 'mmdebstrap', '--variant=extract', `--keyring=${keyring}`],
        ...leftOut.map((name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`),
        `--hook-dir=${hooks}`,
        `--extract-hook=${hook}`,
        `--include=${[...packages, ...base].join(',')}`,
        ...[suite, tar],
        ...mirror(),
      ],
      {
        env: { ...process.env, SOURCE_DATE_EPOCH: '1700000000', MOORAGE_PACKAGES: listing, TMPDIR: work },
        ...(signal ? { signal } : {}),
      },
    )
    if (made.code !== 0) throw failure(ref, made.stderr)
    const unpacked = (await readFile(listing, 'utf8')).trim().split('\n')
    const missing = packages.find(
      (name) => !unpacked.some((file) => file.startsWith(`${name.split('=')[0]}_`)),
    )
    if (missing !== undefined) {
      throw new MoorageError('PACKAGE_NOT_FOUND', {
        ref,
        reason: `${missing} was not among what apt unpacked`,
      })
    }
    onProgress?.(`storing ${unpacked.length} packages`)
    const extracted = await runTool(
      'tar',
      // Device nodes are the runtime's to make.
      [
        '--extract',
        '--numeric-owner',
        '--preserve-permissions',
        '--exclude=./dev/*',
        '-f',
        tar,
        '-C',
        rootfs,
      ],
      signal ? { signal } : {},
    )
    if (extracted.code !== 0) throw new MoorageError('IMAGE_FAILED', { ref, reason: extracted.stderr.trim() })
    await chmod(rootfs, 0o755)
    const digest = `sha256:${createHash('sha256').update(JSON.stringify({ recipe, unpacked })).digest('hex')}`
    return await store.images.adopt({
      digest,
      rootfs,
      source: ref,
      config: { entrypoint: [], cmd: [], env: [], user: '', workdir: '/', exposedPorts: [] },
    })
  } finally {
    await Promise.all([work, rootfs].map((path) => rm(path, { recursive: true, force: true })))
  }
}

/** mmdebstrap does not read the host's apt sources: a mirror that is set there is passed on. */
function mirror(): string[] {
  const texts = ['/etc/apt/sources.list', ...sourceFiles()].map((path) => {
    try {
      return readFileSync(path, 'utf8')
    } catch {
      return ''
    }
  })
  const found = /(?:^|\s)(https?:\/\/\S*\/debian)\/?(?=\s)/m.exec(texts.join('\n'))?.[1]
  return found === undefined ? [] : [found]
}

function sourceFiles(): string[] {
  try {
    return readdirSync('/etc/apt/sources.list.d').map((name) => `/etc/apt/sources.list.d/${name}`)
  } catch {
    return []
  }
}

function failure(ref: string, stderr: string): MoorageError {
  const lines = stderr.split('\n').filter((line) => /^(E:|W:|Err)/.test(line.trim()))
  const reason = (lines.length > 0 ? lines : stderr.trim().split('\n').slice(-3)).join('; ')
  if (
    /Unable to locate package|has no installation candidate|Version '.*' for '.*' was not found/.test(stderr)
  ) {
    return new MoorageError('PACKAGE_NOT_FOUND', { ref, reason })
  }
  if (/does not have a Release file|404 +Not Found/.test(stderr)) {
    return new MoorageError('PACKAGE_NOT_FOUND', { ref, reason })
  }
  if (/Temporary failure resolving|Could not connect|Connection failed|Could not resolve/.test(stderr)) {
    return new MoorageError('REGISTRY_UNREACHABLE', { ref, reason })
  }
  return new MoorageError('IMAGE_FAILED', { ref, reason })
}
