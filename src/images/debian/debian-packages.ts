import { createHash } from 'node:crypto'
import { chmod, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { MoorageError } from '../../errors/index.ts'
import type { Store, StoredImage } from '../../store/index.ts'
import { fullDiskError, lastWords, runTool } from '../../system-tool/index.ts'
import type { Working } from '../progress.ts'
import type { PackagesReference } from '../reference.ts'
import { syncFilesystem } from '../sync-filesystem.ts'
import { configureFiles } from './configure-script.ts'
import { hostSources } from './debian-mirror.ts'
import { unpackScript } from './unpack-script.ts'
import { withoutSync } from './without-sync.ts'

interface Form {
  /** Part of the digest: raised when the filesystem is made in another way, so that it is another image. */
  readonly recipe: number
  /** What is in it besides the packages that were asked for. */
  readonly base: readonly string[]
  readonly files: Readonly<Record<string, string>>
  readonly env: readonly string[]
  /** Returns mmdebstrap's options. @param wanted - all packages, the base among them */
  options(wanted: readonly string[]): string[]
}

/** As apt leaves packages on a machine: their maintainer scripts have run. Nothing of them is left out. */
const configured: Form = {
  recipe: 3,
  // A system with a merged /usr, and the names of protocols; mmdebstrap gets those that Debian calls essential.
  base: ['usr-is-merged', 'netbase'],
  files: configureFiles,
  env: ['LANG=C.UTF-8'],
  options: () => ['--include=?essential', '--skip=cleanup/run'],
}

/** Unpacked and no more, with busybox for a shell. */
const unpacked: Form = {
  recipe: 2,
  base: ['usr-is-merged', 'busybox-static', 'base-passwd', 'netbase'],
  files: { 'hook.sh': unpackScript },
  env: [],
  options: (wanted) => [
    `--include=${wanted.join(',')}`,
    ...['man', 'doc', 'locale', 'info', 'zoneinfo'].map(
      (name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`,
    ),
  ],
}

const hooks = '/usr/share/mmdebstrap/hooks/merged-usr'

/** Passed to mmdebstrap, which finds no key of its own if there is none in /etc/apt of the host. */
export const debianKeyring = '/usr/share/keyrings/debian-archive-keyring.gpg'

/**
 * Makes a root filesystem of Debian packages, the same for the same versions: configured as apt would leave them, or unpacked
 * only. Recommended packages are not in it. docs/images.md
 *
 * @throws MoorageError PACKAGE_NOT_FOUND, REGISTRY_UNREACHABLE, IMAGE_FAILED, DISK_FULL
 */
export async function buildFromPackages(
  store: Store,
  reference: PackagesReference,
  { signal, onProgress }: Working,
): Promise<StoredImage> {
  const { ref, suite, packages } = reference
  const form = reference.unpacked ? unpacked : configured
  const work = await store.temporary()
  try {
    const title = `building from Debian packages: ${packages.join(', ') || 'none but the base'}`
    const tell = (step: string) => onProgress(`${title}: ${step}`)
    onProgress(title)
    const found = await makeRootfs(store, reference, form, work, { signal, tell })
    const missing = packages.find((name) => !found.some((one) => isOfPackage(one, name)))
    if (missing !== undefined) {
      const reason = `${missing} is not a package of its own in ${suite} (a virtual one?)`
      throw new MoorageError('PACKAGE_NOT_FOUND', { ref, reason })
    }
    const rootfs = join(work, 'rootfs')
    // Device nodes are the runtime's to make.
    const devices = await readdir(join(rootfs, 'dev'))
    await Promise.all(devices.map((name) => rm(join(rootfs, 'dev', name), { recursive: true })))
    await chmod(rootfs, 0o755)
    const made = { recipe: form.recipe, [reference.unpacked ? 'unpacked' : 'configured']: found }
    const digest = `sha256:${createHash('sha256').update(JSON.stringify(made)).digest('hex')}`
    await syncFilesystem(rootfs, signal)
    return await store.images.adopt({
      digest,
      rootfs,
      source: ref,
      config: { entrypoint: [], cmd: [], env: [...form.env], user: '', workdir: '/', exposedPorts: [] },
    })
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

/** Makes `rootfs` in the directory; returns the sorted `NAME_VERSION_ARCHITECTURE` of the packages that it was made of. */
async function makeRootfs(
  store: Store,
  { ref, suite, packages }: PackagesReference,
  { base, files, options }: Form,
  work: string,
  { signal, tell }: { signal: AbortSignal; tell: (step: string) => void },
): Promise<string[]> {
  await Promise.all(
    Object.entries(files).map(([name, text]) => writeFile(join(work, name), text, { mode: 0o755 })),
  )
  const wanted = [...packages, ...base]
  const { code, stderr } = await runTool(
    'unshare',
    [
      // Mounts and processes of mmdebstrap end with it, whatever ends it.
      ...['--mount', '--pid', '--fork', '--kill-child', '--mount-proc'],
      // mmdebstrap gives its standard error to hooks as their standard output; ours is their third descriptor.
      ...['sh', '-c', 'exec "$@" 3>&1', 'sh', ...withoutSync('mmdebstrap')],
      ...['--variant=extract', '--format=directory', `--keyring=${debianKeyring}`],
      '--aptopt=APT::Sandbox::User "root"',
      '--aptopt=Acquire::http::Timeout "15"',
      '--aptopt=Acquire::https::Timeout "15"',
      '--aptopt=Acquire::Retries "3"',
      ...options(wanted),
      `--hook-dir=${hooks}`,
      `--extract-hook=${join(work, 'hook.sh')}`,
      ...[suite, join(work, 'rootfs'), ...hostSources(suite)],
    ],
    {
      signal,
      // Bounded: each piece is looked at, and kept by nobody.
      onOutput: async (piece) => {
        for (const [, step = ''] of String(piece).matchAll(/^moorage: (.+)$/gm)) tell(step)
      },
      env: { ...process.env, MOORAGE_WORK: work, MOORAGE_PACKAGES: wanted.join(' '), TMPDIR: work },
    },
  )
  if (code !== 0) throw failureOf(ref, stderr, store.directory)
  return (await readFile(join(work, 'packages'), 'utf8')).trim().split('\n')
}

/** Tells whether a package, `NAME_VERSION_ARCHITECTURE`, or its archive, with the colon written %3a, is the requested one. */
function isOfPackage(found: string, requested: string): boolean {
  const [name, version = ''] = found.split('_')
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

/** The most lines of a list of apt's that are quoted. */
const longestList = 4

/** dpkg's words for a maintainer script that failed, or a package that it could not unpack. */
const failedPackage = /dpkg: error processing (?:package|archive) (\S+) \(--\w+\):\n\s*(.+)/

function failureOf(ref: string, stderr: string, directory: string): MoorageError {
  const full = fullDiskError(stderr, `the image ${ref}`, directory)
  if (full) return full
  const [, name, words] = failedPackage.exec(stderr) ?? []
  if (name !== undefined) {
    const reason =
      `the package ${name} could not be configured: ${words}; ` +
      `before that: ${lastWords(stderr.slice(0, stderr.search(failedPackage)))} (with "unpacked" in the reference no script runs)`
    return new MoorageError('IMAGE_FAILED', { ref, reason })
  }
  const lines = stderr.split('\n').map((line) => line.trim())
  for (const [words, code] of codesByWords) {
    const at = lines.findIndex((candidate) => words.test(candidate))
    if (at < 0) continue
    // What ends with a colon goes on: `The following packages have unmet dependencies:`, and which they are.
    const told = lines[at]?.endsWith(':') ? lines.slice(at, at + longestList) : lines.slice(at, at + 1)
    const end = told.findIndex((line) => line === '' || line.startsWith('E: '))
    const reason = (end < 0 ? told : told.slice(0, end || 1)).join(' ').replace(/^[EW]: /, '')
    return new MoorageError(code, { ref, reason })
  }
  const reason = lines.find((line) => line.startsWith('E: ')) ?? lastWords(stderr)
  return new MoorageError('IMAGE_FAILED', { ref, reason })
}
