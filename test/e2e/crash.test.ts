import { existsSync, readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { leftOf, type OwnDaemon, ownDirectories, startDaemon, until } from './own-daemon.ts'

t.setTimeout(240_000)
const image = 'mmdebstrap:bookworm?packages=busybox-static&unpacked'
const serve = ['sh', '-c', 'mkdir -p /w && exec busybox httpd -f -p 80 -h /w']

// Other groups come and go meanwhile: nothing is in one that has gone.
const entriesOf = (directory: string) => orNothing(() => readdirSync(directory, { withFileTypes: true }), [])
const read = (path: string) => orNothing(() => readFileSync(path, 'utf8'), '')
function orNothing<T>(look: () => T, nothing: T): T {
  try {
    return look()
  } catch {
    return nothing
  }
}

/** The pids of all processes in the cgroups of an instance: its containers. */
function containersOf(instance: string): number[] {
  const pids = new Set<number>()
  const look = (directory: string) => {
    for (const entry of entriesOf(directory)) {
      const path = `${directory}/${entry.name}`
      if (entry.isDirectory()) look(path)
      else if (entry.name === 'cgroup.procs' && path.includes(instance)) {
        for (const pid of read(path).split('\n')) if (pid) pids.add(Number(pid))
      }
    }
  }
  look('/sys/fs/cgroup')
  return [...pids]
}

async function withService(daemon: OwnDaemon) {
  const moorage = await daemon.connect()
  const web = moorage.container().from(image).withExposedPort(80).withExec(serve)
  await web.asService().start({ detach: true })
  const { instance } = await moorage.status()
  return { moorage, instance, web }
}

t.test('Ctrl-C on the daemon stops everything in order', async (t) => {
  using directories = ownDirectories()
  await using daemon = await startDaemon(directories)
  const { instance, moorage } = await withService(daemon)
  t.not(containersOf(instance).length, 0, 'a container runs')
  t.equal(await daemon.stop('SIGINT'), 0)
  t.same(containersOf(instance), [])
  t.same(await leftOf(instance), [])
  await moorage.close()
})

t.test('kill -9 of the daemon leaves no container, and the next start nothing else', async (t) => {
  using directories = ownDirectories()
  await using killed = await startDaemon(directories)
  const { instance } = await withService(killed)
  const before = containersOf(instance)
  t.not(before.length, 0, 'a container runs')
  await killed.stop('SIGKILL')
  await until('its containers are dead', () => before.every((pid) => !existsSync(`/proc/${pid}/exe`)), 5_000)

  await using next = await startDaemon(directories)
  await using moorage = await next.connect()
  const status = await moorage.status()
  t.equal(status.instance, instance)
  t.same(status.services, [], 'it knows of no service')
  const cached = moorage.container().from(image).withExec(['echo', 'kept'])
  t.equal((await cached.stdout()).trim(), 'kept')
  await moorage.close()
  t.equal(await next.stop(), 0)
  t.same(await leftOf(instance), [])
})
