import { execFileSync, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, createReadStream } from 'node:fs'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { makePipe } from '../../src/kernel/index.ts'
import { layerOfTar } from '../images/layers.ts'
import { ownRegistry } from '../images/own-registry.ts'
import { cliPath, ownDirectories, run, startDaemon, until } from './own-daemon.ts'
import { ownRootfs } from './own-rootfs.ts'

t.setTimeout(600_000)

const directories = ownDirectories()
const rootfs = ownRootfs()
const registry = await ownRegistry()
const tar = execFileSync('tar', ['-c', '-C', rootfs.path, '.'], { maxBuffer: 2 ** 28 })
await registry.push('box', 'latest', {
  layers: [layerOfTar(tar, 'docker')],
  mediaType: 'application/vnd.docker.distribution.manifest.v2+json',
  configMediaType: 'application/vnd.docker.container.image.v1+json',
  config: { Cmd: ['sh'] },
})
const image = `${registry.address}/box:latest`
const daemon = await startDaemon(directories, '--grace', '0')
const moorage = await daemon.connect()
const service = await moorage
  .container()
  .from(image)
  .withHostname('c1')
  .withExec(['sleep', '100000'])
  .asService({ stopTimeout: 50 })
  .start()
t.teardown(async () => {
  await service.stop()
  await moorage.close()
  await daemon.stop()
  await registry[Symbol.asyncDispose]()
  rootfs[Symbol.dispose]()
  directories[Symbol.dispose]()
})

/** The two commands with an input, up to the command in the container. */
const commands = [
  ['exec', '-i', 'c1'],
  ['run', '-q', '-i', image],
] as const

function cli(args: readonly string[], stdin: 'pipe' | number = 'pipe') {
  const child = spawn(process.execPath, [cliPath, ...args], {
    env: daemon.env,
    stdio: [stdin, 'pipe', 'pipe'],
  })
  const words = text(child.stderr as NonNullable<typeof child.stderr>)
  const ended = once(child, 'close').then(async ([code]) => ({ code: code as number, stderr: await words }))
  return { child, ended, stdin: child.stdin as NonNullable<typeof child.stdin>, stdout: child.stdout }
}

/** Runs a command with all of an input. */
async function withInput(args: readonly string[], input: Buffer) {
  const { ended, stdin, stdout } = cli(args)
  stdin.on('error', () => undefined)
  stdin.end(input)
  return { stdout: await text(stdout as never), ...(await ended) }
}

function shell(line: string) {
  return run('bash', ['-c', line], { ...daemon.env, IMG: image, M: `${process.execPath} ${cliPath}` })
}

for (const command of commands) {
  const [name] = command
  t.test(`${name}: bytes of -i arrive as they are (C01, C01b)`, async (t) => {
    const short = await withInput([...command, 'od', '-An', '-tx1'], Buffer.from([0xff, 0xfe]))
    t.match(short, { code: 0, stdout: /^\s*ff fe\s*$/ })
    const bytes = randomBytes(3_000_001)
    const hash = createHash('sha256').update(bytes).digest('hex')
    t.match(await withInput([...command, 'sha256sum'], bytes), { code: 0, stdout: hash })
    t.match(await withInput([...command, 'wc', '-c'], Buffer.alloc(0)), { code: 0, stdout: /^0\s*$/ })
  })

  t.test(`${name}: an archive is read from -i (C01b)`, async (t) => {
    t.match(await withInput([...command, 'tar', 't'], tar), { code: 0, stdout: 'www/index.html' })
  })

  t.test(`${name}: input comes as it is written (C02)`, async (t) => {
    const { ended, stdin, stdout } = cli([...command, 'cat'])
    const pieces: string[] = []
    stdout?.on('data', (piece) => pieces.push(String(piece)))
    for (const piece of ['a\n', 'b\n']) {
      stdin.write(piece)
      await until(`${piece} comes back`, () => pieces.join('').endsWith(piece), 30_000)
    }
    stdin.end()
    t.match(await ended, { code: 0 })
  })

  t.test(`${name}: a producer that nobody wants any more gets SIGPIPE (C02, C02b)`, async (t) => {
    const line = `set -o pipefail; yes | $M ${command.join(' ')} head -1; echo "\${PIPESTATUS[*]}"`
    t.match(await shell(line), { stdout: 'y\n141 0\n' })
  })

  t.test(`${name}: a producer gets SIGPIPE when the command closes its input`, async (t) => {
    const { read, write } = makePipe()
    const producer = spawn('yes', { stdio: ['ignore', write, 'inherit'] })
    const gone = once(producer, 'exit')
    const { ended, child } = cli([...command, 'sh', '-c', 'exec <&-; sleep 1000'], read)
    for (const fd of [read, write]) closeSync(fd)
    const [, signal] = await gone
    t.equal(signal, 'SIGPIPE')
    t.equal(child.exitCode, null, 'the command goes on')
    child.kill('SIGINT')
    t.match(await ended, { code: 130 })
  })

  t.test(`${name}: the input is a pipe, and ends when ours ends`, async (t) => {
    const line = 'test -p /dev/stdin && cat /dev/stdin && cat && echo end'
    t.match(await withInput([...command, 'sh', '-c', line], Buffer.from('given\n')), {
      code: 0,
      stdout: 'given\nend\n',
    })
  })

  t.test(`${name}: no more is taken than is wanted`, async (t) => {
    const { child, ended, stdin } = cli([...command, 'sleep', '1000'])
    let taken = 0
    const piece = Buffer.alloc(65_536)
    const fill = () => {
      while (taken < 2 ** 30 && stdin.write(piece)) taken += piece.length
    }
    stdin.on('drain', fill)
    stdin.on('error', () => undefined)
    fill()
    let before = -1
    while (before !== taken) {
      before = taken
      await new Promise((resolve) => setTimeout(resolve, 1_000))
    }
    t.ok(taken < 32 * 2 ** 20, `${taken} bytes`)
    child.kill('SIGINT')
    await ended
  })

  t.test(`${name}: there is no bound (C02c)`, async (t) => {
    const line = `head -c 130M /dev/zero | tr '\\0' a | $M ${command.join(' ')} wc -c`
    t.match(await shell(line), { code: 0, stdout: /^136314880\s*$/ })
  })

  const size = process.env.MOORAGE_LONG ? 1_000_000_000 : 50_000_000
  t.test(`${name}: ${size} random bytes arrive (C01)`, async (t) => {
    const hash = createHash('sha256')
    const { ended, stdin, stdout } = cli([...command, 'sha256sum'])
    const source = createReadStream('/dev/urandom', { end: size - 1 })
    source.on('data', (piece) => hash.update(piece))
    source.pipe(stdin)
    const said = await text(stdout as never)
    t.match(await ended, { code: 0 })
    t.equal(said.split(' ')[0], hash.digest('hex'))
  })
}

t.test('a run whose input is a stream is shared with nobody, and not kept', async (t) => {
  const said = await Promise.all(
    ['a', 'b'].map((word) => withInput(['run', '-q', '-i', image, 'cat'], Buffer.from(word))),
  )
  t.same(
    said.map(({ stdout }) => stdout),
    ['a', 'b'],
  )
  t.match(await withInput(['run', '-q', '-i', image, 'cat'], Buffer.from('c')), { stdout: 'c' })
})

t.test('with --cached the input belongs to the definition, and is bounded', async (t) => {
  const command = ['run', '-q', '-i', '--cached', image, 'sh', '-c', 'cat; cat /proc/sys/kernel/random/uuid']
  const first = await withInput(command, Buffer.from('a'))
  t.equal((await withInput(command, Buffer.from('a'))).stdout, first.stdout)
  t.not((await withInput(command, Buffer.from('b'))).stdout, first.stdout)
  t.match(await withInput(command, Buffer.from([0xff])), { code: 2, stderr: /-i --cached: .*UTF-8/ })
  t.match(await withInput(command, Buffer.alloc(17 * 2 ** 20)), { code: 2, stderr: /above 16 MiB/ })
})

t.test('a command that needs no input ends at once, whatever holds ours open', async (t) => {
  for (const command of commands) {
    const { ended } = cli([...command, 'echo', 'hi'])
    t.match(await ended, { code: 0 })
  }
})
