/**
 * A service that writes 1 GB to its stdout: followed by nobody, by one fast reader, and by that one and 50 slow ones, of
 * which ten never read at all; beside the same output of an attached `docker run`. The daemon keeps 2 GB of a run here:
 * with less, a reader that is slower than the writer misses what is dropped, since nobody holds up the service. What the
 * fast one gets with the 64 MB that are kept unless set otherwise is shown too.
 *
 * Usage: scripts/bench logs [--json]
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { connect } from 'node:net'
import { cpus, release, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Moorage } from '../../src/index.ts'
import { type OwnDaemon, ownDirectories, startDaemon } from '../e2e/own-daemon.ts'
import { removeTree } from '../remove-tree.ts'
import { finish, median, type Row, rest } from './frame.ts'
import type { FastReader } from './log-reader.ts'
import { startDockerd } from './own-dockerd.ts'

const rounds = 3
const fileSize = 16 * 1024 * 1024
/** 1 GB and a little. */
const repeats = 64
const total = fileSize * repeats
const slowReaders = 50
/** Docker is so slow that it gets less to do. */
const dockerRepeats = 4
const begins = 9000
const ends = 9001

/** 100 bytes, and no two alike. */
function lines(): Buffer {
  let text = ''
  for (let i = 0; text.length < fileSize; i += 1) text += `${String(i).padStart(12, '0')} ${'x'.repeat(86)}\n`
  return Buffer.from(text.slice(0, fileSize))
}

function makeRootfs(root: string): string {
  for (const name of ['bin', 'etc', 'tmp', 'data', 'proc', 'dev', 'sys'])
    mkdirSync(join(root, name), { recursive: true })
  copyFileSync('/bin/busybox', join(root, 'bin/busybox'))
  for (const name of ['sh', 'cat', 'nc', 'time', 'sleep']) symlinkSync('busybox', join(root, 'bin', name))
  writeFileSync(join(root, 'data/lines'), lines())
  return join(root, 'data/lines')
}

const writing = (times: number) => `i=0; while [ $i -lt ${times} ]; do cat /data/lines; i=$((i+1)); done`

interface Measured {
  /** Seconds that the service needed to write. */
  written: number
  reader: FastReader | undefined
  /** From the start of writing to the fast reader's last byte. */
  seconds: number
  /** MB: at its start, and the most. */
  daemon: [number, number]
  launcher: [number, number]
}

let turn = 0

/** One service, from its start to the end of its output. */
async function measure(
  daemon: OwnDaemon,
  moorage: Moorage,
  root: string,
  readers: { fast: boolean; slow: number },
): Promise<Measured> {
  turn += 1
  await using undo = new AsyncDisposableStack()
  // It waits for a connection, writes, and tells whoever connects then how long that took.
  const script = `nc -l -p ${begins} </dev/null >/dev/null
    { time sh -c '${writing(repeats)}'; } 2>/tmp/time
    nc -l -p ${ends} </tmp/time >/dev/null`
  const service = moorage
    .container()
    .withRootfs(moorage.host.directory(root))
    .withExposedPort(begins, { check: 'none' })
    .withExec(['sh', '-c', script])
    .asService({ instance: `turn ${turn}`, grace: 0 })
  undo.use(await service.start())
  const label = (await service.hostname()).split('.')[0]
  const path = `/v1/services/${label}/logs?follow=1`
  if (readers.slow > 0) undo.use((await reader('slow', daemon.host, path, String(readers.slow))).stop)
  const fast = readers.fast ? await reader('fast', daemon.host, path, join(root, 'data/lines')) : undefined
  if (fast) undo.use(fast.stop)

  const [address = ''] = (await service.endpoint({ port: begins, from: 'host' })).split(':')
  using memory = sampled({ daemon: daemon.process.pid ?? 0, launcher: launcherOf(daemon) })
  await exchange(address, begins)
  const began = performance.timeOrigin + performance.now()
  const words = await exchange(address, ends)
  // It ends now, and its log with it.
  const result = fast ? ((await fast.result) as FastReader) : undefined
  const [, minutes, seconds] = /real\s+(\d+)m\s*([\d.]+)s/.exec(words) ?? []
  return {
    written: 60 * Number(minutes) + Number(seconds),
    reader: result,
    seconds: result ? (result.last - began) / 1_000 : Number.NaN,
    daemon: memory.of('daemon'),
    launcher: memory.of('launcher'),
  }
}

/** Connects as soon as somebody listens, and returns what it says until it closes. */
async function exchange(host: string, port: number): Promise<string> {
  for (;;) {
    const socket = connect({ host, port })
    const [opened] = await Promise.race([
      once(socket, 'connect').then(() => [true]),
      once(socket, 'error').then(() => [false]),
    ]).catch(() => [false])
    if (opened) {
      socket.end()
      let words = ''
      for await (const chunk of socket) words += chunk
      return words
    }
    socket.destroy()
    await rest(10)
  }
}

interface Reader {
  result: Promise<unknown>
  stop: AsyncDisposable
}

/** A process that reads; resolves when it is attached. */
async function reader(...args: string[]): Promise<Reader> {
  const child: ChildProcess = spawn(process.execPath, [join(import.meta.dirname, 'log-reader.ts'), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  const output = createInterface({ input: child.stdout as NonNullable<ChildProcess['stdout']> })
  const lines: string[] = []
  const attached = Promise.withResolvers<void>()
  output.on('line', (line) => {
    if (line === 'attached') attached.resolve()
    else lines.push(line)
  })
  void exited.then(() => attached.reject(new Error(`a reader ended: ${args.join(' ')}`)))
  attached.promise.catch(() => undefined)
  await attached.promise
  return {
    result: exited.then(() => JSON.parse(lines.at(-1) ?? 'null')),
    stop: {
      async [Symbol.asyncDispose]() {
        if (child.exitCode === null) child.kill('SIGKILL')
        await exited
      },
    },
  }
}

function launcherOf(daemon: OwnDaemon): number {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
      if (args.some((arg) => arg.endsWith('launcher.ts')) && args.includes(daemon.runtimeDirectory))
        return Number(pid)
    } catch {
      // It ended meanwhile.
    }
  }
  throw new Error('the daemon has no launcher')
}

/** The resident memory of processes while something goes on: at its start, and the most, in MB. */
function sampled<Name extends string>(
  pids: Record<Name, number>,
): Disposable & { of(name: Name): [number, number] } {
  const names = Object.keys(pids) as Name[]
  const memory = new Map<Name, [number, number]>(names.map((name) => [name, [rss(pids[name]), 0]]))
  const look = () => {
    for (const [name, values] of memory) values[1] = Math.max(values[1], rss(pids[name]))
  }
  const timer = setInterval(look, 50)
  return {
    of(name) {
      look()
      return memory.get(name) ?? [Number.NaN, Number.NaN]
    },
    [Symbol.dispose]: () => clearInterval(timer),
  }
}

function rss(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1_024
}

/** MB/s of an attached `docker run`, read by this process, which compares as the fast reader does. */
async function dockerSpeed(host: string, expected: Buffer, ...options: string[]): Promise<number> {
  const child = spawn(
    '/usr/bin/docker',
    [
      '--host',
      host,
      'run',
      '--rm',
      '--network',
      'none',
      ...options,
      'logs-bench',
      'sh',
      '-c',
      writing(dockerRepeats),
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const exited = once(child, 'exit')
  let bytes = 0
  let first = 0
  let last = 0
  child.stdout.on('data', (data: Buffer) => {
    first ||= performance.now()
    const place = bytes % fileSize
    const length = Math.min(data.length, fileSize - place)
    if (expected.compare(data, 0, length, place, place + length) !== 0) throw new Error('docker: other bytes')
    bytes += data.length
    last = performance.now()
  })
  await exited
  if (bytes !== fileSize * dockerRepeats) throw new Error(`docker gave ${bytes} bytes`)
  // From its first byte: the start of the container is not what is measured here.
  return bytes / 1e6 / ((last - first) / 1_000)
}

async function bench(): Promise<Row[]> {
  using directories = ownDirectories()
  const root = mkdtempSync(join(tmpdir(), 'moorage-logs-bench-'))
  await using undo = new AsyncDisposableStack()
  undo.defer(() => removeTree(root))
  const expected = readFileSync(makeRootfs(root))
  const docker = undo.use(await startDockerd(join(root, '../', `moorage-logs-docker-${process.pid}`)))
  execFileSync('tar', ['--create', '--file', `${root}.tar`, '--directory', root, '.'])
  undo.defer(() => rmSync(`${root}.tar`))
  await docker.docker('import', `${root}.tar`, 'logs-bench')

  const alone: number[] = []
  const followed: Measured[] = []
  const crowded: Measured[] = []
  const dockers: number[] = []
  const undocumented: number[] = []
  {
    await using daemon = await startDaemon(directories, '--log-limit', '2g', '--grace', '0')
    await using moorage = await daemon.connect()
    const { version, runtime } = await moorage.status()
    console.log(`ours: moorage ${version}, runtime ${runtime}, Node ${process.version}`)
    console.log(`peer: ${docker.versions}`)
    console.log(`host: Linux ${release()}, ${cpus().length} processors`)
    await measure(daemon, moorage, root, { fast: true, slow: 0 })
    for (let round = 0; round < rounds; round += 1) {
      alone.push((await measure(daemon, moorage, root, { fast: false, slow: 0 })).written)
      followed.push(await measure(daemon, moorage, root, { fast: true, slow: 0 }))
      crowded.push(await measure(daemon, moorage, root, { fast: true, slow: slowReaders }))
      dockers.push(await dockerSpeed(docker.host, expected))
      undocumented.push(await dockerSpeed(docker.host, expected, '--log-driver', 'none'))
    }
  }
  const bounded = await (async () => {
    await using daemon = await startDaemon(directories, '--grace', '0')
    await using moorage = await daemon.connect()
    return await measure(daemon, moorage, root, { fast: true, slow: slowReaders })
  })()

  for (const { reader } of [...followed, ...crowded]) {
    if (reader?.bytes !== total || reader.wrong !== null || reader.missing !== 0)
      throw new Error(`the fast reader did not get all: ${JSON.stringify(reader)}`)
  }
  const speed = ({ seconds }: Measured) => total / 1e6 / seconds
  const times = (name: string, values: number[], unit: string) =>
    console.log(
      `${name.padEnd(58)}${median(values).toFixed(2).padStart(8)}${Math.min(...values)
        .toFixed(2)
        .padStart(8)}${Math.max(...values)
        .toFixed(2)
        .padStart(8)}  ${unit}`,
    )
  console.log(`\n${' '.repeat(58)}  median     min     max`)
  times(`the service writes ${Math.round(total / 1e6)} MB, nobody follows`, alone, 's')
  times(
    'the same, one fast reader',
    followed.map((one) => one.written),
    's',
  )
  times(
    `the same, one fast reader and ${slowReaders} slow ones`,
    crowded.map((one) => one.written),
    's',
  )
  times('the fast reader, alone', followed.map(speed), 'MB/s, every byte')
  times(`the fast reader beside ${slowReaders} slow ones`, crowded.map(speed), 'MB/s, every byte')
  times(`docker run, attached, ${(fileSize * dockerRepeats) / 1e6} MB`, dockers, 'MB/s')
  times('docker run, attached, --log-driver none', undocumented, 'MB/s')
  for (const which of ['daemon', 'launcher'] as const) {
    times(
      `the ${which}'s memory at the start, ${slowReaders} slow readers`,
      crowded.map((one) => one[which][0]),
      'MB',
    )
    times(
      `the ${which}'s memory at most`,
      crowded.map((one) => one[which][1]),
      'MB',
    )
  }
  const { reader } = bounded
  console.log(
    `with 64 MB kept: the fast reader beside ${slowReaders} slow ones got ${((reader?.bytes ?? 0) / 1e6).toFixed(0)} of ` +
      `${(total / 1e6).toFixed(0)} MB, and was told of ${((reader?.missing ?? 0) / 1e6).toFixed(0)} MB that it missed`,
  )
  const row = (
    metric: string,
    unit: string,
    ours: number,
    peer: number,
    peerName: string,
    ratio: number,
  ): Row => ({
    metric,
    unit,
    ours: Math.round(ours * 100) / 100,
    peer: Math.round(peer * 100) / 100,
    peerName,
    ratio: Math.round(ratio * 100) / 100,
  })
  const [fastest, peer] = [median(crowded.map(speed)), median(dockers)]
  const [calm, busy] = [median(followed.map((one) => one.written)), median(crowded.map((one) => one.written))]
  const start = median(crowded.map((one) => one.daemon[0]))
  const most = median(crowded.map((one) => one.daemon[1]))
  return [
    row('output to a fast reader beside 50 slow ones', 'MB/s', fastest, peer, 'docker run', fastest / peer),
    row('writing 1 GB, 50 slow readers besides', 's', busy, calm, 'without the slow ones', calm / busy),
    row('writing 1 GB, 51 readers', 's', busy, median(alone), 'nobody follows', median(alone) / busy),
    row('memory of the daemon, 51 readers', 'MB', most, start, 'before', start / most),
  ]
}

finish('logs', await bench())
