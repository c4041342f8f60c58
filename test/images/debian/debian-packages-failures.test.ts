import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { removeTree } from '../../remove-tree.ts'
import { ownImages } from '../own-images.ts'

t.setTimeout(300_000)

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
  for (const form of ['', '&unpacked']) {
    await t.rejects(own.images.resolve(`mmdebstrap:bookworm?packages=hostname,no-such-package${form}`), {
      code: 'PACKAGE_NOT_FOUND',
      message: /Unable to locate package no-such-package/,
    })
  }
  await t.rejects(own.images.resolve('mmdebstrap:nosuchsuite?packages=hostname'), {
    code: 'PACKAGE_NOT_FOUND',
    message: /nosuchsuite Release/,
  })
  await own.tidied()
  t.same(own.store.images.list(), [])
})

for (const [form, program] of [
  ['&unpacked', 'apt-get'],
  ['', 'dpkg'],
]) {
  t.test(`a build that is cancelled while ${program} works leaves no process, file or mount`, async (t) => {
    await using own = await ownImages()
    const gone = new AbortController()
    const ref = `mmdebstrap:bookworm?packages=hostname${form}`
    const building = own.images.resolve(ref, { signal: gone.signal })
    building.catch(() => undefined)
    // In its middle: it has made its mounts.
    while (!processesOf(own.store.directory).includes(program ?? '')) await turn()
    gone.abort()
    await t.rejects(building, { code: 'CANCELLED' })
    await own.tidied()
    await own.images.close()
    t.same(processesOf(own.store.directory), [])
    t.notMatch(readFileSync('/proc/self/mountinfo', 'utf8'), own.store.directory)
  })
}

/** Puts a program of the test's own before the host's mmdebstrap. */
function pretend(t: Test, script: string): void {
  const directory = mkdtempSync(join(tmpdir(), 'moorage-pretend-'))
  writeFileSync(join(directory, 'mmdebstrap'), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  const path = process.env.PATH
  process.env.PATH = `${directory}:${path}`
  t.teardown(() => {
    process.env.PATH = path
    removeTree(directory)
  })
}

t.test('a maintainer script that fails is told with its package and its words', async (t) => {
  await using own = await ownImages()
  pretend(
    t,
    `cat >&2 <<'END'
Setting up broken (1.0) ...
broken: Connection refused by nobody
dpkg: error processing package broken (--configure):
 installed broken package post-installation script subprocess returned error exit status 3
Errors were encountered while processing:
 broken
E: Sub-process env returned an error code (1)
END
exit 25`,
  )
  await t.rejects(own.images.resolve('mmdebstrap:bookworm?packages=broken'), {
    code: 'IMAGE_FAILED',
    message:
      /the package broken could not be configured: installed broken .* exit status 3; before that: Setting up broken \(1\.0\) \.\.\.; broken: Connection refused by nobody .*unpacked/,
  })
  await own.tidied()
})

t.test('packages that exclude each other are told by their names', async (t) => {
  await using own = await ownImages()
  pretend(
    t,
    `cat >&2 <<'END'
I: downloading packages with apt...
Some packages could not be installed. This may mean that you have
The following packages have unmet dependencies:
 chrony : Conflicts: time-daemon
 ntpsec : Conflicts: time-daemon
E: Error, pkgProblemResolver::Resolve generated breaks.
E: Unable to correct problems, you have held broken packages.
END
exit 25`,
  )
  await t.rejects(own.images.resolve('mmdebstrap:bookworm?packages=chrony,ntpsec'), {
    code: 'PACKAGE_NOT_FOUND',
    details: {
      reason:
        'The following packages have unmet dependencies: chrony : Conflicts: time-daemon ntpsec : Conflicts: time-daemon',
    },
  })
})
