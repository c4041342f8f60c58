import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { removeTree } from '../remove-tree.ts'
import { layerOf } from './layers.ts'
import { ownImages } from './own-images.ts'
import { ownRegistry, sha256 } from './own-registry.ts'

const registry = await ownRegistry()
t.teardown(() => registry[Symbol.asyncDispose]())
const { address } = registry
const architecture = process.arch === 'arm64' ? 'arm64' : 'amd64'
const nothing = '0'.repeat(64)

t.test('an image that umoci made and skopeo pushed is here as it was made', async (t) => {
  const work = mkdtempSync(join(tmpdir(), 'moorage-umoci-'))
  t.teardown(() => removeTree(work))
  mkdirSync(join(work, 'root/bin'), { recursive: true })
  copyFileSync('/bin/busybox', join(work, 'root/bin/busybox'))
  writeFileSync(join(work, 'root/secret'), 'x', { mode: 0o600 })
  const run = (command: string, ...args: string[]) =>
    execFileSync(command, args, { cwd: work, stdio: 'pipe' })
  run('umoci', 'init', '--layout', 'L')
  run('umoci', 'new', '--image', 'L:t')
  run('umoci', 'insert', '--image', 'L:t', 'root', '/')
  const config = ['--config.entrypoint', '/bin/busybox', '--config.cmd', 'sh', '--config.env', 'A=b c']
  config.push('--config.exposedports', '6379/tcp', '--config.exposedports', '53/udp', '--config.user', '7:8')
  config.push('--config.workingdir', '/srv', '--config.stopsignal', 'SIGINT')
  run('umoci', 'config', '--image', 'L:t', ...config, '--architecture', architecture, '--os', 'linux')
  run(
    'skopeo',
    '--insecure-policy',
    'copy',
    '--dest-tls-verify=false',
    'oci:L:t',
    `docker://${address}/team/busybox:1`,
  )
  const manifest = execFileSync('skopeo', [
    'inspect',
    '--tls-verify=false',
    '--raw',
    `docker://${address}/team/busybox:1`,
  ])

  await using own = await ownImages()
  const details: string[] = []
  const image = await own.images.resolve(`${address}/team/busybox:1`, {
    onProgress: (detail) => details.push(detail),
  })
  t.match(image, { ref: `${address}/team/busybox:1`, name: 'busybox', digest: sha256(manifest) })
  t.same(image.config, {
    entrypoint: ['/bin/busybox'],
    cmd: ['sh'],
    env: ['A=b c'],
    user: '7:8',
    workdir: '/srv',
    exposedPorts: [
      { port: 53, protocol: 'udp' },
      { port: 6379, protocol: 'tcp' },
    ],
    stopSignal: 'SIGINT',
  })
  t.ok(readFileSync(join(image.rootfs, 'bin/busybox')).equals(readFileSync('/bin/busybox')))
  t.equal(statSync(join(image.rootfs, 'bin/busybox')).mode & 0o111, 0o111)
  t.equal(statSync(join(image.rootfs, 'secret')).mode & 0o777, 0o600)
  t.equal(statSync(image.rootfs).mode & 0o777, 0o755)
  t.same(details.at(0), 'pulling')
  t.same(details.at(-1), 'unpacking')
  await own.tidied()
})

t.test('a pin stays where the tag moves, until it is asked to move; the network is not needed', async (t) => {
  await using own = await ownImages()
  const ref = `${address}/moving`
  const push = (text: string) =>
    registry.push('moving', 'latest', { layers: [layerOf({ which: text })], config: {} })
  const first = await push('first')
  t.equal((await own.images.resolve(ref)).digest, first)
  const second = await push('second')
  t.equal((await own.images.resolve(ref)).digest, first)
  t.equal((await own.images.resolve(`${ref}:latest`)).digest, first, 'by its whole name too')
  const moved = await own.images.resolve(ref, { pull: 'always' })
  t.equal(moved.digest, second)
  t.equal(readFileSync(join(moved.rootfs, 'which'), 'utf8'), 'second')
  t.equal((await own.images.resolve(`${ref}@${first}`)).digest, first, 'by digest what it was')
  await registry.stop()
  try {
    t.equal((await own.images.resolve(ref)).digest, second, 'without the registry')
    t.equal((await own.images.resolve(`${ref}@${first}`)).digest, first)
    await t.rejects(own.images.resolve(ref, { pull: 'always' }), { code: 'REGISTRY_UNREACHABLE' })
    t.equal((await own.images.resolve(ref)).digest, second, 'a pull that failed moves nothing')
  } finally {
    await registry.start()
  }
  await own.tidied()
})

t.test('what is pinned and no longer on disk comes back as it was', async (t) => {
  await using own = await ownImages()
  const ref = `${address}/lost:1`
  const first = await registry.push('lost', '1', { layers: [layerOf({ which: 'first' })], config: {} })
  await registry.push('lost', '1', { layers: [layerOf({ which: 'second' })], config: {} })
  own.store.images.setPin(ref, first)
  t.equal(readFileSync(join((await own.images.resolve(ref)).rootfs, 'which'), 'utf8'), 'first')
})

t.test('of an index the child for this machine is taken', async (t) => {
  await using own = await ownImages()
  const mine = await registry.push('many', 'mine', { layers: [layerOf({ a: 'mine' })], config: {} })
  const other = await registry.push('many', 'other', { layers: [layerOf({ a: 'other' })], config: {} })
  await registry.pushIndex('many', 'all', [
    { digest: other, os: 'unknown', architecture: 'unknown' },
    { digest: other, os: 'linux', architecture: 's390x' },
    { digest: other, os: 'windows', architecture },
    { digest: mine, os: 'linux', architecture },
  ])
  await registry.pushIndex('many', 'others', [
    { digest: other, os: 'unknown', architecture: 'unknown' },
    { digest: other, os: 'linux', architecture: 's390x' },
  ])
  const image = await own.images.resolve(`${address}/many:all`)
  t.equal(image.digest, mine, 'and it is what the reference is pinned to')
  t.equal(readFileSync(join(image.rootfs, 'a'), 'utf8'), 'mine')
  await t.rejects(own.images.resolve(`${address}/many:others`), {
    code: 'IMAGE_NOT_FOUND',
    message: /not for linux\/\w+ \(for unknown\/unknown, linux\/s390x\)/,
  })
})

t.test("Docker's own format keeps its health check, ranges of ports and defaults", async (t) => {
  await using own = await ownImages()
  const healthcheck = { Test: ['CMD', 'redis-cli', 'ping'], Interval: 1_000_000_000 }
  await registry.push('docker', '1', {
    layers: [layerOf({ a: 'below', gone: 'x' }, 'docker'), layerOf({ a: 'above', '.wh.gone': '' }, 'docker')],
    config: {
      Healthcheck: healthcheck,
      ExposedPorts: { '7000-7002/tcp': {}, '80': {}, '9/sctp': {} },
      Entrypoint: null,
    },
    mediaType: 'application/vnd.docker.distribution.manifest.v2+json',
    configMediaType: 'application/vnd.docker.container.image.v1+json',
  })
  const { config, rootfs } = await own.images.resolve(`${address}/docker:1`)
  t.same(config.healthcheck, healthcheck)
  t.same(config.exposedPorts.map(({ port, protocol }) => `${port}/${protocol}`).sort(), [
    '7000/tcp',
    '7001/tcp',
    '7002/tcp',
    '80/tcp',
  ])
  t.match(config, { entrypoint: [], cmd: [], env: [], user: '', workdir: '/' })
  t.equal(readFileSync(join(rootfs, 'a'), 'utf8'), 'above')
  t.notOk(existsSync(join(rootfs, 'gone')), 'what an upper layer removed')
  t.notOk(existsSync(join(rootfs, '.wh.gone')))
})

t.test('zstd layers are unpacked too', async (t) => {
  await using own = await ownImages()
  const digest = await registry.push('zstd', '1', {
    layers: [layerOf({ a: 'below' }), layerOf({ b: 'zstd'.repeat(1_000) }, 'zstd')],
    config: {},
  })
  const image = await own.images.resolve(`${address}/zstd:1`)
  t.equal(image.digest, digest, 'under the digest they have')
  t.equal(readFileSync(join(image.rootfs, 'a'), 'utf8'), 'below')
  t.equal(readFileSync(join(image.rootfs, 'b'), 'utf8'), 'zstd'.repeat(1_000))
})

t.test('many who ask at once share one pull, under whatever name', async (t) => {
  await using own = await ownImages()
  const image = { layers: [layerOf({ a: 'shared' })], config: { Cmd: ['shared'] } }
  const digest = await registry.push('shared', '1', image)
  await registry.push('shared', 'latest', image)
  const layer = `GET /v2/shared/blobs/${sha256(image.layers[0]?.bytes ?? '')}`
  const refs = Array.from({ length: 20 }, (_, i) => `${address}/shared:${i % 2 ? 1 : 'latest'}`)
  const resolved = await Promise.all(refs.map((ref) => own.images.resolve(ref)))
  t.same(new Set(resolved.map((one) => one.digest)), new Set([digest]))
  t.equal(registry.requests().filter((request) => request === layer).length, 1)
  await own.tidied()
})

t.test('an image that does not fit on the disk is told as that, and leaves nothing', async (t) => {
  const disk = mkdtempSync(join(tmpdir(), 'moorage-disk-'))
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=80m', 'moorage-test', disk])
  t.teardown(() => {
    execFileSync('umount', [disk])
    removeTree(disk)
  })
  // There is room for it packed or unpacked, not for both.
  await registry.push('large', '1', { layers: [layerOf({ a: randomBytes(45 * 1024 * 1024) })], config: {} })
  await using own = await ownImages({}, join(disk, 'state'))
  await t.rejects(own.images.resolve(`${address}/large:1`), {
    code: 'DISK_FULL',
    details: { path: own.store.directory },
  })
  await own.tidied()
  own.store.ensureSpace()
})

t.test('what does not exist is told as that, and a later try is a fresh one', async (t) => {
  await using own = await ownImages()
  await registry.push('late', 'other', { layers: [layerOf({ a: 'x' })], config: {} })
  await t.rejects(own.images.resolve(`${address}/late:1`), {
    code: 'IMAGE_NOT_FOUND',
    message: new RegExp(`^the image ${address}/late:1 does not exist: .*manifest unknown`),
  })
  await t.rejects(own.images.resolve(`${address}/never:1`), { code: 'IMAGE_NOT_FOUND' })
  await t.rejects(own.images.resolve(`${address}/late@sha256:${nothing}`), { code: 'IMAGE_NOT_FOUND' })
  const digest = await registry.push('late', '1', { layers: [layerOf({ a: 'x' })], config: {} })
  t.equal((await own.images.resolve(`${address}/late:1`)).digest, digest)
  await own.tidied()
})
