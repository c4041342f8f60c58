import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createClientNamespace } from './client-namespace.ts'

const cli = join(import.meta.dirname, '../../src/cli/main.ts')

t.setTimeout(60_000)
const space = await createClientNamespace()
t.teardown(() => space[Symbol.asyncDispose]())

/** A server as a process; ended with the test. */
async function started(child: ChildProcess): Promise<void> {
  t.teardown(async () => {
    const exited = once(child, 'exit')
    child.kill('SIGTERM')
    await exited
  })
  await once(child.stdout as NodeJS.ReadableStream, 'data')
  child.stdout?.resume()
}

const upstream = (listen: string, address: string) => [
  ...[cli, 'dns', 'serve', '--json', '--zone', 'example.com', '--listen', listen],
  ...['--record', `www=${address}`],
]
await started(space.serve(process.execPath, upstream('127.0.0.53:53', '192.0.2.53')))
await started(space.serveBeside(process.execPath, upstream('[fe80::2%dns1]:53', '192.0.2.80')))
await started(space.serveBeside(process.execPath, upstream('[fd77::2]:53', '192.0.2.77')))
await started(
  space.serve(process.execPath, [
    ...[cli, 'dns', 'serve', '--json', '--zone', 'dev.internal', '--listen', `${space.server}:53`],
    ...['--upstream', 'system'],
  ]),
)

const ask = async () => {
  const { stdout } = await space.run('dig', '+noall', '+answer', '+comments', 'www.example.com')
  return /\d+\.\d+\.\d+\.\d+$/m.exec(stdout)?.[0] ?? /status: (\w+)/.exec(stdout)?.[1]
}

t.test(
  'the system’s resolvers are followed: nobody, a stub on loopback, link-local with its scope, IPv6',
  async (t) => {
    t.equal(await ask(), 'SERVFAIL', 'nobody')
    const cases: [resolvConf: string, address: string][] = [
      ['nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch .\n', '192.0.2.53'],
      ['nameserver fe80::2%dns0\n', '192.0.2.80'],
      ['# comment\nnameserver fd77::2\n', '192.0.2.77'],
      ['nameserver 127.0.0.53\n', '192.0.2.53'],
      ['nameserver 127.0.0.9\nnameserver fe80::2%dns0\n', '192.0.2.80'],
      [`nameserver ${space.server}\nnameserver fd77::2\n`, '192.0.2.77'],
    ]
    for (const [text, address] of cases) {
      writeFileSync(space.serverResolvConf, text)
      t.equal(await ask(), address, text.replaceAll('\n', '; '))
    }
  },
)
