/**
 * Five hundred live services: what each start costs, the last beside the first, and what all of ours takes in memory
 * beside dockerd, containerd and their shims with as many containers of the same root filesystem. Memory is the
 * proportional set size (PSS) of every process but the containers' own.
 *
 * MOORAGE_BENCH_SERVICES=N takes N instead.
 *
 * Usage: scripts/bench scale [--json]
 */
import { execFileSync } from 'node:child_process'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { cpus, release, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { RunningService } from '../../src/index.ts'
import { ownDirectories, startDaemon } from '../e2e/own-daemon.ts'
import { removeTree } from '../remove-tree.ts'
import { finish, median, quantile, type Row, rest } from './frame.ts'
import { startDockerd } from './own-dockerd.ts'

const services = Number(process.env.MOORAGE_BENCH_SERVICES ?? 500)
/** Starts whose median is "the first" and "the last": one alone says little on a machine with other work. */
const compared = Math.min(25, Math.floor(services / 4))
/** How many `docker run -d` at once: one after the other they would take minutes. */
const dockerAtOnce = 4
const command = ['sleep', '100000']

function makeRootfs(root: string): void {
  for (const name of ['bin', 'etc', 'tmp', 'proc', 'dev', 'sys']) mkdirSync(join(root, name))
  copyFileSync('/bin/busybox', join(root, 'bin/busybox'))
  for (const name of ['sh', 'sleep']) symlinkSync('busybox', join(root, 'bin', name))
}

interface Process {
  pid: number
  parent: number
  name: string
  args: string
}

function processes(): Process[] {
  return readdirSync('/proc').flatMap((entry) => {
    if (!/^\d+$/.test(entry)) return []
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'latin1')
      const [, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      const args = readFileSync(`/proc/${entry}/cmdline`, 'utf8').replaceAll('\0', ' ')
      // A container's own process is not ours, nor Docker's.
      if (readlinkSync(`/proc/${entry}/exe`).endsWith('/busybox')) return []
      const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'))
      return [{ pid: Number(entry), parent: Number(parent), name, args }]
    } catch {
      // It ended meanwhile, or is a thread of the kernel.
      return []
    }
  })
}

/** A process and all that descend from it. */
function familyOf(pid: number, all: readonly Process[]): Process[] {
  const children = all.filter(({ parent }) => parent === pid)
  return [...all.filter((one) => one.pid === pid), ...children.flatMap((child) => familyOf(child.pid, all))]
}

/** PSS in MB. */
function pss(family: readonly Process[]): number {
  let kilobytes = 0
  for (const { pid } of family) {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
    kilobytes += Number(/^Pss:\s+(\d+) kB/m.exec(text)?.[1])
  }
  return kilobytes / 1_024
}

/** What is there for one name, such as `dockerd`: how many, and how much. */
function byName(family: readonly Process[]): string {
  const names = [...new Set(family.map(({ name }) => name))]
  return names
    .map((name) => {
      const those = family.filter((one) => one.name === name)
      return `${those.length} ${name} ${pss(those).toFixed(1)}`
    })
    .join(', ')
}

interface Ours {
  starts: number[]
  before: number
  after: number
  names: string
}

async function ours(root: string): Promise<Ours> {
  using directories = ownDirectories()
  await using daemon = await startDaemon(directories, '--grace', '0')
  await using moorage = await daemon.connect()
  const { version, runtime } = await moorage.status()
  console.log(`ours: moorage ${version}, runtime ${runtime}, Node ${process.version}`)
  const directory = moorage.host.directory(root)
  const start = async (instance: string): Promise<RunningService> =>
    moorage
      .container()
      .withRootfs(directory)
      .withExec(command)
      .asService({ instance, grace: 0, stopTimeout: 100 })
      .start()
  const family = () => familyOf(daemon.process.pid ?? 0, processes())
  // What is made once is made, and let go of, before anything is measured.
  const first = await Promise.all(Array.from({ length: 8 }, (_, i) => start(`warm ${i}`)))
  for (const one of first) await one.stop({ kill: true })
  await rest(2_000)
  const before = pss(family())
  const starts: number[] = []
  for (let i = 0; i < services; i += 1) {
    const begin = performance.now()
    await start(`${i}`)
    starts.push(performance.now() - begin)
  }
  await rest(2_000)
  const all = family()
  return { starts, before, after: pss(all), names: byName(all) }
}

interface Docker {
  before: number
  after: number
  names: string
  versions: string
}

async function docker(root: string): Promise<Docker> {
  const directory = `${root}-docker`
  await using engine = await startDockerd(directory)
  execFileSync('tar', ['--create', '--file', `${root}.tar`, '--directory', root, '.'])
  await engine.docker('import', `${root}.tar`, 'scale-bench')
  rmSync(`${root}.tar`)
  const family = () => {
    const all = processes()
    const daemon = all.filter(({ args }) => args.startsWith('/usr/sbin/dockerd') && args.includes(directory))
    // The shims leave their parent: they are found by where their state is.
    const shims = all.filter(
      ({ name, args }) => name.startsWith('containerd-shim') && args.includes(directory),
    )
    return [...daemon.flatMap(({ pid }) => familyOf(pid, all)), ...shims]
  }
  await engine.docker('run', '--rm', '--network', 'none', 'scale-bench', 'sleep', '0')
  await rest(2_000)
  const before = pss(family())
  let begun = 0
  const worker = async () => {
    while (begun < services) {
      begun += 1
      await engine.docker(
        'run',
        '-d',
        '--network',
        'none',
        '--name',
        `scale-${begun}`,
        'scale-bench',
        ...command,
      )
    }
  }
  await Promise.all(Array.from({ length: dockerAtOnce }, worker))
  await rest(2_000)
  const all = family()
  const measured = { before, after: pss(all), names: byName(all), versions: engine.versions }
  // Many at once: dockerd stops them one after the other on its way out, ten seconds each.
  for (let i = 1; i <= services; i += 50) {
    const names = Array.from({ length: Math.min(50, services - i + 1) }, (_, n) => `scale-${i + n}`)
    await engine.docker('rm', '-f', ...names)
  }
  return measured
}

async function bench(): Promise<Row[]> {
  const root = mkdtempSync(join(tmpdir(), 'moorage-scale-'))
  try {
    makeRootfs(root)
    const mine = await ours(root)
    const theirs = await docker(root)
    console.log(`peer: ${theirs.versions}`)
    console.log(`host: Linux ${release()}, ${cpus().length} processors`)
    const first = mine.starts.slice(0, compared)
    const last = mine.starts.slice(-compared)
    const spread = (name: string, values: number[]) =>
      console.log(
        `${name.padEnd(44)}${[median(values), ...[0, 0.1, 0.9, 1].map((share) => quantile(values, share))]
          .map((value) => value.toFixed(1).padStart(8))
          .join('')}  ms`,
      )
    console.log(`\n${' '.repeat(44)}  median     min     p10     p90     max`)
    spread(`start: the first ${compared}`, first)
    spread(`start: the last ${compared} of ${services}`, last)
    const grown = mine.after - mine.before
    console.log(`\nPSS with ${services} services, MB; before, after`)
    console.log(`ours: ${mine.before.toFixed(1)}, ${mine.after.toFixed(1)}: ${mine.names}`)
    console.log(`Docker's: ${theirs.before.toFixed(1)}, ${theirs.after.toFixed(1)}: ${theirs.names}`)
    const row = (metric: string, unit: string, value: number, peer: number, peerName: string): Row => ({
      metric,
      unit,
      ours: Math.round(value * 10) / 10,
      peer: Math.round(peer * 10) / 10,
      peerName,
      ratio: Math.round((peer / value) * 100) / 100,
    })
    return [
      row(`start with ${services} live services`, 'ms', median(last), median(first), 'the first'),
      row(`memory that ${services} services add`, 'MB', grown, 100, 'the most it may be'),
      row(
        `memory with ${services} services`,
        'MB',
        mine.after,
        theirs.after,
        'dockerd, containerd and shims',
      ),
    ]
  } finally {
    removeTree(root)
  }
}

finish('scale', await bench())
