/**
 * The pair of the tutorial's first step: a Redis service from nothing to healthy, then the output of a client that
 * is bound to it; beside `docker run -d`, waiting, and `docker run --rm` on the same root filesystem. Images warm,
 * nothing from the result cache, seccomp on for both; measured back to back and after a second of idleness.
 *
 * Usage: scripts/bench start [--json]
 */
import { cpus, release } from 'node:os'
import { dirname, join } from 'node:path'
import { ownDirectories } from '../e2e/own-daemon.ts'
import { dockerPair } from './docker-pair.ts'
import { finish, type Row, report, takeTurns } from './frame.ts'
import { mooragePair } from './moorage-pair.ts'

const command = ['redis-server', '--save', '', '--protected-mode', 'no', '--dir', '/tmp']
const rounds = 20

async function measure(): Promise<Row[]> {
  using directories = ownDirectories()
  const base = dirname(directories.stateDirectory)
  await using ours = await mooragePair(directories, command)
  const rootfs = join(base, 'rootfs.tar')
  ours.writeRootfs(rootfs)
  await using docker = await dockerPair(base, rootfs, command)

  console.log(`ours: ${ours.versions}, Node ${process.version}`)
  console.log(`peer: ${docker.versions}`)
  console.log(`host: Linux ${release()}, ${cpus().length} processors`)
  const contenders = [ours, docker] as const
  const busy = await takeTurns(contenders, { rounds, warmup: 2, idle: 0 })
  const rested = await takeTurns(contenders, { rounds, warmup: 2, idle: 1_000 }, 100)
  return [...report('back to back', contenders, busy), ...report('after 1 s of idleness', contenders, rested)]
}

finish('start', await measure())
