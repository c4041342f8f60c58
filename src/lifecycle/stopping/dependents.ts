import type { ScopedKey } from '../scoped-key.ts'
import type { ServiceLife } from '../service/service-life.ts'

/** Returns the keys of the services that hold a lease on this one. */
export function dependentKeys({ holders }: Pick<ServiceLife, 'holders'>): ScopedKey[] {
  return holders.flatMap((holder) => (holder.kind === 'service' ? [holder.key] : []))
}
