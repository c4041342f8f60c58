import type { Service } from '../service/service.ts'

/** What the holder of a lease is called when it is a service: `service <label>`. */
const serviceHolder = /^service (.+)$/

/** Whether another service holds a lease on it. */
export function isNeeded(service: Service): boolean {
  return service.leaseholders.some((holder) => serviceHolder.test(holder))
}

/** The keys of the services that hold a lease on it. They are of its own scope: what stands before its label. */
export function dependentKeys({ key, driver: { label }, leaseholders }: Service): string[] {
  const scope = key.endsWith(label) ? key.slice(0, key.length - label.length) : ''
  return leaseholders.flatMap((holder) => {
    const dependent = serviceHolder.exec(holder)?.[1]
    return dependent === undefined ? [] : [scope + dependent]
  })
}
