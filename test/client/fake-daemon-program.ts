/**
 * A daemon as `connect()` starts one: it keeps sessions, and behaves as its first argument says.
 * Usage: fake-daemon-program.ts BEHAVIOUR DIRECTORY --listen unix://SOCKET --idle-exit 10s
 */
import { appendFileSync, existsSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { MoorageError } from '../../src/errors/index.ts'

const [behaviour = '', directory = '', ...flags] = process.argv.slice(2)
const socket = (flags[flags.indexOf('--listen') + 1] ?? '').replace('unix://', '')

/** The process ends after this time, in case its test failed. */
setTimeout(() => process.exit(1), 20_000).unref()
appendFileSync(
  join(directory, 'starts'),
  `${JSON.stringify({ pid: process.pid, flags, cwd: process.cwd(), state: process.env.MOORAGE_STATE_DIR, runtime: process.env.MOORAGE_RUNTIME_DIR })}\n`,
)

/** Returns true for the first process of the directory that asks. */
function first(): boolean {
  const marker = join(directory, 'was-here')
  if (existsSync(marker)) return false
  writeFileSync(marker, '')
  return true
}

function fail(error: MoorageError): never {
  process.stderr.write(`{"level":30,"msg":"something else"}\n${JSON.stringify({ error })}\n`)
  process.exit(1)
}

function listen(onSession?: () => boolean): void {
  const server = createServer((request, response) => {
    request.resume()
    if (request.method === 'POST' && request.url === '/v1/session') {
      if (onSession?.()) return
      response.writeHead(200, { 'moorage-version': '9.9.9' })
      response.write(`{"type":"session","id":"session of ${process.pid}"}\n`)
    } else response.writeHead(200).end(JSON.stringify({ pid: process.pid }))
  })
  server.listen(socket)
}

switch (behaviour) {
  case 'works':
    listen()
    break
  case 'is slow':
    setTimeout(listen, 300)
    break
  case 'hangs':
    setInterval(() => undefined, 1_000)
    break
  case 'says why':
    fail(new MoorageError('SUBNET_IN_USE', { subnet: '10.0.0.0/8', reason: 'eth0 has it' }))
    break
  case 'crashes':
    process.stderr.write('one\ntwo\n')
    process.exit(3)
    break
  case 'says nothing':
    process.exit(4)
    break
  case 'is locked out':
    // The test wrote down the pid of the process that holds the lock.
    if (first()) {
      fail(
        new MoorageError('STATE_LOCKED', { pid: readFileSync(join(directory, 'holder'), 'utf8'), directory }),
      )
    }
    listen()
    break
  case 'leaves once':
    listen(() => {
      if (!first()) return false
      unlinkSync(socket)
      process.exit(0)
    })
    break
  case 'always leaves':
    listen(() => {
      unlinkSync(socket)
      process.exit(0)
    })
    break
  default:
    throw new Error(`no behaviour "${behaviour}"`)
}
