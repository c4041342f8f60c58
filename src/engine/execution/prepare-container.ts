import type { ContainerHolder, Lease } from '../../lifecycle/index.ts'
import type { Berths } from '../../network/index.ts'
import type { ContainerMount } from '../../runtime/runtime.ts'
import type { EngineContext } from '../context.ts'
import { filesystemOf } from '../files/filesystem.ts'
import { mountsOf } from '../files/mounts.ts'
import { enterNetwork } from '../networks/enter-network.ts'
import type { PlannedBinding, PlannedExec } from '../plan/planned.ts'
import type { HeldVolumes } from '../registry/volume-locks.ts'
import type { Releases } from '../release.ts'

/** Everything that a container needs before it can be started. */
export interface PreparedContainer {
  readonly network: Berths
  /** Directories of its filesystem, topmost first. */
  readonly lowers: readonly string[]
  /** What is mounted in it besides its volumes. */
  readonly mounts: readonly ContainerMount[]
  /** Leases on the services that it is bound to. */
  readonly leases: readonly Lease[]
  readonly volumes: HeldVolumes
}

export interface PrepareContainer {
  exec: PlannedExec
  network: string
  /** The container as the holder of its leases and volumes. */
  holder: ContainerHolder
  /** Bindings whose services are held before the filesystem is made, instead of after it. */
  heldThroughout?: readonly PlannedBinding[]
  signal: AbortSignal
  /** Called when it begins to wait for a volume. */
  onWait: (detail: string) => void
  /** Gets each thing as it is acquired; whoever calls runs them, also when this throws. */
  releases: Releases
}

/**
 * Acquires what a container needs, in this order: its network, its filesystem, its mounts, the services that it is
 * bound to, its volumes. Volumes come last, since who has one keeps others waiting.
 *
 * @throws MoorageError VOLUME_DEADLOCK, what making the filesystem or starting a service throws; the signal's reason
 */
export async function prepareContainer(
  context: EngineContext,
  request: PrepareContainer,
): Promise<PreparedContainer> {
  const { exec, network: name, holder, heldThroughout = [], signal, onWait, releases } = request
  const network = await enterNetwork(context, name, releases)
  // The container belongs to all who ask for it: it goes on when the first of them has gone.
  const caller = { signal, onEvent: () => undefined }
  const acquire = (bindings: readonly PlannedBinding[]) =>
    context.evaluator.acquireBindings({ bindings, network: name, holder, caller, releases })
  const early = await acquire(heldThroughout)
  const filesystem = { network: name, waiter: holder, caller, releases }
  const lowers = await filesystemOf(context, exec.input, filesystem)
  const mounts = await mountsOf(context, exec, filesystem)
  const late = await acquire(exec.bindings.filter((binding) => !heldThroughout.includes(binding)))
  const volumes = await context.volumes.acquire(exec, { owner: holder, signal, onWait })
  releases.add('let go of its volumes', () => volumes[Symbol.dispose]())
  return { network, lowers, mounts, leases: [...early, ...late], volumes }
}
