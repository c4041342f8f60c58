import { MoorageError } from '../../errors/index.ts'
import {
  type ContainerHolder,
  createLocks,
  type Holder,
  isContainer,
  type Locks,
  type Services,
} from '../../lifecycle/index.ts'
import type { Store } from '../../store/index.ts'
import type { PlannedExec, PlannedVolume } from '../plan/planned.ts'
import { findDeadlock, type Waiter, type WaitGraph, waiterId, waiterText } from './wait-graph.ts'

/** The cache volumes of a container, for as long as it runs. */
export interface HeldVolumes extends Disposable {
  /** Returns the directory of a mount. */
  directoryOf(volume: PlannedVolume): string
}

export interface VolumeLocks {
  /**
   * Takes the volumes of a container: waits for locked ones, and gives it directories of its own for private ones.
   *
   * @throws MoorageError VOLUME_DEADLOCK; the abort reason of `signal`
   */
  acquire(
    exec: PlannedExec,
    options: { owner: ContainerHolder; signal: AbortSignal; onWait: (detail: string) => void },
  ): Promise<HeldVolumes>
  /** True if somebody waits for a volume that this owner holds. */
  isWanted(owner: ContainerHolder): boolean
  /**
   * Looks for deadlocks that the waits of this holder for services have closed.
   *
   * @throws MoorageError VOLUME_DEADLOCK
   */
  check(holder: Holder): void
}

interface VolumeLocksOptions {
  store: Store
  services: () => Services
  waits: WaitGraph
}

export function createVolumeLocks({ store, services, waits }: VolumeLocksOptions): VolumeLocks {
  /** By volume, the numbers of the private directories that are in use. */
  const taken = new Map<string, Set<number>>()

  const locks: Locks<Waiter> = createLocks({
    idOf: waiterId,
    onWanted: ({ kind, key }) => {
      if (kind === 'service') services().hurry(key)
    },
  })

  const takeFree = (name: string): number => {
    const used = taken.get(name) ?? new Set()
    taken.set(name, used)
    let free = 1
    while (used.has(free)) free += 1
    used.add(free)
    return free
  }

  const refuse = (volume: string, owner: Waiter) => {
    const circle = findDeadlock(owner, { services: services().list(), locks, waits })
    if (circle) throw new MoorageError('VOLUME_DEADLOCK', { volume, path: circle.join(' -> ') })
  }

  return {
    async acquire(exec, { owner, signal, onWait }) {
      const locked = exec.volumes.filter(({ sharing }) => sharing === 'locked').map(({ name }) => name)
      const held = await locks.acquire(locked, {
        owner,
        signal,
        mayWait(volume, blocker) {
          refuse(volume, owner)
          onWait(`waiting for the volume ${volume}, which ${waiterText(blocker)} has locked`)
        },
      })
      // One volume at two paths is one directory.
      const own = new Map<string, number>()
      for (const { name, sharing } of exec.volumes) {
        if (sharing === 'private' && !own.has(name)) own.set(name, takeFree(name))
      }
      return {
        directoryOf: ({ name, sharing }) =>
          sharing === 'private' ? store.volumes.path(name, own.get(name)) : store.volumes.path(name),
        [Symbol.dispose]() {
          held[Symbol.dispose]()
          for (const [name, number] of own) taken.get(name)?.delete(number)
          own.clear()
        },
      }
    },
    isWanted: (owner) => locks.isWanted(owner),
    check(holder) {
      const own = isContainer(holder) ? waiterId(holder) : undefined
      for (const { owner, name } of locks.waiting()) if (waiterId(owner) !== own) refuse(name, owner)
    },
  }
}
