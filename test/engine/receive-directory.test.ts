import { mkdirSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { digestDirectory } from '../../src/definition/index.ts'
import { receiveDirectory } from '../../src/engine/files/receive-directory.ts'
import { openStore } from '../../src/store/index.ts'
import { runTool } from '../../src/system-tool/index.ts'
import { ownState, digest as someDigest } from '../store/own-state.ts'
import { fill, smallDisk } from '../store/small-disk.ts'

/** A directory's digest and its archive, of a size. */
async function archive(t: Parameters<typeof ownState>[0], size: number) {
  const directory = join(ownState(t), 'sent')
  mkdirSync(directory)
  writeFileSync(join(directory, 'f'), Buffer.alloc(size, 'x'))
  const { digest } = await digestDirectory(directory)
  const { stdout: tar } = await runTool('tar', ['-C', directory, '-cf', '-', '--no-recursion', '.', './f'])
  return { digest, tar }
}

const { signal } = new AbortController()

/** Sends an archive whose end comes late, and tells when the answer came. */
async function receive(
  store: Parameters<typeof receiveDirectory>[0],
  digest: string,
  first: Buffer,
  last: readonly Buffer[],
): Promise<{ ended: boolean; error: unknown }> {
  const body = new PassThrough()
  let ended = false
  let early = false
  const answer = receiveDirectory(store, digest, body, signal).then(
    () => undefined,
    (error: unknown) => error,
  )
  void answer.then(() => {
    early = !ended
  })
  body.write(first)
  // tar has read the archive's end and has gone.
  await sleep(150)
  for (const piece of last) {
    if (body.destroyed) break
    if (!body.write(piece)) await Promise.race([new Promise((r) => body.once('drain', r)), sleep(2_000)])
  }
  ended = true
  body.end()
  const error = await answer
  return { ended: !early && !body.errored, error }
}

t.test('a directory is answered after the end of what the client sends (E04)', async (t) => {
  const state = ownState(t)
  await using store = await openStore(state)
  const trailer = Array.from({ length: 64 }, () => Buffer.alloc(64 * 1024))
  for (const size of [1, 200_000]) {
    for (const last of [[], [Buffer.alloc(1)], trailer]) {
      const { digest, tar } = await archive(t, size + last.length)
      t.match(await receive(store, digest, tar, last), { ended: true, error: undefined })
      t.ok(store.trees.has(digest))
      t.match(await receive(store, digest, tar, last), { ended: true, error: undefined }, 'there already')
    }
  }
})

t.test('so is one that is refused', async (t) => {
  await using store = await openStore(ownState(t))
  const { tar } = await archive(t, 10)
  const trailer = Array.from({ length: 64 }, () => Buffer.alloc(64 * 1024, 'y'))
  t.match(await receive(store, someDigest(1), tar, trailer), {
    ended: true,
    error: { code: 'BLOB_MISMATCH' },
  })
  t.match(await receive(store, someDigest(1), Buffer.from('no tar'.repeat(1000)), trailer), {
    ended: true,
    error: { code: 'INVALID_REQUEST' },
  })
})

t.test('a client that goes in the middle leaves nothing', async (t) => {
  await using store = await openStore(ownState(t))
  const { digest, tar } = await archive(t, 500_000)
  const body = new PassThrough()
  const answer = receiveDirectory(store, digest, body, signal)
  body.write(tar.subarray(0, 100_000))
  await sleep(50)
  body.destroy(new Error('gone'))
  await t.rejects(answer)
  t.notOk(store.trees.has(digest))
})

t.test('a disk that fills up is told as that, not as a bad archive', async (t) => {
  await using store = await openStore(join(smallDisk(t, 80), 'state'))
  const { digest, tar } = await archive(t, 7_000_000)
  const ballast = join(store.directory, 'ballast')
  fill(ballast)
  truncateSync(ballast, statSync(ballast).size - 1_000_000)
  await t.rejects(receiveDirectory(store, digest, Readable.from([tar]), signal), {
    code: 'DISK_FULL',
    details: { path: store.directory },
  })
  t.notOk(store.trees.has(digest))
})
