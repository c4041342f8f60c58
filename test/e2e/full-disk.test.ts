import { rmSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { freeSpace } from '../../src/store/free-space.ts'
import { fill, smallDisk } from '../store/small-disk.ts'
import { startDaemon, until } from './own-daemon.ts'

t.setTimeout(120_000)

const image = 'mmdebstrap:bookworm?packages=busybox-static&unpacked'

t.test('output for which the state directory has no room is an error that names it (E02)', async (t) => {
  const disk = smallDisk(t, 300)
  const stateDirectory = join(disk, 'state')
  const ballast = join(disk, 'ballast')
  await using daemon = await startDaemon({ stateDirectory, runtimeDirectory: join(disk, 'run') })
  const { code, stderr } = await daemon.cli('start', '-q', '--hostname', 'c1', image, 'sleep', '100000')
  t.equal(code, 0, stderr)
  const named = /^error: no space is left for the output of .* \(.*\/state\)$/m

  // The command itself fills the disk, and then goes on to write.
  const script = 'dd if=/dev/zero of=/big bs=1M; echo hi; head -c 1000000 /dev/zero; exit 0'
  const run = await daemon.cli('run', '-q', image, 'sh', '-c', script)
  t.equal(run.code, 125)
  t.match(run.stderr, named)

  await until('what the run wrote is removed', () => freeSpace(disk).bytes > 200 * 1024 * 1024)
  fill(ballast)
  const exec = await daemon.cli('exec', '-q', 'c1', 'sh', '-c', 'head -c 100000 /dev/zero')
  t.equal(exec.code, 125)
  t.match(exec.stderr, /state/)
  t.match(exec.stderr, /^error: no space is left for (the output of|a new directory|a file)/m)
  rmSync(ballast)
  const after = await daemon.cli('run', '-q', image, 'echo', 'hi')
  t.same(after, { code: 0, stdout: 'hi\n', stderr: '' })
  await daemon.cli('stop', '--kill', 'c1')
})
