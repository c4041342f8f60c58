import { MoorageError } from '../../errors/index.ts'
import { ancestorsOf, everyMaker } from './ancestors.ts'
import type { PlannedBinding, PlannedExec, PlannedVertex } from './planned.ts'

/**
 * Refuses what could never run: two containers of which one needs the other, or that one client needs both, and that
 * want to lock the same volume. A service keeps its volumes until its clients have ended, so one waits for ever.
 *
 * @throws MoorageError VOLUME_DEADLOCK
 */
export function refuseLockConflicts(root: PlannedVertex): void {
  for (const maker of everyMaker(root)) {
    const lockers = new Map<string, PlannedExec>()
    for (const one of [...(maker.kind === 'exec' ? [maker] : []), ...servicesOf(maker)]) {
      for (const volume of lockedBy(one)) {
        const other = lockers.get(volume)
        if (other) {
          const path = [other, one].map(describe).join(' and ')
          throw new MoorageError('VOLUME_DEADLOCK', { volume, path: `${path} must run at the same time` })
        }
        lockers.set(volume, one)
      }
    }
  }
}

/** All services that an exec needs while it runs, those of its services included; each once. */
function servicesOf(exec: Pick<PlannedExec, 'bindings' | 'digest'>): PlannedExec[] {
  const found = new Map<string, PlannedExec>()
  const visit = ({ bindings }: Pick<PlannedExec, 'bindings'>) => {
    for (const { service } of bindings) {
      if (found.has(service.exec.digest)) continue
      found.set(service.exec.digest, service.exec)
      visit(service.exec)
    }
  }
  visit(exec)
  found.delete(exec.digest)
  return [...found.values()]
}

/**
 * The services of an exec that something it is made of, or mounts, is made with as well. Not those that lock a volume
 * which something of that locks, too: that would wait for the service, and the service for this exec.
 */
export function heldThroughout(exec: PlannedExec): PlannedBinding[] {
  if (exec.bindings.length === 0) return []
  const steps = ancestorsOf(exec)
  return exec.bindings.filter(({ service }) => {
    const shared = steps.some(({ bindings }) =>
      bindings.some((one) => one.service.exec.digest === service.exec.digest),
    )
    if (!shared) return false
    const own = [service.exec, ...servicesOf(service.exec)]
    const digests = new Set(own.map(({ digest }) => digest))
    const others = steps
      .flatMap((step) => [...(step.kind === 'exec' ? [step] : []), ...servicesOf(step)])
      .filter(({ digest }) => !digests.has(digest))
    const locked = new Set(own.flatMap(lockedBy))
    return !others.flatMap(lockedBy).some((volume) => locked.has(volume))
  })
}

function lockedBy({ volumes }: PlannedExec): string[] {
  const locked = volumes.filter(({ sharing }) => sharing === 'locked')
  return [...new Set(locked.map(({ name }) => name))]
}

function describe({ label, args }: PlannedExec): string {
  return `${label} (${args.join(' ').slice(0, 60)})`
}
