import { MoorageError } from '../../errors/index.ts'
import { everyMaker } from './ancestors.ts'
import type { PlannedExec, PlannedVertex } from './planned.ts'

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
export function servicesOf(exec: Pick<PlannedExec, 'bindings' | 'digest'>): PlannedExec[] {
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

export function lockedBy({ volumes }: PlannedExec): string[] {
  const locked = volumes.filter(({ sharing }) => sharing === 'locked')
  return [...new Set(locked.map(({ name }) => name))]
}

function describe({ label, args }: PlannedExec): string {
  return `${label} (${args.join(' ').slice(0, 60)})`
}
