import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { ImageNews } from '../../src/images/index.ts'
import { freePort } from '../free-port.ts'
import { removeTree } from '../remove-tree.ts'
import { type Layer, layerOf, layerOfTar, tarOfOne } from './layers.ts'
import { ownImages } from './own-images.ts'
import { sha256 } from './own-registry.ts'

async function listening(t: { teardown(fn: () => unknown): void }, server: Server): Promise<string> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => sockets.add(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** A registry that answers what it is told to, by path below /v2/. */
function answering(
  t: { teardown(fn: () => unknown): void },
  answers: Record<string, string | Buffer | ((request: IncomingMessage, response: ServerResponse) => void)>,
): Promise<string> {
  const server = createHttpServer((request, response) => {
    const answer = answers[request.url?.replace('/v2/', '') ?? '']
    if (typeof answer === 'function') return answer(request, response)
    if (answer === undefined && request.url !== '/v2/') response.statusCode = 404
    if (request.url?.includes('/manifests/')) {
      response.setHeader('content-type', 'application/vnd.oci.image.manifest.v1+json')
    }
    response.end(answer ?? '{}')
  })
  return listening(t, server)
}

/** The answers that make one image of the name x:1. */
function image(config: string, layers: readonly Layer[]): Record<string, string | Buffer> {
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: {
      mediaType: 'application/vnd.oci.image.config.v1+json',
      digest: sha256(config),
      size: config.length,
    },
    layers: layers.map(({ bytes, mediaType }) => ({ mediaType, digest: sha256(bytes), size: bytes.length })),
  })
  return {
    'x/manifests/1': manifest,
    [`x/manifests/${sha256(manifest)}`]: manifest,
    [`x/blobs/${sha256(config)}`]: config,
    ...Object.fromEntries(layers.map(({ bytes }) => [`x/blobs/${sha256(bytes)}`, bytes])),
  }
}

function configOf(config: unknown, layers: readonly Layer[]): string {
  return JSON.stringify({
    architecture: 'amd64',
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    config,
  })
}

t.test('a registry that is not there is told as that, at once', async (t) => {
  await using own = await ownImages()
  const address = `127.0.0.1:${await freePort()}`
  const began = performance.now()
  await t.rejects(own.images.resolve(`${address}/x:1`), {
    code: 'REGISTRY_UNREACHABLE',
    message: /connection refused/,
  })
  t.ok(performance.now() - began < 5_000)
})

t.test('a registry that never answers is given up, and nothing of the try is left', async (t) => {
  await using own = await ownImages({ patience: 300 })
  const server = createServer()
  const address = await listening(t, server)
  const connected = once(server, 'connection')
  const trying = own.images.resolve(`${address}/x:1`)
  trying.catch(() => undefined)
  const [socket] = (await connected) as [Socket]
  await t.rejects(trying, { code: 'REGISTRY_UNREACHABLE', message: /no answer within 0\.3 s/ })
  socket.resume()
  if (!socket.closed) await once(socket, 'close')
  t.pass('skopeo is gone')
  await own.tidied()
})

t.test('who is cancelled returns at once; the pull ends with the last', async (t) => {
  await using own = await ownImages()
  const server = createServer()
  const address = await listening(t, server)
  const connected = once(server, 'connection')
  const first = new AbortController()
  const second = new AbortController()
  const one = own.images.resolve(`${address}/x:1`, { signal: first.signal })
  const two = own.images.resolve(`${address}/x:1`, { signal: second.signal })
  two.catch(() => undefined)
  const [socket] = (await connected) as [Socket]
  socket.resume()
  first.abort()
  await t.rejects(one, { code: 'CANCELLED' })
  t.notOk(socket.closed, 'the other still waits')
  second.abort()
  await t.rejects(two, { code: 'CANCELLED' })
  if (!socket.closed) await once(socket, 'close')
  await own.tidied()
  await t.rejects(own.images.resolve(`${address}/x:1`, { signal: second.signal }), { code: 'CANCELLED' })
})

t.test('kill -9 of the daemon ends what it has started', async (t) => {
  const server = createServer()
  const address = await listening(t, server)
  const connected = once(server, 'connection')
  const program = `
    const { ownImages } = await import(${JSON.stringify(new URL('own-images.ts', import.meta.url).href)})
    const own = await ownImages()
    console.log(own.store.directory)
    await own.images.resolve('${address}/x:1')
  `
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [directory] = await once(child.stdout, 'data')
  t.teardown(() => removeTree(String(directory).trim()))
  const [socket] = (await connected) as [Socket]
  socket.resume()
  child.kill('SIGKILL')
  if (!socket.closed) await once(socket, 'close')
  t.pass('skopeo is gone')
})

t.test('credentials of the host’s root are nobody else’s', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'moorage-auth-'))
  t.teardown(() => removeTree(directory))
  const sent: (string | undefined)[] = []
  const address = await answering(t, {
    'x/manifests/1': (request, response) => {
      sent.push(request.headers.authorization)
      response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end('{}')
    },
    '': (request, response) => {
      sent.push(request.headers.authorization)
      response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end('{}')
    },
  })
  const auth = { auths: { [address]: { auth: Buffer.from('root:secret').toString('base64') } } }
  writeFileSync(join(directory, 'auth.json'), JSON.stringify(auth))
  process.env.REGISTRY_AUTH_FILE = join(directory, 'auth.json')
  t.teardown(() => {
    delete process.env.REGISTRY_AUTH_FILE
  })
  await using own = await ownImages()
  await t.rejects(own.images.resolve(`${address}/x:1`), { code: 'IMAGE_UNAUTHORIZED' })
  t.ok(sent.length > 0)
  const secrets = sent.map((header) => Buffer.from(header?.replace('Basic ', '') ?? '', 'base64').toString())
  t.notMatch(secrets.join(' '), 'root')
})

t.test('a registry in trouble is told as that', async (t) => {
  await using own = await ownImages()
  const address = await answering(t, {
    'x/manifests/1': (_, response) => response.writeHead(503).end('busy'),
  })
  await t.rejects(own.images.resolve(`${address}/x:1`), { code: 'REGISTRY_UNREACHABLE' })
})

const layer = layerOf({ a: 'a' })
const hostile: Record<string, Record<string, string | Buffer>> = {
  'a manifest that is no JSON': { 'x/manifests/1': '<html>' },
  'a manifest that is null': { 'x/manifests/1': 'null' },
  'a manifest of schema 1': { 'x/manifests/1': '{"schemaVersion":1,"fsLayers":[]}' },
  'a manifest without layers': { 'x/manifests/1': '{"schemaVersion":2}' },
  'an index whose child is no digest': {
    'x/manifests/1': JSON.stringify({
      schemaVersion: 2,
      manifests: [{ digest: '--help', platform: { os: 'linux', architecture: 'amd64' } }],
    }),
  },
  'a config that is no object': image('[]', [layer]),
  'an entrypoint that is no list': image(configOf({ Entrypoint: '/bin/sh' }, [layer]), [layer]),
  'a variable with a NUL': image(configOf({ Env: ['A=\0'] }, [layer]), [layer]),
  'a port out of range': image(configOf({ ExposedPorts: { '70000/tcp': {} } }, [layer]), [layer]),
  'a layer that is not what its digest says': {
    ...image(configOf({}, [layer]), [layer]),
    [`x/blobs/${sha256(layer.bytes)}`]: layerOf({ a: 'b' }).bytes,
  },
  'a layer that is no archive': image(configOf({}, [layer]), [{ ...layer, bytes: Buffer.from('no tar') }]),
  'a layer that is missing': (() => {
    const { [`x/blobs/${sha256(layer.bytes)}`]: _, ...rest } = image(configOf({}, [layer]), [layer])
    return rest
  })(),
}

for (const [what, answers] of Object.entries(hostile)) {
  t.test(`${what} is a clear failure, and leaves nothing`, async (t) => {
    await using own = await ownImages()
    const address = await answering(t, answers)
    const error = await own.images.resolve(`${address}/x:1`).then(
      () => undefined,
      (thrown) => thrown,
    )
    t.match(error?.code, /^(IMAGE_FAILED|IMAGE_NOT_FOUND)$/, error?.message)
    t.same(own.store.images.list(), [])
    await own.tidied()
  })
}

t.test('a layer cannot write outside of the image', async (t) => {
  const outside = mkdtempSync(join(tmpdir(), 'moorage-outside-'))
  t.teardown(() => removeTree(outside))
  writeFileSync(join(outside, 'precious'), 'x')
  const layers = [
    tarOfOne(`../../../../../../../..${outside}/precious`, 'stolen'),
    tarOfOne('link', '', '2', outside),
    tarOfOne('link/precious', 'stolen'),
    tarOfOne(`${outside}/precious`, 'stolen'),
  ].map((tar) => layerOfTar(Buffer.concat([tar, Buffer.alloc(1_024)])))
  await using own = await ownImages()
  const address = await answering(t, image(configOf({}, layers), layers))
  await own.images.resolve(`${address}/x:1`).catch((error) => t.match(error.code, 'IMAGE_FAILED'))
  t.equal(readFileSync(join(outside, 'precious'), 'utf8'), 'x')
  t.ok(existsSync(outside))
})

t.test(
  'a slow pull tells its bytes, once for all who wait; what is here already tells nothing',
  async (t) => {
    const layer = layerOf({ big: randomBytes(4 * 1024 * 1024) })
    const answers: Parameters<typeof answering>[1] = image(configOf({}, [layer]), [layer])
    const rest = Promise.withResolvers<void>()
    answers[`x/blobs/${sha256(layer.bytes)}`] = (_request, response) => {
      const half = layer.bytes.length >> 1
      response.setHeader('content-length', layer.bytes.length)
      response.write(layer.bytes.subarray(0, half))
      void rest.promise.then(() => response.end(layer.bytes.subarray(half)))
    }
    const address = await answering(t, answers)
    const news: ImageNews[] = []
    await using own = await ownImages({}, undefined, (one) => {
      news.push(one)
      const { done = 0, total = 1 } = one.bytes ?? {}
      if (done > 0 && done < total) rest.resolve()
    })
    const ref = `${address}/x:1`
    await Promise.all([own.images.resolve(ref), own.images.resolve(ref)])
    t.match(news[0], { ref, state: 'running', detail: 'pulling' })
    const part = news.find(({ bytes }) => bytes !== undefined && bytes.done > 0 && bytes.done < bytes.total)
    t.equal(part?.bytes?.total, layer.bytes.length)
    t.equal(news.filter(({ state }) => state === 'done').length, 1)
    t.match(news.at(-1), { ref, state: 'done' })
    news.length = 0
    await own.images.resolve(ref)
    t.same(news, [])
    await t.rejects(own.images.resolve(`${address}/x:2`))
    t.match(news, [{ state: 'failed', detail: String }])
  },
)
