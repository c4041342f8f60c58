import { spawnSync } from 'node:child_process'
import dns from 'node:dns/promises'
import { closeSync, openSync, readdirSync, readlinkSync, statSync } from 'node:fs'
import t from 'tap'
import { createNamespace, inNamespace } from '../../../netns/kernel/index.ts'

const here = () => readlinkSync('/proc/thread-self/ns/net')
const idOf = (fd: number) => `net:[${statSync(`/proc/self/fd/${fd}`).ino}]`

t.test('a namespace is made, entered and left', async (t) => {
  const home = here()
  const { fd, value } = createNamespace(here)
  t.teardown(() => closeSync(fd))
  t.equal(value, idOf(fd))
  t.not(value, home)
  t.equal(here(), home)
  t.equal(inNamespace(fd, here), value)
  t.equal(here(), home)
  t.equal(
    inNamespace(fd, () => spawnSync('readlink', ['/proc/self/ns/net'], { encoding: 'utf8' }).stdout.trim()),
    value,
  )
})

t.test('whatever happens inside, one is home again', async (t) => {
  const home = here()
  const files = readdirSync('/proc/self/fd').length
  const fail = () => {
    throw new Error('oh')
  }
  t.throws(() => createNamespace(fail), { message: 'oh' })
  t.equal(here(), home)
  const { fd } = createNamespace(() => undefined)
  t.throws(() => inNamespace(fd, fail), { message: 'oh' })
  t.throws(() => inNamespace(fd, () => inNamespace(fd, here)), { code: 'KERNEL' })
  t.throws(() => inNamespace(fd, async () => undefined), TypeError)
  t.equal(here(), home)
  closeSync(fd)
  t.throws(() => inNamespace(fd, here), {
    code: 'KERNEL',
    errno: 'EBADF',
    message: /^enter a network namespace: EBADF/,
  })
  const file = openSync('/dev/null', 'r')
  t.throws(() => inNamespace(file, here), { code: 'KERNEL', errno: 'EINVAL' })
  closeSync(file)
  t.equal(here(), home)
  t.equal(readdirSync('/proc/self/fd').length, files)
})

t.test(
  'no other thread of the process ever lives inside, even when the pool was never used before',
  async (t) => {
    const program = `
    import { readdirSync, readlinkSync } from 'node:fs'
    import { stat } from 'node:fs/promises'
    import { createNamespace, inNamespace } from ${JSON.stringify(import.meta.resolve('../../../netns/kernel/index.ts'))}
    const { fd } = createNamespace(() => {})
    let started
    inNamespace(fd, () => { started = stat('/') })
    await started
    const places = readdirSync('/proc/self/task').map((task) => readlinkSync('/proc/self/task/' + task + '/ns/net'))
    console.log(new Set(places).size)`
    const { stdout } = spawnSync(process.execPath, ['--input-type=module-typescript', '-e', program], {
      encoding: 'utf8',
    })
    t.equal(stdout, '1\n')
  },
)

t.test('names are resolved at home', async (t) => {
  const { fd } = createNamespace(() => undefined)
  t.teardown(() => closeSync(fd))
  inNamespace(fd, () => undefined)
  t.ok(await dns.lookup('localhost'))
})
