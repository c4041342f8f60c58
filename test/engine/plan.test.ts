import t from 'tap'
import type { Definition, ExecOperation, Operation } from '../../src/definition/index.ts'
import { ancestorsOf } from '../../src/engine/plan/ancestors.ts'
import { planExec, planPart, type Sources } from '../../src/engine/plan/plan.ts'

const sources: Sources = {
  image: async (ref) => ({
    ref,
    digest: `sha256:${'0'.repeat(64)}`,
    rootfs: '/images/x',
    name: 'x',
    config: {
      entrypoint: ['/entry'],
      cmd: ['serve'],
      env: ['PATH=/bin', 'A=image'],
      user: 'nobody',
      workdir: '/srv',
      exposedPorts: [],
    },
  }),
  tree: (digest) => `/trees/${digest}`,
}

const image: Operation = { op: 'image', ref: 'x' }
const plan = (...ops: Operation[]) => planExec({ ops, root: ops.length - 1 } satisfies Definition, sources)
const part = (...ops: Operation[]) => planPart({ ops, root: ops.length - 1 }, sources)
const host: Operation = { op: 'host', digest: `sha256:${'1'.repeat(64)}` }
const exec = (fields: Partial<ExecOperation>): ExecOperation => ({ op: 'exec', input: 0, ...fields })

t.test('what runs is what docker run would run', async (t) => {
  const cases: [Partial<ExecOperation>, string[]][] = [
    [{}, ['/entry', 'serve']],
    [{ args: ['a', 'b'] }, ['a', 'b']],
    [{ args: ['a'], useEntrypoint: true }, ['/entry', 'a']],
    [{ entrypoint: ['/other'] }, ['/other']],
    [{ entrypoint: ['/other'], defaultArgs: ['x'] }, ['/other', 'x']],
    [{ defaultArgs: ['x'] }, ['/entry', 'x']],
  ]
  for (const [fields, args] of cases)
    t.same((await plan(image, exec(fields))).args, args, JSON.stringify(fields))
  await t.rejects(plan({ op: 'scratch' }, exec({})), { code: 'NO_COMMAND' })
})

t.test(
  'environment, user and directory come from the image unless the definition says otherwise',
  async (t) => {
    const defaults = await plan(image, exec({}))
    t.same(defaults.env, [
      ['A', 'image'],
      ['PATH', '/bin'],
    ])
    t.match(defaults, { user: 'nobody', workdir: '/srv' })
    const changed = await plan(
      image,
      exec({
        env: [
          ['B', '1'],
          ['A', null],
          ['B', '2'],
        ],
        user: '7',
        workdir: '/',
      }),
    )
    t.same(changed.env, [
      ['B', '2'],
      ['PATH', '/bin'],
    ])
    t.match(changed, { user: '7', workdir: '/' })
  },
)

t.test('the digest changes with what the process can see, and with nothing else', async (t) => {
  const base = await plan(image, exec({ args: ['a'] }))
  t.match(base.label, /^[0-9a-v]{16}$/)
  t.equal(base.hostname, `${base.label}.moorage.internal`)
  const same: Partial<ExecOperation>[] = [{ noCache: true }, { env: [['A', 'image']] }, { workdir: '/srv' }]
  for (const fields of same) {
    t.equal((await plan(image, exec({ args: ['a'], ...fields }))).digest, base.digest, JSON.stringify(fields))
  }
  const other: Partial<ExecOperation>[] = [
    { args: ['b'] },
    { env: [['A', 'other']] },
    { user: 'root' },
    { workdir: '/x' },
    { stdin: 'x' },
    { expect: 'any' },
    { hostname: 'db' },
    { instance: '1' },
  ]
  const digests = await Promise.all(
    other.map(async (fields) => (await plan(image, exec({ args: ['a'], ...fields }))).digest),
  )
  t.equal(new Set([base.digest, ...digests]).size, other.length + 1, 'each is another')
})

t.test('a binding is in the digest with its service, but not with its ports and grace', async (t) => {
  const bound = async (service: Partial<ExecOperation>, options: object = {}, alias = 'db') =>
    (
      await plan(
        image,
        exec({ args: ['server'], ...service }),
        exec({ args: ['client'], bindings: [{ alias, service: { exec: 1, ...options } }] }),
      )
    ).digest
  const base = await bound({})
  t.equal(await bound({}, { grace: 0, ports: [{ port: 1, protocol: 'tcp' }] }), base)
  t.not(await bound({ instance: '2' }), base)
  t.not(await bound({}, {}, 'other'), base)
})

t.test('noCache holds for what descends from it', async (t) => {
  const child = await plan(image, exec({ args: ['a'], noCache: true }), exec({ input: 1, args: ['b'] }))
  t.equal(child.noCache, true)
})

t.test('a definition that makes no sense is refused, not followed', async (t) => {
  const bad: [string, Operation[]][] = [
    ['a later operation', [image, exec({ input: 2, args: ['a'] }), exec({ args: ['b'] })].slice(0, 2)],
    ['itself', [image, exec({ input: 1, args: ['a'] })]],
    ['a volume as a filesystem', [{ op: 'cacheVolume', name: 'v' }, exec({ args: ['a'] })]],
    [
      'an image as a service',
      [image, exec({ args: ['a'], bindings: [{ alias: 'x', service: { exec: 0 } }] })],
    ],
    ['no exec at the root', [image]],
  ]
  for (const [what, ops] of bad) await t.rejects(plan(...ops), { code: 'INVALID_DEFINITION' }, what)
})

t.test('what is made of an image keeps its configuration, a directory of it has none', async (t) => {
  const changed = await plan(image, { op: 'write', input: 0, path: '/x', contents: '' }, exec({ input: 1 }))
  t.same(changed.args, ['/entry', 'serve'])
  await t.rejects(
    plan(image, { op: 'directory', input: 0, path: '/' }, { op: 'rootfs', directory: 1 }, exec({ input: 2 })),
    { code: 'NO_COMMAND' },
  )
})

t.test('a root filesystem of a sent directory is named as before there were others', async (t) => {
  const rootfs: Operation = { op: 'rootfs', directory: 0 }
  t.equal(
    (await part(host, rootfs)).digest,
    'sha256:62b86f6d16b6277b30203e10680273493b6fd2ec676dff89316b5e346148a91d',
  )
  t.not(
    (await part(host, { op: 'directory', input: 0, path: '/' }, { ...rootfs, directory: 1 })).digest,
    (await part(host, rootfs)).digest,
  )
})

t.test('noCache holds for files of it, copies of those, and who mounts them', async (t) => {
  const made: Operation[] = [
    image,
    exec({ args: ['a'], noCache: true }),
    { op: 'file', input: 1, path: '/f' },
  ]
  const cases: [string, Operation][] = [
    ['the file', { op: 'file', input: 1, path: '/g' }],
    ['a directory', { op: 'directory', input: 1, path: '/' }],
    ['a copy', { op: 'copy', input: 0, source: 2, path: '/x' }],
    ['a change', { op: 'write', input: 1, path: '/x', contents: '' }],
    ['who mounts it', exec({ args: ['b'], mounts: [{ type: 'file', path: '/f', source: 2 }] })],
    ['a URL', { op: 'http', url: 'http://x/', noCache: true }],
  ]
  for (const [what, op] of cases) t.match(await part(...made, op), { noCache: true }, what)
  t.match(await part(image, exec({ args: ['a'] }), { op: 'file', input: 1, path: '/f' }), { noCache: false })
})

t.test('whatever an output is made of is found, with its bindings', async (t) => {
  const bound = (by: number): Partial<ExecOperation> => ({
    args: ['client', String(by)],
    bindings: [{ alias: 'db', service: { exec: 1 } }],
  })
  const last = await plan(
    image,
    exec({ args: ['server'] }),
    exec(bound(2)),
    { op: 'directory', input: 2, path: '/out' },
    { op: 'http', url: 'http://db/x', bindings: [{ alias: 'db', service: { exec: 1 } }] },
    { op: 'copy', input: 0, source: 4, path: '/x' },
    { op: 'remove', input: 5, path: '/y' },
    exec({ input: 6, args: ['z'], mounts: [{ type: 'directory', path: '/m', source: 3 }] }),
  )
  t.same(
    ancestorsOf(last).map((one) => [one.kind, one.bindings.map(({ alias }) => alias)]),
    [
      ['exec', ['db']],
      ['fetch', ['db']],
    ],
  )
  t.same(last.bindings, [], 'and are not those of who uses it')
})

t.test('files that make no sense are refused', async (t) => {
  const bad: [string, Operation[]][] = [
    ['a file of a file', [image, { op: 'file', input: 0, path: '/f' }, { op: 'file', input: 1, path: '/g' }]],
    ['a later source', [image, { op: 'copy', input: 0, source: 1, path: '/x' }]],
    [
      'a volume copied',
      [image, { op: 'cacheVolume', name: 'v' }, { op: 'copy', input: 0, source: 1, path: '/x' }],
    ],
    [
      'a file mounted as a directory',
      [
        image,
        { op: 'file', input: 0, path: '/f' },
        exec({ args: ['a'], mounts: [{ type: 'directory', path: '/m', source: 1 }] }),
      ],
    ],
    [
      'a service that is no exec',
      [image, { op: 'http', url: 'http://x/', bindings: [{ alias: 'x', service: { exec: 0 } }] }],
    ],
  ]
  for (const [what, ops] of bad) await t.rejects(part(...ops), { code: 'INVALID_DEFINITION' }, what)
})
