import { execFileSync, spawnSync } from 'node:child_process'
import { readlinkSync } from 'node:fs'
import t from 'tap'
import { ownRuntime } from './own-runtime.ts'

const place = await ownRuntime()
t.teardown(() => place[Symbol.asyncDispose]())
const { run, start } = place

t.test('a call that the seccomp profile does not allow is refused', async (t) => {
  // personality(ADDR_NO_RANDOMIZE) needs no capability: only the filter refuses it.
  t.equal(spawnSync('setarch', ['-R', 'true']).status, 0, 'the host allows it')
  const refused = await run(['/bin/setarch', '-R', '/bin/true'], { lowers: ['/usr'] })
  t.match(refused, { code: 1, stderr: /Function not implemented/ })
  const { stdout } = await run(['grep', '-E', '^Seccomp', '/proc/self/status'])
  t.equal(stdout, 'Seccomp:\t2\nSeccomp_filters:\t1\n')
})

t.test('the capabilities are Docker’s without NET_RAW, for root only', async (t) => {
  const status = async (user: string) => (await run(['grep', 'Cap', '/proc/self/status'], { user })).stdout
  const root = await status('')
  const bounding = BigInt(`0x${/CapBnd:\s*(\w+)/.exec(root)?.[1]}`)
  t.equal(bounding, 0xa80405fbn & ~(1n << 13n), 'Docker’s are a80425fb; NET_RAW is bit 13')
  t.match(root, 'CapInh:\t0000000000000000')
  const user = await status('worker')
  t.match(user, 'CapEff:\t0000000000000000')
  t.match(user, 'CapPrm:\t0000000000000000')
})

t.test('no descriptor of the launcher’s is open inside', async (t) => {
  const container = await start(['sh', '-c', 'while :; do sleep 0.02; done'])
  const fds = execFileSync('ls', [`/proc/${container.pid}/fd`], { encoding: 'utf8' })
  await container.signal('SIGKILL')
  await container.exited
  t.same(
    fds
      .trim()
      .split('\n')
      .filter((fd) => Number(fd) > 2 && fd !== '10'),
    [],
    'sh itself may hold its script as 10',
  )
  const { stdout } = await run(['sh', '-c', 'ls /proc/self/fd'])
  t.same(stdout.trim().split('\n'), ['0', '1', '2', '3'], '3 is the directory that ls reads')
})

t.test('every namespace but the given network’s is the container’s own', async (t) => {
  const container = await start(['sleep', '1000'])
  for (const kind of ['pid', 'ipc', 'uts', 'mnt', 'cgroup']) {
    t.not(readlinkSync(`/proc/${container.pid}/ns/${kind}`), readlinkSync(`/proc/self/ns/${kind}`), kind)
  }
  t.equal(readlinkSync(`/proc/${container.pid}/ns/net`), readlinkSync(place.namespace))
  await container.signal('SIGKILL')
  await container.exited
})

t.test('the kernel’s files are read-only or hidden', async (t) => {
  const script = `
    for file in /proc/sys/kernel/hostname /proc/sysrq-trigger /sys/kernel/notes /sys/kernel/uevent_helper; do
      { echo x > $file; } 2>/dev/null && echo "wrote $file"
    done
    wc -c < /proc/keys
    ls /sys/firmware | wc -l
    mount -t tmpfs none /mnt 2>/dev/null && echo mounted
    mknod /dev/kmsg2 c 1 11 && head -c 1 /dev/kmsg2 2>/dev/null && echo read
    ls -d /dev/shm /dev/mqueue /dev/pts`
  const { stdout } = await run(['sh', '-c', script])
  t.equal(stdout, '0\n0\n/dev/mqueue\n/dev/pts\n/dev/shm\n')
})

t.test('processes are limited, and so are open files to what the daemon may have', async (t) => {
  const container = await start(['sh', '-c', 'ulimit -n; sleep 1000'])
  const cgroups = execFileSync('cat', [`/proc/${container.pid}/cgroup`], { encoding: 'utf8' })
  t.match(cgroups, new RegExp(`/moorage-${place.instance}/${container.id}$`, 'm'))
  const [, version = '', path = ''] = /^\d+:(pids|):(.*)$/m.exec(cgroups) ?? []
  const limit = execFileSync('cat', [`/sys/fs/cgroup/${version}${path}/pids.max`], { encoding: 'utf8' })
  t.equal(limit, '4096\n')
  await container.signal('SIGKILL')
  await container.exited
  const hard = execFileSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' }).trim()
  const { stdout } = await run(['sh', '-c', 'ulimit -Hn'])
  t.equal(Number(stdout), Math.min(1_048_576, Number(hard)))
})
