import t from 'tap'
import { type Lock, mend } from '../../scripts/mend-lock.ts'

function lockWith(optionalDependencies: Record<string, string>): Lock {
  return {
    packages: {
      'node_modules/tool': { version: '1.0.0', dev: true, optionalDependencies },
      'node_modules/tool-linux-x64': { version: '1.0.0' },
    },
  }
}

t.test('an optional package that is named but absent is added, with its platform', async (t) => {
  const lock = lockWith({
    'tool-linux-x64': '1.0.0',
    'tool-linux-arm64-musl': '1.0.0',
    '@tool/win32-x64': '1.0.0',
  })
  t.same(mend(lock), ['tool-linux-arm64-musl', '@tool/win32-x64'])
  t.same(lock.packages['node_modules/tool-linux-arm64-musl'], {
    version: '1.0.0',
    os: ['linux'],
    cpu: ['arm64'],
    libc: ['musl'],
    dev: true,
    optional: true,
  })
  t.same(mend(lock), [], 'a second time there is nothing to do')
})

t.test('a nested package counts as held', async (t) => {
  const lock = lockWith({ 'tool-darwin-x64': '1.0.0' })
  lock.packages['node_modules/tool/node_modules/tool-darwin-x64'] = { version: '1.0.0' }
  t.same(mend(lock), [])
})

t.test('what it cannot know it refuses to invent', async (t) => {
  t.throws(() => mend(lockWith({ 'tool-extras': '1.0.0' })), /tells no platform/)
  t.throws(() => mend(lockWith({ 'tool-darwin-x64': '^1.0.0' })), /no exact version/)
})
