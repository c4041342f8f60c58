import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import {
  digestOfCopy,
  digestOfExec,
  digestOfHost,
  digestOfHttp,
  digestOfImage,
  digestOfPart,
  digestOfRemove,
  digestOfRootfs,
  digestOfScratch,
  digestOfWrite,
  type ExecVertex,
  hostnameOf,
  labelOf,
  schemaVersion,
} from '../../src/definition/index.ts'

interface Vector {
  name: string
  kind: keyof typeof vertexOf
  vertex: unknown
  digest: string
  label: string
}

const vectors = JSON.parse(readFileSync(join(import.meta.dirname, 'vectors.json'), 'utf8')) as {
  schemaVersion: number
  vertices: Vector[]
}

const vertexOf = {
  exec: (vertex: unknown) => digestOfExec(vertex as ExecVertex),
  image: (vertex: unknown) => digestOfImage(vertex as string),
  rootfs: (vertex: unknown) => digestOfRootfs(vertex as string),
  scratch: () => digestOfScratch(),
  host: (vertex: unknown) => digestOfHost(vertex as string),
  directory: (vertex: unknown) => digestOfPart('directory', vertex as Parameters<typeof digestOfPart>[1]),
  file: (vertex: unknown) => digestOfPart('file', vertex as Parameters<typeof digestOfPart>[1]),
  copy: (vertex: unknown) => digestOfCopy(vertex as Parameters<typeof digestOfCopy>[0]),
  write: (vertex: unknown) => {
    const { contents, ...write } = vertex as { input: string; path: string; contents: string }
    return digestOfWrite({ ...write, contents: Buffer.from(contents) })
  },
  remove: (vertex: unknown) => digestOfRemove(vertex as Parameters<typeof digestOfRemove>[0]),
  http: (vertex: unknown) => digestOfHttp(vertex as Parameters<typeof digestOfHttp>[0]),
}

t.test('digests and names are what they were: an upgrade renames nothing', async (t) => {
  t.equal(schemaVersion, vectors.schemaVersion)
  for (const vector of vectors.vertices) {
    const digest = vertexOf[vector.kind](vector.vertex)
    t.equal(digest, vector.digest, vector.name)
    t.equal(labelOf(digest), vector.label, `${vector.name}: its label`)
  }
})

t.test('no two vectors have one name', async (t) => {
  t.equal(new Set(vectors.vertices.map(({ label }) => label)).size, vectors.vertices.length)
})

t.test('what is absent and what is undefined is the same vertex', async (t) => {
  const plain: ExecVertex = {
    input: digestOfScratch(),
    args: ['true'],
    env: [],
    user: '',
    workdir: '/',
    expect: 'success',
    mounts: [],
    bindings: [],
  }
  t.equal(
    digestOfExec({ ...plain, stdin: undefined, hostname: undefined, instance: undefined }),
    digestOfExec(plain),
  )
})

t.test('describing a vertex changes nothing of what it is given', async (t) => {
  const vertex: ExecVertex = Object.freeze({
    input: digestOfScratch(),
    args: Object.freeze(['a']),
    env: Object.freeze([Object.freeze(['B', '1'] as const), Object.freeze(['A', '2'] as const)]),
    user: '',
    workdir: '/',
    expect: Object.freeze([2, 1]),
    mounts: Object.freeze([]),
    bindings: Object.freeze([
      Object.freeze({ alias: 'b', service: 'x' }),
      Object.freeze({ alias: 'a', service: 'y' }),
    ]),
  })
  t.equal(digestOfExec(vertex), digestOfExec(vertex))
})

t.test('a hostname is one label of 16 characters in the zone, and a DNS name', async (t) => {
  const ends = [
    ['0'.repeat(64), '0000000000000000'],
    ['f'.repeat(64), 'vvvvvvvvvvvvvvvv'],
    [`00000000000000000001${'f'.repeat(44)}`, '0000000000000001'],
    [`80000000000000000000${'0'.repeat(44)}`, 'g000000000000000'],
  ]
  for (const [hex, label] of ends) t.equal(labelOf(`sha256:${hex}`), label)
  t.equal(hostnameOf('abc'), 'abc.moorage.internal')
})
