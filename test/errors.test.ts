import { readFileSync } from 'node:fs'
import t from 'tap'
import { errorDocs, errorDocsPath } from '../scripts/error-docs.ts'
import {
  asMoorageError,
  catalogue,
  ExecError,
  errorFromWire,
  HealthError,
  moorageError,
} from '../src/errors/index.ts'

t.test('docs/errors.md is what the catalogue says', async (t) => {
  t.equal(readFileSync(errorDocsPath, 'utf8'), errorDocs(), 'if not: node scripts/error-docs.ts')
})

t.test('every entry has a sentence, a remedy, a status and an exit code', async (t) => {
  for (const [code, { sentence, hint, status, exit }] of Object.entries(catalogue)) {
    t.ok(sentence.length > 5 && hint.length > 5, code)
    t.ok(status >= 400 && status < 600, `${code}: HTTP status`)
    t.ok(exit > 0 && exit < 256, `${code}: exit code`)
  }
})

t.test('the sentence is filled from the details', async (t) => {
  const error = moorageError('STATE_LOCKED', { pid: 7, directory: '/var/lib/moorage' })
  t.equal(error.message, 'another daemon (pid 7) uses the state directory /var/lib/moorage')
})

t.test('a sentence fits all who use its code', async (t) => {
  t.equal(moorageError('SERVICE_NOT_RUNNING', { service: 'db' }).message, 'the service db is not running')
  t.equal(
    moorageError('NETWORK_IN_USE', { network: 'ci', users: 2, what: 'db stops in 9s' }).message,
    'the network "ci" is in use: db stops in 9s',
  )
})

t.test('an error is the same after the wire', async (t) => {
  const cause = new Error('spawn crun ENOENT')
  for (const sent of [
    moorageError(
      'EXEC_FAILED',
      { command: 'x', args: ['x'], exitCode: 3, stdout: 'o', stderr: 'e' },
      { cause },
    ),
    moorageError('HEALTH_TIMEOUT', {
      breadcrumbs: 'start a',
      timeout: '2 s',
      checks: '80/tcp',
      log: 'last words',
    }),
  ]) {
    const received = errorFromWire(JSON.parse(JSON.stringify(sent)))
    t.equal(received.constructor, sent.constructor)
    t.same(
      { code: received.code, message: received.message, hint: received.hint, details: received.details },
      { code: sent.code, message: sent.message, hint: sent.hint, details: sent.details },
    )
    t.equal((received.cause as Error | undefined)?.message, (sent.cause as Error | undefined)?.message)
  }
  t.match(moorageError('EXEC_FAILED', { exitCode: 3 }), ExecError)
  t.match(moorageError('SERVICE_EXITED', { log: 'x' }), HealthError)
})

t.test('an unknown code of a newer daemon is kept as INTERNAL with its words', async (t) => {
  const error = errorFromWire({
    code: 'FROM_THE_FUTURE' as 'INTERNAL',
    message: 'words',
    hint: '',
    details: {},
  })
  t.equal(error.code, 'INTERNAL')
  t.equal(error.message, 'words')
})

t.test('a full disk and a cancellation are recognised', async (t) => {
  t.equal(asMoorageError(Object.assign(new Error('x'), { code: 'ENOSPC', path: '/p' })).code, 'DISK_FULL')
  t.equal(asMoorageError(AbortSignal.abort().reason).code, 'CANCELLED')
  t.equal(asMoorageError('a string').code, 'INTERNAL')
})

const serviceError = (details: object) =>
  errorFromWire(
    JSON.parse(
      JSON.stringify(
        moorageError('SERVICE_EXITED', {
          breadcrumbs: 'start h1u8.moorage.internal (aliased as db)',
          exitCode: 1,
          when: 'before it was healthy',
          service: 'h1u8v0k2m4p6aaaa',
          name: 'db',
          image: 'mmdebstrap:bookworm?packages=redis-server',
          ...details,
        }),
      ),
    ),
    { complete: true },
  )

t.test('the message alone names service, image, cause, last log line and what to do (E18)', async (t) => {
  const error = serviceError({ log: 'starting\n\x1b[31mFatal: bad config\x1b[0m\r\n\n', advice: 'read it' })
  t.equal(
    error.message,
    [
      'start h1u8.moorage.internal (aliased as db): exited with code 1 before it was healthy',
      '  service: db (h1u8v0k2m4p6), of mmdebstrap:bookworm?packages=redis-server',
      '  its last line: Fatal: bad config',
      '  hint: read it',
    ].join('\n'),
  )
  t.equal(error.sentence, error.message.split('\n')[0])
  t.equal(error.toJSON().message, error.sentence, 'on the wire it is one sentence')
  t.notMatch(serviceError({ log: ' \n' }).message, 'last line', 'no line where it wrote none')
  const long = serviceError({ log: `${'x'.repeat(10_000)}\n` }).message
  t.ok(long.length < 1_000, 'a line that is quoted is cut')
  const exec = moorageError('EXEC_FAILED', {
    command: 'make',
    exitCode: 2,
    stdout: 'built',
    stderr: 'make: no rule\n',
  })
  t.match(
    errorFromWire(exec.toJSON(), { complete: true }).message,
    /^make exited with code 2\n {2}its last line: make: no rule\n {2}hint: /,
  )
})

t.test('a message cuts what it quotes; the details keep it (E19)', async (t) => {
  const image = `mmdebstrap:bookworm?packages=${'a-package,'.repeat(50)}`
  const error = moorageError('COMMAND_NOT_FOUND', { command: 'y'.repeat(200_000), image })
  t.ok(error.message.length < 400, error.message)
  t.match(error.message, /^the command "y+…" does not exist in mmdebstrap:bookworm\?packages=a-package,.*…$/)
  t.equal(error.details.image, image)
})
