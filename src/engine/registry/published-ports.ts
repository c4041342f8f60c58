import type { PortForward } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import type { ScopedKey, StateName } from '../../lifecycle/index.ts'
import { type Forward, NetnsError, type ReservedForward, type ServiceNetwork } from '../../network/index.ts'

/** Ports of the host that lead to one service or run, until they are closed. */
export interface PublishedPorts extends AsyncDisposable {
  /** As requested, with the ports and addresses that were chosen. */
  readonly ports: readonly PortForward[]
  close(): Promise<void>
}

/** Ports that refuse clients until they are opened. */
export interface ReservedPorts extends PublishedPorts {
  /** @throws MoorageError PORT_UNUSABLE */
  open(): Promise<void>
  shut(): Promise<void>
}

type Gate = Pick<ReservedPorts, 'open' | 'shut'>

interface Listed {
  readonly ports: readonly PortForward[]
  isOpen(): boolean
  readonly gate?: Gate | undefined
}

/** The states in which a service is healthy. */
const healthy: ReadonlySet<StateName> = new Set(['ready', 'grace'])

/** The ports of the host that lead to each service at the moment, by the service's key. */
export class PublishedIndex {
  readonly #listed = new Map<ScopedKey, Set<Listed>>()
  /** The last change of each service's gates. */
  readonly #changes = new Map<ScopedKey, Promise<unknown>>()

  /**
   * Lists ports until the returned function is called.
   *
   * @param isOpen - for ports that somebody else closes without calling that function
   * @param gate - is opened when the service is healthy, and shut when it is not
   */
  add(
    key: ScopedKey,
    ports: readonly PortForward[],
    { isOpen = () => true, gate }: Partial<Omit<Listed, 'ports'>> = {},
  ): () => void {
    const listed = new Set([...(this.#listed.get(key) ?? [])].filter((entry) => entry.isOpen()))
    const entry = { ports, isOpen, gate }
    this.#listed.set(key, listed.add(entry))
    return () => {
      const left = this.#listed.get(key)
      left?.delete(entry)
      if (left?.size === 0) this.#listed.delete(key)
    }
  }

  /** Has the ports of a service follow its state; resolves when they are open or shut accordingly. */
  follow({ key, to }: { readonly key: ScopedKey; readonly to: StateName }): Promise<unknown> {
    const gates = [...(this.#listed.get(key) ?? [])].flatMap(({ gate }) => gate ?? [])
    if (gates.length === 0) return Promise.resolve()
    const change = Promise.all(gates.map((gate) => (healthy.has(to) ? gate.open() : gate.shut())))
    const settled = change
      .catch(() => undefined)
      .then(() => {
        if (this.#changes.get(key) === settled) this.#changes.delete(key)
      })
    this.#changes.set(key, settled)
    return change
  }

  /** Resolves when the ports of a service are open or shut as its state is. */
  async settled(key: ScopedKey): Promise<void> {
    await this.#changes.get(key)
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
  const { ports, close } = await forwardAll(wanted, address, (options) => network.forward(options))
  return { ports, close, [Symbol.asyncDispose]: close }
}

/** The same, but nobody gets in until they are opened. */
export async function reservePorts(
  { network }: ServiceNetwork,
  wanted: readonly PortForward[],
  address: () => string | undefined,
): Promise<ReservedPorts> {
  const { ports, forwards, close } = await forwardAll(wanted, address, (options) => network.reserve(options))
  const all = async (step: (forward: ReservedForward) => Promise<void>) => {
    await Promise.all(forwards.map((forward) => step(forward).catch((error) => refused(forward, error))))
  }
  return {
    ports,
    close,
    open: () => all((forward) => forward.open()),
    shut: () => all((forward) => forward.shut()),
    [Symbol.asyncDispose]: close,
  }
}

type Options = Parameters<ServiceNetwork['network']['forward']>[0]

async function forwardAll<T extends Forward>(
  wanted: readonly PortForward[],
  address: () => string | undefined,
  start: (options: Options) => Promise<T>,
) {
  await using opened = new AsyncDisposableStack()
  const ports: PortForward[] = []
  const forwards: T[] = []
  for (const { host, service, address: at = '127.0.0.1', protocol = 'tcp' } of wanted) {
    const to = () => {
      const now = address()
      return now === undefined ? undefined : { address: now, port: service }
    }
    const forward = await start({ host: { address: at, port: host }, to, protocol }).catch((error) =>
      refused({ port: host, protocol, address: at }, error),
    )
    forwards.push(opened.use(forward))
    ports.push({ host: forward.port, service, address: forward.address, protocol })
  }
  const held = opened.move()
  return { ports, forwards, close: () => held.disposeAsync() }
}

function refused(
  { port, protocol, address }: Pick<Forward, 'port' | 'protocol' | 'address'>,
  error: unknown,
): never {
  if (!(error instanceof NetnsError && error.code === 'KERNEL')) throw error
  throw new MoorageError(
    'PORT_UNUSABLE',
    { port: `${port}/${protocol}`, address, reason: error.message },
    { cause: error },
  )
}
