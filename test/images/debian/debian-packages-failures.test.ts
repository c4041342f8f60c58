import { readdirSync, readFileSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { ownImages } from '../own-images.ts'

/** The names of the processes that were given a directory, by their arguments or their environment. */
function processesOf(directory: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const given = ['cmdline', 'environ'].map((file) => readFileSync(`/proc/${pid}/${file}`, 'utf8'))
        if (!given.join().includes(directory)) return []
        return [readFileSync(`/proc/${pid}/comm`, 'utf8').trim()]
      } catch {
        // It has ended.
        return []
      }
    })
}

t.test('packages and suites that do not exist are told as that', async (t) => {
  await using own = await ownImages()
  await t.rejects(own.images.resolve('mmdebstrap:bookworm?packages=hostname,no-such-package'), {
    code: 'PACKAGE_NOT_FOUND',
    message: /Unable to locate package no-such-package/,
  })
  await t.rejects(own.images.resolve('mmdebstrap:nosuchsuite?packages=hostname'), {
    code: 'PACKAGE_NOT_FOUND',
    message: /nosuchsuite Release/,
  })
  await own.tidied()
  t.same(own.store.images.list(), [])
})

t.test('a cancelled build leaves no process, no file and no mount', async (t) => {
  await using own = await ownImages()
  const gone = new AbortController()
  const building = own.images.resolve('mmdebstrap:bookworm?packages=hostname', { signal: gone.signal })
  building.catch(() => undefined)
  // In its middle: mmdebstrap has made its mounts, and apt is at work.
  while (!processesOf(own.store.directory).includes('apt-get')) await turn()
  gone.abort()
  await t.rejects(building, { code: 'CANCELLED' })
  await own.tidied()
  await own.images.close()
  t.same(processesOf(own.store.directory), [])
  t.notMatch(readFileSync('/proc/self/mountinfo', 'utf8'), own.store.directory)
})
