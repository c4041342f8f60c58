import t from 'tap'
import { circleThrough, createLocks } from '../../src/lifecycle/index.ts'
import { settled, watch } from './fake-service.ts'
import { Random, seed } from './random.ts'

t.test('one has it, the others wait in the order of asking', async (t) => {
  const wanted: string[] = []
  const locks = createLocks({ idOf: String, onWanted: (owner: string) => wanted.push(owner) })
  const first = await locks.acquire(['data'], { owner: 'a' })
  const told: unknown[] = []
  const mayWait = (...what: unknown[]) => told.push(what)
  const second = watch(locks.acquire(['data'], { owner: 'b', mayWait }))
  const third = watch(locks.acquire(['data'], { owner: 'c', mayWait }))
  await settled()
  t.match([second.done, third.done], [false, false])
  t.strictSame(told, [
    ['data', 'a'],
    ['data', 'a'],
  ])
  t.strictSame(wanted, ['a', 'a'])
  t.strictSame([locks.isWanted('a'), locks.isWanted('b')], [true, false])
  t.strictSame(locks.blockersOf('c'), ['a', 'b'])
  first[Symbol.dispose]()
  first[Symbol.dispose]()
  await settled()
  t.match([second.done, third.done], [true, false])
  t.strictSame(wanted, ['a', 'a', 'b'], 'the next holder hears that somebody waits')
  second.value?.[Symbol.dispose]()
  await settled()
  t.equal(third.done, true)
  third.value?.[Symbol.dispose]()
  t.strictSame(locks.waiting(), [])
})

t.test('who goes while it waits has nothing, nor holds up the others', async (t) => {
  const locks = createLocks<string>({ idOf: String })
  const first = await locks.acquire(['b'], { owner: 'a' })
  const caller = new AbortController()
  const second = watch(locks.acquire(['a', 'b'], { owner: 'b', signal: caller.signal }))
  const third = watch(locks.acquire(['b'], { owner: 'c' }))
  await settled()
  caller.abort(new Error('enough'))
  await settled()
  t.match(second.error, { message: 'enough' })
  t.equal(watch(locks.acquire(['a'], { owner: 'd' })).done, false)
  await settled()
  t.strictSame(locks.waiting(), [{ owner: 'c', name: 'b' }], 'its other lock is free again')
  first[Symbol.dispose]()
  await settled()
  t.equal(third.done, true)
})

t.test('it may be taken and given up in one turn', async (t) => {
  const locks = createLocks<string>({ idOf: String })
  const first = await locks.acquire(['x'], { owner: 'a' })
  const caller = new AbortController()
  const second = watch(locks.acquire(['x'], { owner: 'b', signal: caller.signal }))
  await settled()
  first[Symbol.dispose]()
  caller.abort(new Error('enough'))
  await settled()
  t.match(second.error, { message: 'enough' })
  const third = watch(locks.acquire(['x'], { owner: 'c' }))
  await settled()
  t.equal(third.done, true)
})

t.test('a wait that is refused has not begun', async (t) => {
  const locks = createLocks<string>({ idOf: String })
  await locks.acquire(['x'], { owner: 'a' })
  const refused = watch(
    locks.acquire(['w', 'x'], {
      owner: 'b',
      mayWait() {
        t.strictSame(locks.blockersOf('b'), ['a'], 'it counts as waiting while it is asked')
        throw new Error('never')
      },
    }),
  )
  await settled()
  t.match(refused.error, { message: 'never' })
  t.strictSame(locks.waiting(), [])
  t.equal(locks.isWanted('a'), false)
  const other = watch(locks.acquire(['w'], { owner: 'c' }))
  await settled()
  t.equal(other.done, true)
})

t.test('whoever wants whatever, in whatever order: one holder each, and no wait for ever', async (t) => {
  t.comment(`seed ${seed}`)
  for (let round = 0; round < 300; round += 1) {
    const random = new Random(seed + round)
    const locks = createLocks<string>({ idOf: String })
    const holders = new Map<string, number>()
    let done = 0
    const users = Array.from({ length: 12 }, async (_, index) => {
      const names = ['a', 'b', 'c', 'd'].filter(() => random.chance(0.5)).sort(() => random.below(3) - 1)
      const caller = new AbortController()
      if (random.chance(0.3)) queueMicrotask(() => caller.abort(new Error('gone')))
      try {
        const held = await locks.acquire(names, { owner: `u${index}`, signal: caller.signal })
        for (const name of names) holders.set(name, (holders.get(name) ?? 0) + 1)
        for (let turn = random.below(4); turn > 0; turn -= 1) await Promise.resolve()
        if ([...holders.values()].some((count) => count > 1)) throw new Error('two holders')
        for (const name of names) holders.set(name, (holders.get(name) ?? 0) - 1)
        held[Symbol.dispose]()
      } catch (error) {
        if ((error as Error).message !== 'gone') throw error
      }
      done += 1
    })
    await Promise.race([Promise.all(users), settled().then(settled).then(settled)])
    if (done < 12) {
      t.fail(`round ${round} of seed ${seed}: ${12 - done} wait for ever: ${JSON.stringify(locks.waiting())}`)
      return
    }
  }
  t.pass('300 rounds')
})

t.test('a circle is found, and its way', async (t) => {
  const edges: Record<string, string[]> = {
    a: ['b', 'c'],
    b: [],
    c: ['d'],
    d: ['c', 'a'],
    e: ['e'],
    f: ['a'],
  }
  const next = (node: string) => edges[node] ?? []
  t.strictSame(circleThrough('a', next, String), ['a', 'c', 'd', 'a'])
  t.strictSame(circleThrough('e', next, String), ['e', 'e'])
  t.equal(circleThrough('f', next, String), undefined, 'a circle elsewhere is not its own')
  t.equal(circleThrough('b', next, String), undefined)
})
