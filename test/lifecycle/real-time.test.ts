/** The lifecycle with this machine's clock, and a server that really listens. */
import { once } from 'node:events'
import { connect, createServer, type Server } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import {
  createServices,
  type ServiceCheck,
  type ServiceProcess,
  systemClock,
} from '../../src/lifecycle/index.ts'
import { freePort } from '../free-port.ts'

t.test('the system’s clock: timers fire, can be called off, and may be months long', async (t) => {
  const fired: string[] = []
  const before = systemClock.now()
  const called = systemClock.setTimeout(() => fired.push('called off'), 1)
  called[Symbol.dispose]()
  const long = systemClock.setTimeout(() => fired.push('long'), 2 ** 31 + 1_000)
  await new Promise<void>((resolve) => systemClock.setTimeout(resolve, 20))
  t.strictSame(fired, [])
  t.ok(systemClock.now() - before >= 19)
  long[Symbol.dispose]()
})

/** A service in this process: a port that is opened some time after its start. */
class Listener implements ServiceProcess {
  readonly address = '127.0.0.1'
  readonly exited: Promise<{ code: number; signal: null }>
  readonly #exit: (exit: { code: number; signal: null }) => void
  readonly server: Server
  listensSince = 0

  constructor(server: Server) {
    const { promise, resolve } = Promise.withResolvers<{ code: number; signal: null }>()
    this.server = server
    this.exited = promise
    this.#exit = resolve
  }

  async probe(check: ServiceCheck, signal: AbortSignal) {
    const port = 'port' in check ? check.port : 0
    const socket = connect({ port, host: this.address, signal })
    try {
      await once(socket, 'connect')
      return { ok: true } as const
    } catch (error) {
      return { ok: false, answer: (error as NodeJS.ErrnoException).code ?? 'unknown' } as const
    } finally {
      socket.destroy()
    }
  }

  async signal() {
    this.server.close()
    this.#exit({ code: 143, signal: null })
  }

  async tail() {
    return ''
  }

  async release() {}
}

t.test('a client runs within milliseconds of the port’s opening', async (t) => {
  const server = createServer((socket) => socket.destroy())
  const port = await freePort()

  const services = createServices({ clock: systemClock })
  const listener = new Listener(server)
  const lease = await services.acquire(
    'net/db',
    {
      label: 'db',
      hostname: 'db.moorage.internal',
      describe: {},
      async start() {
        void delay(60).then(() => {
          server.listen(port, '127.0.0.1')
          server.once('listening', () => {
            listener.listensSince = performance.now()
          })
        })
        return listener
      },
    },
    { holder: { kind: 'run', key: 'net/client', label: 'client' }, checks: [{ kind: 'tcp', port }] },
  )
  const late = performance.now() - listener.listensSince
  t.comment(`${late.toFixed(1)} ms after the port was open`)
  t.ok(late < 1_000, 'also on a busy machine')
  t.equal(lease.address, '127.0.0.1')
  const answers = services.get('net/db')?.checks[0]
  t.match(answers, { state: 'passing', answer: 'ECONNREFUSED' })
  await services.drain()
  t.match(services.list(), [{ state: 'stopped', exitCode: 143 }])
})
