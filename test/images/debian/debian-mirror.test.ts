import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import t from 'tap'
import { hostSources } from '../../../src/images/debian/debian-mirror.ts'
import { removeTree } from '../../remove-tree.ts'

function apt(t: { teardown(fn: () => void): void }, files: Record<string, string>): string {
  const directory = mkdtempSync(join(tmpdir(), 'moorage-apt-'))
  t.teardown(() => removeTree(directory))
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true })
    writeFileSync(join(directory, name), text)
  }
  return directory
}

t.test('one-line sources: those of Debian and of this suite', async (t) => {
  const directory = apt(t, {
    'sources.list': [
      '# deb http://commented.example/debian bookworm main',
      'deb [signed-by=/x arch=amd64] http://mirror.example/debian/ bookworm main contrib # near',
      'deb-src http://mirror.example/debian bookworm main',
      'deb http://mirror.example/debian bookworm-updates main',
      'deb https://security.example/debian-security bookworm-security main',
      'deb http://mirror.example/debian trixie main',
      'deb cdrom:[Debian]/debian bookworm main',
    ].join('\n'),
    'sources.list.d/docker.list': 'deb https://download.docker.com/linux/debian bookworm stable',
    'sources.list.d/other.list': 'deb https://other.example/apt bookworm main',
    'sources.list.d/old.list.save': 'deb http://old.example/debian bookworm main',
  })
  t.same(hostSources('bookworm', directory), [
    'deb http://mirror.example/debian/ bookworm main',
    'deb http://mirror.example/debian bookworm-updates main',
    'deb https://security.example/debian-security bookworm-security main',
  ])
  t.same(hostSources('trixie', directory), ['deb http://mirror.example/debian trixie main'])
  t.same(hostSources('sid', directory), [], 'of what the host has not, nothing')
})

t.test('deb822 sources, with comments, several values and what is switched off', async (t) => {
  const directory = apt(t, {
    'sources.list.d/debian.sources': [
      'Types: deb deb-src',
      '# http://snapshot.example/archive/debian/20250520T000000Z',
      'URIs: http://mirror.example/debian',
      'Suites: bookworm',
      ' bookworm-updates',
      'Components: main contrib',
      'Signed-By: /x',
      '',
      'Types: deb',
      'URIs: http://off.example/debian',
      'Suites: bookworm',
      'Components: main',
      'Enabled: no',
      '',
      'types: deb',
      'uris: http://mirror.example/debian-security',
      'suites: bookworm-security',
      'components: main',
    ].join('\n'),
  })
  t.same(hostSources('bookworm', directory), [
    'deb http://mirror.example/debian bookworm main',
    'deb http://mirror.example/debian bookworm-updates main',
    'deb http://mirror.example/debian-security bookworm-security main',
  ])
})

t.test('updates alone are no suite, and a host without apt has none', async (t) => {
  const directory = apt(t, { 'sources.list': 'deb http://mirror.example/debian bookworm-updates main' })
  t.same(hostSources('bookworm', directory), [])
  t.same(hostSources('bookworm', join(directory, 'nowhere')), [])
})
