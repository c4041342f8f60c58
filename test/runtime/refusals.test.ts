import { chmodSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createOciRuntime } from '../../src/runtime/oci/index.ts'
import type { ContainerSpec } from '../../src/runtime/runtime.ts'
import { ownRuntime, workplace } from './own-runtime.ts'

const place = await ownRuntime()
t.teardown(() => place[Symbol.asyncDispose]())
const bin = (name: string) => join(place.rootfs, 'bin', name)

writeFileSync(bin('plain'), 'text')
writeFileSync(bin('orphan'), '#!/bin/nonesuch -x\n', { mode: 0o755 })
writeFileSync(bin('secret'), '#!/bin/sh\n', { mode: 0o755 })
chmodSync(bin('secret'), 0o700)
symlinkSync('nowhere', bin('dangling'))
symlinkSync('/usr/bin/env', bin('out-absolute'))
symlinkSync('../../../../../../../../usr/bin/env', bin('out-relative'))

t.test('what cannot be executed is told before anything runs', async (t) => {
  const cases: [args: string[], changes: Partial<ContainerSpec>, code: string, words: RegExp][] = [
    [['nonesuch'], {}, 'COMMAND_NOT_FOUND', /"nonesuch" does not exist in test-image/],
    [['/bin/nonesuch'], {}, 'COMMAND_NOT_FOUND', /"\/bin\/nonesuch"/],
    [['sh'], { env: ['PATH=/home'] }, 'COMMAND_NOT_FOUND', /"sh"/],
    [[], {}, 'COMMAND_NOT_FOUND', /""/],
    [['dangling'], {}, 'COMMAND_NOT_FOUND', /"dangling"/],
    [['out-absolute'], {}, 'COMMAND_NOT_FOUND', /"out-absolute"/],
    [['out-relative'], {}, 'COMMAND_NOT_FOUND', /"out-relative"/],
    [['/bin/../../../../../../usr/bin/env'], {}, 'COMMAND_NOT_FOUND', /usr\/bin\/env/],
    [['plain'], {}, 'COMMAND_NOT_EXECUTABLE', /"plain" in test-image .*execute permission/],
    [['/etc'], {}, 'COMMAND_NOT_EXECUTABLE', /directory/],
    [['./passwd'], { workdir: '/etc' }, 'COMMAND_NOT_EXECUTABLE', /execute permission/],
    [['orphan'], {}, 'COMMAND_NOT_EXECUTABLE', /interpreter \/bin\/nonesuch does not exist/],
    [['secret'], { user: 'worker' }, 'COMMAND_NOT_EXECUTABLE', /execute permission/],
    [['true'], { user: 'nobody' }, 'USER_NOT_FOUND', /"nobody" does not exist in test-image/],
    [['true'], { user: 'root:nobody' }, 'USER_NOT_FOUND', /"root:nobody"/],
    [['true'], { user: '-1' }, 'USER_NOT_FOUND', /"-1"/],
    [['true'], { user: '99999999999' }, 'USER_NOT_FOUND', /99999999999/],
  ]
  for (const [args, changes, code, words] of cases) {
    const spec = place.spec(args, changes)
    await t.rejects(
      place.runtime.start(spec),
      { code, message: words },
      `${args.join(' ')} ${JSON.stringify(changes)}`,
    )
    t.same(readdirSync(spec.upper), [], 'and nothing was written')
  }
})

t.test('a dynamic program without its loader says which one', async (t) => {
  const lower = join(place.base, 'loaderless')
  mkdirSync(lower)
  const { cpSync } = await import('node:fs')
  cpSync('/usr/bin/env', join(lower, 'env'))
  await t.rejects(place.start(['/env'], { lowers: [lower] }), {
    code: 'COMMAND_NOT_EXECUTABLE',
    message: /interpreter \/lib.*ld-linux.* does not exist/,
  })
})

t.test('an image’s links do not lead to the host’s users', async (t) => {
  const lower = join(place.base, 'linked')
  mkdirSync(join(lower, 'etc'), { recursive: true })
  symlinkSync('/../../../../etc/passwd', join(lower, 'etc/passwd'))
  await t.rejects(place.start(['true'], { lowers: [lower, place.rootfs], user: 'daemon' }), {
    code: 'USER_NOT_FOUND',
  })
})

t.test('what the OCI runtime refuses is told in its words', async (t) => {
  await t.rejects(place.start(['true'], { namespace: '/proc/1/ns/nonesuch' }), {
    code: 'RUNTIME_FAILED',
    message: /nonesuch/,
  })
  await t.rejects(place.start(['true'], { lowers: ['/nonesuch'] }), {
    code: 'RUNTIME_FAILED',
    message: /nonesuch/,
  })
  await t.rejects(
    place.start(['true'], {
      mounts: [{ type: 'bind', source: '/nonesuch', destination: '/x', readonly: true }],
    }),
    {
      code: 'RUNTIME_FAILED',
      message: /nonesuch/,
    },
  )
  await t.rejects(place.start(['true'], { id: '../../escape' }), { code: 'RUNTIME_FAILED' })
})

t.test('an OCI runtime that is not there is told at once', async (t) => {
  await using other = await workplace()
  const { instance, runDirectory } = other
  await t.rejects(createOciRuntime({ instance, runDirectory, ociRuntime: 'nonesuch' }), {
    code: 'RUNTIME_MISSING',
    message: /nonesuch/,
  })
  t.same(other.left(), [], 'and nothing is left of it, its launcher included')
})

t.test('after all of these the runtime works and nothing is left of them', async (t) => {
  t.match(await place.run(['echo', 'fine']), { code: 0, stdout: 'fine\n' })
  t.same(place.problems, [])
  await place.runtime.close()
  t.same(place.left(), [])
})
