import { hostnameOf } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import { type ScopedKey, scopedKey } from '../../lifecycle/index.ts'
import type { PlannedExec } from '../plan/planned.ts'

/** The services by their names, in each network. A custom name may be wanted by several services. */
export class Hostnames {
  readonly #holders = new Map<ScopedKey, PlannedExec>()

  /**
   * Takes the names of a service that is about to start, until they are disposed of.
   *
   * @throws MoorageError HOSTNAME_TAKEN, naming the holder
   */
  claim(network: string, exec: PlannedExec): Disposable {
    const { label, customName } = exec
    const names = customName === undefined ? [label] : [label, customName]
    const keys = names.map((name) => scopedKey(network, name))
    for (const [index, key] of keys.entries()) {
      const holder = this.#holders.get(key)
      if (holder !== undefined && holder.digest !== exec.digest) {
        throw new MoorageError('HOSTNAME_TAKEN', {
          hostname: hostnameOf(names[index] ?? label),
          holder: `${holder.label.slice(0, 12)} (${holder.args.join(' ').slice(0, 60)})`,
        })
      }
    }
    for (const key of keys) this.#holders.set(key, exec)
    return {
      [Symbol.dispose]: () => {
        for (const key of keys) if (this.#holders.get(key) === exec) this.#holders.delete(key)
      },
    }
  }
}
