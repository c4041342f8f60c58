import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import {
  type ExecVertex,
  execVertex,
  hostnameOf,
  imageVertex,
  labelOf,
  rootfsVertex,
  schemaVersion,
  scratchVertex,
} from '../../src/definition/index.ts'

interface Vector {
  name: string
  kind: 'exec' | 'image' | 'rootfs' | 'scratch'
  vertex: unknown
  digest: string
  label: string
}

const vectors = JSON.parse(readFileSync(join(import.meta.dirname, 'vectors.json'), 'utf8')) as {
  schemaVersion: number
  vertices: Vector[]
}

function digestOfVertex({ kind, vertex }: Vector): string {
  switch (kind) {
    case 'exec':
      return execVertex(vertex as ExecVertex)
    case 'image':
      return imageVertex(vertex as string)
    case 'rootfs':
      return rootfsVertex(vertex as string)
    case 'scratch':
      return scratchVertex()
  }
}

t.test('digests and names are what they were: an upgrade renames nothing', async (t) => {
  t.equal(schemaVersion, vectors.schemaVersion)
  for (const vector of vectors.vertices) {
    const digest = digestOfVertex(vector)
    t.equal(digest, vector.digest, vector.name)
    t.equal(labelOf(digest), vector.label, `${vector.name}: its label`)
  }
})

t.test('no two vectors have one name', async (t) => {
  t.equal(new Set(vectors.vertices.map(({ label }) => label)).size, vectors.vertices.length)
})

t.test('what is absent and what is undefined is the same vertex', async (t) => {
  const plain: ExecVertex = {
    input: scratchVertex(),
    args: ['true'],
    env: [],
    user: '',
    workdir: '/',
    expect: 'success',
    mounts: [],
    bindings: [],
  }
  t.equal(
    execVertex({ ...plain, stdin: undefined, hostname: undefined, instance: undefined }),
    execVertex(plain),
  )
})

t.test('describing a vertex changes nothing of what it is given', async (t) => {
  const vertex: ExecVertex = Object.freeze({
    input: scratchVertex(),
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
  t.equal(execVertex(vertex), execVertex(vertex))
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
