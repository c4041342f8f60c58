import type { ScopedKey } from '../scoped-key.ts'
import type { Service } from '../service/service-life.ts'

/** Returns the keys of the services that hold a lease on this one. */
export function dependentKeys({ leaseholders }: Service): ScopedKey[] {
  return leaseholders.flatMap((holder) => (holder.kind === 'service' ? [holder.key] : []))
}
