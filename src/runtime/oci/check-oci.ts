import { mkdirSync, mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { MoorageError } from '../../errors/index.ts'
import { nearestExisting } from '../../make-directory.ts'
import { cgroupMounts } from './cgroups/cgroups.ts'
import { cgroupsRemedy, checkCgroups, checkOverlay, needsTrial, overlayRemedy } from './host-needs.ts'
import { createOciRuntime } from './oci-runtime.ts'
import { controllersThatCrunRefuses, findOciTool, findProgram, hybridRemedy } from './oci-tool.ts'
import { readProfile } from './seccomp/profile.ts'

/** The result of one check of the host, and the cure if it failed. */
interface OciCheck {
  name: string
  ok: boolean
  detail: string
  remedy: string
  /** True if it could not be looked at, so that nothing is known about it. */
  skipped?: true
}

/**
 * Checks what containers need of this host, each thing by itself; the last check runs a container.
 *
 * @param directories - as they are given to the daemon: its overlays and run-time files will be there
 */
export async function checkOci({
  stateDirectory = '/var/lib/moorage',
  runDirectory = '/run/moorage',
} = {}): Promise<OciCheck[]> {
  return [
    await check('OCI runtime', { remedy: 'moorage setup installs crun' }, async () => {
      const { version, path } = await findOciTool()
      const refused = findProgram('crun') === undefined ? undefined : controllersThatCrunRefuses()
      const remark =
        refused === undefined ? '' : `; crun would refuse: cgroup version 2 holds ${refused}: ${hybridRemedy}`
      return `${version} (${path})${remark}`
    }),
    await check(
      'seccomp profile',
      { remedy: 'moorage setup installs containers-common' },
      () => readProfile().path,
    ),
    await check('cgroups', { only: 'make one', remedy: cgroupsRemedy }, () => {
      checkCgroups(`moorage-doctor-${process.pid}`)
      const mounts = cgroupMounts()
      return mounts.length === 1 ? 'writable, version 2' : `writable, ${mounts.length} hierarchies`
    }),
    await check('overlayfs', { only: 'mount one', remedy: overlayRemedy }, async () => {
      const place = await nearestExisting(stateDirectory)
      checkOverlay(place)
      return `usable below ${place}`
    }),
    await check('containers', { only: 'run one', remedy: 'see the checks before this one' }, async () =>
      runContainer(await nearestExisting(stateDirectory), await nearestExisting(runDirectory)),
    ),
  ]
}

async function check(
  name: string,
  { only, remedy }: { only?: string; remedy: string },
  find: () => string | Promise<string>,
): Promise<OciCheck> {
  if (only !== undefined && process.geteuid?.() !== 0) {
    const detail = `not looked at: only root can ${only}`
    return { name, ok: false, skipped: true, detail, remedy: 'look again as root: sudo moorage doctor' }
  }
  try {
    return { name, ok: true, detail: await find(), remedy }
  } catch (error) {
    const { hint } = error as { hint?: string }
    return { name, ok: false, detail: (error as Error).message, remedy: hint ?? remedy }
  }
}

/**
 * Runs a container at the start of a daemon, where nothing else shows that one can run.
 *
 * @throws MoorageError HOST_UNSUITABLE
 */
export async function tryContainer(stateDirectory: string, runDirectory: string): Promise<void> {
  if (!needsTrial()) return
  try {
    await runContainer(stateDirectory, runDirectory)
  } catch (cause) {
    const reason = `without CAP_SYS_RESOURCE none runs: ${(cause as Error).message}`
    const remedy =
      'give the daemon CAP_SYS_RESOURCE, or raise its limit of locked memory: ulimit -l unlimited'
    throw new MoorageError('HOST_UNSUITABLE', { reason, remedy }, { cause })
  }
}

/** Runs the host's own `true`, with /usr as the root filesystem. */
async function runContainer(stateDirectory: string, runDirectory: string): Promise<string> {
  const state = mkdtempSync(join(stateDirectory, '.moorage-doctor-'))
  let run: string | undefined
  try {
    run = mkdtempSync(join(runDirectory, '.moorage-doctor-'))
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
    if (run !== undefined) await rm(run, { recursive: true, force: true })
  }
}
