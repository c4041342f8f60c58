import { MoorageError } from '../../errors/index.ts'
import { ancestorsOf, everyMaker } from './ancestors.ts'
import type { PlannedBinding, PlannedExec, PlannedVertex } from './planned.ts'

/**
 * Refuses a plan that could never run: two containers lock the same volume, and one needs the other, or one client
 * needs both. A service keeps its volumes until its clients have ended, so one of them would wait for ever.
 *
 * @throws MoorageError VOLUME_DEADLOCK
 */
export function refuseLockConflicts(root: PlannedVertex): void {
  for (const maker of everyMaker(root)) {
    const lockers = new Map<string, PlannedExec>()
    for (const exec of [...(maker.kind === 'exec' ? [maker] : []), ...servicesOf(maker)]) {
      for (const volume of lockedBy(exec)) {
        const other = lockers.get(volume)
        if (other) {
          const path = [other, exec].map(describe).join(' and ')
          throw new MoorageError('VOLUME_DEADLOCK', { volume, path: `${path} must run at the same time` })
        }
        lockers.set(volume, exec)
      }
    }
  }
}

/** Returns each service that an exec needs while it runs, with the services of those. */
function servicesOf(exec: Pick<PlannedExec, 'bindings' | 'digest'>): PlannedExec[] {
  const services = new Map<string, PlannedExec>()
  const visit = ({ bindings }: Pick<PlannedExec, 'bindings'>) => {
    for (const { service } of bindings) {
      if (services.has(service.exec.digest)) continue
      services.set(service.exec.digest, service.exec)
      visit(service.exec)
    }
  }
  visit(exec)
  services.delete(exec.digest)
  return [...services.values()]
}

/**
 * Returns the bindings of an exec whose services are also needed to make what it stands on or mounts, so that they
 * are held from before that until its end. A service is left out when it locks a volume that one of those makers
 * locks too: the maker would wait for the service, and the service for this exec.
 */
export function heldThroughout(exec: PlannedExec): PlannedBinding[] {
  if (exec.bindings.length === 0) return []
  const steps = ancestorsOf(exec)
  return exec.bindings.filter(({ service }) => {
    const shared = steps.some(({ bindings }) =>
      bindings.some((binding) => binding.service.exec.digest === service.exec.digest),
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
