import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { freePort } from '../free-port.ts'
import { removeTree } from '../remove-tree.ts'

/** A registry of a test's own on loopback: Debian's docker-registry. */
export interface OwnRegistry extends AsyncDisposable {
  /** `127.0.0.1:PORT`. */
  readonly address: string
  /** The requests it has answered, as `GET /v2/…`. */
  requests(): string[]
  stop(): Promise<void>
  start(): Promise<void>
  /** Puts an image there, made of its parts; returns the digest of its manifest. */
  push(name: string, tag: string, image: PushedImage): Promise<string>
  /** Puts an index there. */
  pushIndex(
    name: string,
    tag: string,
    children: { digest: string; os: string; architecture: string }[],
  ): Promise<void>
}

export interface PushedImage {
  /** Compressed tars. */
  layers: { bytes: Buffer; mediaType: string; diffId: string }[]
  config: Record<string, unknown>
  /** @defaultValue OCI's */
  mediaType?: string
  configMediaType?: string
}

const ociManifest = 'application/vnd.oci.image.manifest.v1+json'
const ociIndex = 'application/vnd.oci.image.index.v1+json'
const ociConfig = 'application/vnd.oci.image.config.v1+json'

export function sha256(bytes: Buffer | string): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

export async function ownRegistry(): Promise<OwnRegistry> {
  const directory = mkdtempSync(join(tmpdir(), 'moorage-registry-'))
  const address = `127.0.0.1:${await freePort()}`
  const config = join(directory, 'config.yml')
  writeFileSync(
    config,
    [
      'version: 0.1',
      'log: { level: error }',
      `storage: { filesystem: { rootdirectory: ${directory}/data } }`,
      `http: { addr: '${address}' }`,
    ].join('\n'),
  )
  let child: ChildProcess | undefined
  let log = ''

  const start = async () => {
    const begun = spawn('docker-registry', ['serve', config], { stdio: ['ignore', 'pipe', 'pipe'] })
    begun.stdout.on('data', (chunk) => {
      log += chunk
    })
    begun.stderr.resume()
    child = begun
    const deadline = Date.now() + 10_000
    for (;;) {
      const answer = await fetch(`http://${address}/v2/`).catch(() => undefined)
      if (answer?.ok) return
      if (Date.now() > deadline) throw new Error('the registry does not come up')
      await wait(20)
    }
  }
  const stop = async () => {
    if (child === undefined) return
    const closed = once(child, 'close')
    child.kill('SIGKILL')
    await closed
    child = undefined
  }
  const putBlob = async (name: string, bytes: Buffer) => {
    const begun = await fetch(`http://${address}/v2/${name}/blobs/uploads/`, { method: 'POST' })
    const location = new URL(begun.headers.get('location') ?? '', `http://${address}`)
    location.searchParams.set('digest', sha256(bytes))
    const headers = { 'content-type': 'application/octet-stream' }
    const { status } = await fetch(location, { method: 'PUT', body: new Uint8Array(bytes), headers })
    if (status !== 201) throw new Error(`a blob was answered ${status}`)
    return { digest: sha256(bytes), size: bytes.length }
  }
  const putManifest = async (name: string, tag: string, mediaType: string, manifest: object) => {
    const body = JSON.stringify(manifest)
    const answer = await fetch(`http://${address}/v2/${name}/manifests/${tag}`, {
      method: 'PUT',
      headers: { 'content-type': mediaType },
      body,
    })
    if (answer.status !== 201)
      throw new Error(`a manifest was answered ${answer.status} ${await answer.text()}`)
    return sha256(body)
  }

  await start()
  return {
    address,
    requests: () =>
      [...log.matchAll(/"(\w+ \/v2\/\S*) HTTP/g)].flatMap(([, request]) => (request ? [request] : [])),
    start,
    stop,
    async push(
      name,
      tag,
      { layers, config: imageConfig, mediaType = ociManifest, configMediaType = ociConfig },
    ) {
      const rootfs = { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) }
      const whole = { architecture: process.arch === 'arm64' ? 'arm64' : 'amd64', os: 'linux', rootfs }
      const configBytes = Buffer.from(JSON.stringify({ ...whole, config: imageConfig }))
      return putManifest(name, tag, mediaType, {
        schemaVersion: 2,
        mediaType,
        config: { mediaType: configMediaType, ...(await putBlob(name, configBytes)) },
        layers: await Promise.all(
          layers.map(async (layer) => ({
            mediaType: layer.mediaType,
            ...(await putBlob(name, layer.bytes)),
          })),
        ),
      })
    },
    async pushIndex(name, tag, children) {
      await putManifest(name, tag, ociIndex, {
        schemaVersion: 2,
        mediaType: ociIndex,
        manifests: children.map(({ digest, os, architecture }) => ({
          mediaType: ociManifest,
          digest,
          size: 1,
          platform: { os, architecture },
        })),
      })
    },
    async [Symbol.asyncDispose]() {
      await stop()
      removeTree(directory)
    },
  }
}
