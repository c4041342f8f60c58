import t from 'tap'
import { bytesOf, digestOfExec, type Resources } from '../../src/definition/index.ts'

const digestWith = (resources?: Resources) =>
  digestOfExec({
    input: 'sha256:00',
    args: ['true'],
    env: [],
    user: '',
    workdir: '/',
    expect: 'success',
    mounts: [],
    bindings: [],
    resources,
  })

t.test('what a process can see of its resources is in its digest, how fast it is not', async (t) => {
  const plain = digestWith()
  t.equal(digestWith({}), plain)
  t.equal(digestWith({ cpus: 0.5, init: false, ulimits: {}, capabilities: { add: [] } }), plain)
  const others: Resources[] = [
    { memory: 64e6 },
    { pids: 10 },
    { shmSize: 1e6 },
    { ulimits: { nofile: 64 } },
    { capabilities: { add: ['NET_ADMIN'] } },
    { capabilities: { drop: ['NET_ADMIN'] } },
    { init: true },
  ]
  t.equal(new Set([plain, ...others.map(digestWith)]).size, others.length + 1, 'each is another one')
})

t.test('the same said in another way is the same', async (t) => {
  t.equal(
    digestWith({ ulimits: { nofile: 64, core: 0 } }),
    digestWith({ ulimits: { core: { soft: 0, hard: 0 }, nofile: { soft: 64, hard: 64 } } }),
  )
  t.equal(
    digestWith({ capabilities: { add: ['A', 'B', 'A'] } }),
    digestWith({ capabilities: { add: ['B', 'A'], drop: [] } }),
  )
})

t.test('sizes', async (t) => {
  for (const [size, bytes] of [
    [1024, 1024],
    ['512', 512],
    ['1k', 1024],
    ['1.5g', 1_610_612_736],
    ['64MiB', 67_108_864],
    ['64 mb', 67_108_864],
    ['2T', 2 * 1024 ** 4],
    ['-1', undefined],
    ['1x', undefined],
    ['', undefined],
    [1.5, undefined],
    [-1, undefined],
  ] as const) {
    t.equal(bytesOf(size), bytes, String(size))
  }
})
