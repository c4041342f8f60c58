import type { PortForward } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import type { ScopedKey } from '../../lifecycle/index.ts'
import { type Forward, NetnsError, type ServiceNetwork } from '../../network/index.ts'

/** Ports of the host that lead to one service or run, until they are closed. */
export interface PublishedPorts extends AsyncDisposable {
  /** As requested, with the ports and addresses that were chosen. */
  readonly ports: readonly PortForward[]
  close(): Promise<void>
}

interface Listed {
  readonly ports: readonly PortForward[]
  isOpen(): boolean
}

/** The ports of the host that lead to each service at the moment, by the service's key. */
export class PublishedIndex {
  readonly #listed = new Map<ScopedKey, Set<Listed>>()

  /**
   * Lists ports until the returned function is called.
   *
   * @param isOpen - for ports that somebody else closes without calling that function
   */
  add(key: ScopedKey, ports: readonly PortForward[], isOpen: () => boolean = () => true): () => void {
    const listed = new Set([...(this.#listed.get(key) ?? [])].filter((entry) => entry.isOpen()))
    const entry = { ports, isOpen }
    this.#listed.set(key, listed.add(entry))
    return () => {
      const left = this.#listed.get(key)
      left?.delete(entry)
      if (left?.size === 0) this.#listed.delete(key)
    }
  }

  of(key: ScopedKey): readonly PortForward[] {
    return [...(this.#listed.get(key) ?? [])].flatMap((entry) => (entry.isOpen() ? entry.ports : []))
  }
}

/**
 * Opens all of the ports, or none.
 *
 * @param address - returns the present address of the service. It is asked for each connection, since a service
 *    that restarts gets another address; while it has none, connections are reset
 * @throws MoorageError PORT_UNUSABLE
 */
export async function publishPorts(
  { network }: ServiceNetwork,
  wanted: readonly PortForward[],
  address: () => string | undefined,
): Promise<PublishedPorts> {
  await using opened = new AsyncDisposableStack()
  const ports: PortForward[] = []
  for (const { host, service, address: at = '127.0.0.1', protocol = 'tcp' } of wanted) {
    const to = () => {
      const now = address()
      return now === undefined ? undefined : { address: now, port: service }
    }
    let forward: Forward
    try {
      forward = await network.forward({ host: { address: at, port: host }, to, protocol })
    } catch (error) {
      if (!(error instanceof NetnsError && error.code === 'KERNEL')) throw error
      throw new MoorageError(
        'PORT_UNUSABLE',
        { port: `${host}/${protocol}`, address: at, reason: error.message },
        {
          cause: error,
        },
      )
    }
    opened.use(forward)
    ports.push({ host: forward.port, service, address: forward.address, protocol })
  }
  const held = opened.move()
  const close = () => held.disposeAsync()
  return { ports, close, [Symbol.asyncDispose]: close }
}
