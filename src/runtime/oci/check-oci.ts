import { mkdirSync, mkdtempSync, readFileSync, statfsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { cgroupMounts, tryCgroup } from './cgroups/cgroups.ts'
import { createOciRuntime } from './oci-runtime.ts'
import { controllersThatCrunRefuses, findOciTool, findProgram, hybridRemedy } from './oci-tool.ts'
import { readProfile } from './seccomp/profile.ts'

/** The result of one check of the host, and the cure if it failed. */
interface OciCheck {
  name: string
  ok: boolean
  detail: string
  remedy: string
}

/** The type of an overlayfs in statfs(2). */
const OVERLAYFS_SUPER_MAGIC = 0x794c7630

/** Checks what containers need of this host, each thing by itself; the last check runs a container. */
export async function checkOci({ stateDirectory = '/var/lib/moorage' } = {}): Promise<OciCheck[]> {
  return [
    await check('OCI runtime', 'moorage setup installs crun', async () => {
      const { version, path } = await findOciTool()
      const refused = findProgram('crun') === undefined ? undefined : controllersThatCrunRefuses()
      const remark =
        refused === undefined ? '' : `; crun would refuse: cgroup version 2 holds ${refused}: ${hybridRemedy}`
      return `${version} (${path})${remark}`
    }),
    await check('seccomp profile', 'moorage setup installs containers-common', () => readProfile().path),
    await check('cgroups', 'run it as root, with a writable /sys/fs/cgroup', () => {
      const refusal = tryCgroup(`moorage-doctor-${process.pid}`)
      if (refusal !== undefined) throw new Error(refusal)
      const mounts = cgroupMounts()
      if (mounts.length === 0) throw new Error('none are mounted')
      return mounts.length === 1 ? 'writable, version 2' : `writable, ${mounts.length} hierarchies`
    }),
    await check(
      'overlayfs',
      'load the kernel module overlay; keep the state directory on a plain filesystem',
      () => {
        const place = nearest(stateDirectory)
        if (!/\toverlay$/m.test(readFileSync('/proc/filesystems', 'utf8')))
          throw new Error('the kernel has none loaded')
        if (statfsSync(place).type === OVERLAYFS_SUPER_MAGIC)
          throw new Error(`${stateDirectory} is on an overlayfs itself`)
        return `usable below ${place}`
      },
    ),
    await check('containers', 'see the checks before this one', () => runContainer(nearest(stateDirectory))),
  ]
}

async function check(name: string, remedy: string, find: () => string | Promise<string>): Promise<OciCheck> {
  try {
    return { name, ok: true, detail: await find(), remedy }
  } catch (error) {
    return { name, ok: false, detail: (error as Error).message, remedy }
  }
}

/** Runs the host's own `true`, with /usr as the root filesystem. */
async function runContainer(stateDirectory: string): Promise<string> {
  // The overlays will be on the state directory's filesystem.
  const state = mkdtempSync(join(stateDirectory, '.moorage-doctor-'))
  const run = mkdtempSync(join(tmpdir(), 'moorage-doctor-'))
  try {
    const [upper, logs] = [join(state, 'upper'), join(state, 'logs')]
    mkdirSync(upper)
    mkdirSync(logs)
    const runtime = await createOciRuntime({ instance: `doctor-${process.pid}`, runDirectory: run })
    try {
      const begin = performance.now()
      const container = await runtime.start({
        id: 'doctor',
        image: 'the host’s /usr',
        args: ['/bin/true'],
        env: [],
        user: '',
        workdir: '/',
        hostname: 'doctor',
        lowers: ['/usr'],
        upper,
        namespace: `/proc/${process.pid}/ns/net`,
        mounts: [],
        logs,
      })
      const { code } = await container.exited
      if (code !== 0) throw new Error(`a container that runs true exits with code ${code}`)
      return `one has run, in ${(performance.now() - begin).toFixed(0)} ms`
    } finally {
      await runtime.close()
    }
  } finally {
    await rm(state, { recursive: true, force: true })
    await rm(run, { recursive: true, force: true })
  }
}

/** Returns the directory, or the nearest above it that exists. */
function nearest(directory: string): string {
  try {
    statfsSync(directory)
    return directory
  } catch {
    return directory === '/' ? '/' : nearest(dirname(directory))
  }
}
