import t from 'tap'
import type { Definition } from '../../src/definition/index.ts'
import { planExec } from '../../src/engine/plan/plan.ts'
import { cachePlans } from '../../src/engine/plan/plan-cache.ts'
import { MoorageError } from '../../src/errors/index.ts'

const config = { entrypoint: [], cmd: ['true'], env: [], user: '', workdir: '', exposedPorts: [] }
const definition = (): Definition => ({
  ops: [
    { op: 'image', ref: 'img' },
    { op: 'exec', input: 0 },
  ],
  root: 1,
})

function sources() {
  const asked: string[] = []
  const said = { digest: `sha256:${'a'.repeat(64)}`, rootfs: '/one' }
  return {
    asked,
    said,
    async image(ref: string) {
      asked.push(ref)
      if (said.rootfs === '') throw new MoorageError('IMAGE_NOT_FOUND', { ref, reason: 'gone' })
      return { ref, name: ref, config, ...said }
    },
    tree: () => '/tree',
  }
}

t.test('the same definition is planned once, as long as its sources say the same', async (t) => {
  const plan = cachePlans(planExec)
  const of = sources()
  const asked = definition()
  const first = await plan(asked, of)
  t.equal(await plan(asked, of), first)
  t.equal(of.asked.length, 2, 'they are asked each time')
  t.not(await plan(definition(), of), first, 'an equal one that is another object is planned')

  of.said.digest = `sha256:${'b'.repeat(64)}`
  of.asked.length = 0
  const moved = await plan(asked, of)
  t.not(moved.digest, first.digest, 'a pin that moved')
  t.equal(of.asked.length, 1, 'nothing is asked twice for it')
  t.equal(await plan(asked, of), moved)

  of.said.rootfs = '/two'
  t.match((await plan(asked, of)).root, { directory: '/two' }, 'an image that came back elsewhere')
  of.said.rootfs = ''
  await t.rejects(plan(asked, of), { code: 'IMAGE_NOT_FOUND' })
})
