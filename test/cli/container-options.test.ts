import t from 'tap'
import { definitionOf } from '../../src/cli/options/container-definition.ts'
import { readContainer } from '../../src/cli/options/container-options.ts'
import type { MoorageError } from '../../src/errors/index.ts'
import { runCommand } from './command.ts'

t.test('flags describe a container and its services', async (t) => {
  const container = readContainer(
    'redis',
    ['redis-cli', 'ping'],
    {
      bind: ['db=redis', 'pg=docker.io/library/postgres:16'],
      bindExec: ["db=redis-server --save ''"],
      bindEnv: ['pg:POSTGRES_PASSWORD=a=b'],
      expose: ['db:6379', 'pg:5432/tcp'],
      env: ['A=1', 'B=', 'FROM_HERE', 'NOT_HERE'],
      volume: ['data:/data'],
      startTimeout: '2s',
    },
    { FROM_HERE: 'yes' },
  )
  t.same(definitionOf(container, { expect: 'any', noCache: true }), {
    ops: [
      { op: 'image', ref: 'redis' },
      { op: 'exec', input: 0, args: ['redis-server', '--save', ''], useEntrypoint: true },
      { op: 'image', ref: 'docker.io/library/postgres:16' },
      { op: 'exec', input: 2, env: [['POSTGRES_PASSWORD', 'a=b']] },
      { op: 'cacheVolume', name: 'data' },
      {
        op: 'exec',
        input: 0,
        args: ['redis-cli', 'ping'],
        useEntrypoint: true,
        env: [
          ['A', '1'],
          ['B', ''],
          ['FROM_HERE', 'yes'],
        ],
        mounts: [{ type: 'cache', path: '/data', volume: 4, sharing: 'shared' }],
        bindings: [
          { alias: 'db', service: { exec: 1, ports: [{ port: 6379, protocol: 'tcp' }], startTimeout: 2000 } },
          { alias: 'pg', service: { exec: 3, ports: [{ port: 5432, protocol: 'tcp' }], startTimeout: 2000 } },
        ],
        expect: 'any',
        noCache: true,
      },
    ],
    root: 5,
  })
})

t.test('without arguments the image runs its own command', async (t) => {
  t.same(definitionOf(readContainer('redis', [], {})), {
    ops: [
      { op: 'image', ref: 'redis' },
      { op: 'exec', input: 0 },
    ],
    root: 1,
  })
})

t.test('-p says which port of the host leads to which of the container', async (t) => {
  const tcp = { protocol: 'tcp' }
  for (const [text, forward] of [
    ['8080:80', { host: 8080, service: 80, ...tcp }],
    ['80', { host: 0, service: 80, ...tcp }],
    [':80', { host: 0, service: 80, ...tcp }],
    ['0:53/udp', { host: 0, service: 53, protocol: 'udp' }],
    ['0.0.0.0:8080:80/tcp', { host: 8080, service: 80, ...tcp, address: '0.0.0.0' }],
    ['[::1]:0:80', { host: 0, service: 80, ...tcp, address: '::1' }],
  ] as const) {
    t.same(readContainer('x', [], { publish: [text] }).publish, [forward], text)
  }
})

t.test('what is wrong with a flag is said, with what was typed', async (t) => {
  const cases: [flags: Parameters<typeof readContainer>[2], code: string, message: RegExp][] = [
    [{ bind: ['db'] }, 'INVALID_OPTION', /--bind: "db" is not ALIAS=IMAGE/],
    [{ bind: ['=redis'] }, 'INVALID_OPTION', /--bind/],
    [{ bind: ['db=x', 'db=y'] }, 'ALIAS_TWICE', /"db"/],
    [{ bindExec: ['db=x'] }, 'INVALID_OPTION', /no --bind gives the alias "db"/],
    [{ bind: ['db=x'], bindExec: ["db='"] }, 'INVALID_OPTION', /--bind-exec db: the quote/],
    [{ bind: ['db=x'], expose: ['db:0'] }, 'INVALID_OPTION', /"db:0" is not ALIAS:PORT/],
    [{ bind: ['db=x'], expose: ['db:70000'] }, 'INVALID_OPTION', /db:70000/],
    [{ expose: ['www:80'] }, 'INVALID_OPTION', /no --bind gives the alias "www"/],
    [{ env: ['=1'] }, 'INVALID_OPTION', /-e: "=1" is not K=V/],
    [{ volume: ['/etc:/etc'] }, 'INVALID_OPTION', /directories of the host are not mounted/],
    [{ volume: ['data:relative'] }, 'INVALID_OPTION', /-v/],
    [{ volume: ['data:/x:ro'] }, 'INVALID_OPTION', /-v/],
    [{ startTimeout: 'soon' }, 'INVALID_OPTION', /--start-timeout/],
    ...['x', '80:', ':0', '70000:1', '1:70000', '80:80/sctp', '1.2.3:80:80', '::1:80:80', 'host:80:80'].map(
      (text): [{ publish: string[] }, string, RegExp] => [{ publish: [text] }, 'INVALID_OPTION', /^-p: /],
    ),
  ]
  for (const [flags, code, message] of cases) {
    t.throws(() => readContainer('x', [], flags), { code, message }, JSON.stringify(flags))
  }
})

t.test(
  'an alias, an image or a host name that is none is refused by name, before anything is asked (E28, E28b)',
  async (t) => {
    for (const alias of ['Bad_Alias!', 'a b', 'localhost', '-x']) {
      const error = t.throws(() => readContainer('redis', [], { bind: [`${alias}=redis`] })) as MoorageError
      t.match(error, { code: 'INVALID_ALIAS', exitStatus: 2 }, alias)
      t.ok(error.message.includes(`"${alias}"`), error.message)
    }
    for (const image of ['', ' ']) {
      t.throws(() => readContainer(image, [], {}), { code: 'INVALID_OPTION', message: /the image is empty/ })
    }
    for (const name of ['my_host', '', '-a', 'a.b', 'x'.repeat(64)]) {
      const { code, stderr } = await runCommand(['start', `--hostname=${name}`, 'redis'])
      t.equal(code, 2, name)
      t.match(stderr, `--hostname ${name}`)
    }
  },
)
