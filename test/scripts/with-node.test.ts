import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { ownImages } from '../images/own-images.ts'
import { removeTree } from '../remove-tree.ts'

t.setTimeout(2_000_000)

const root = join(import.meta.dirname, '../..')
const ownPackage = `node-linux-${process.arch}`

/** A checkout in small: with-node, a script that sources it, and what `npm ci` would leave. */
function checkout() {
  const path = mkdtempSync(join(tmpdir(), 'moorage-with-node-'))
  const tools = join(path, 'machine')
  for (const name of ['scripts', 'tools/node', 'machine', '.tap/plugins', 'node_modules/.bin']) {
    mkdirSync(join(path, name), { recursive: true })
  }
  copyFileSync(join(root, 'scripts/with-node'), join(path, 'scripts/with-node'))
  const texts = ['package-lock.json', 'tools/node/package.json'].map((name) => {
    const text = `of ${name}\n`
    writeFileSync(join(path, name), text)
    return text
  })
  const program = (name: string, text: string) => {
    writeFileSync(join(path, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 })
  }
  program('scripts/show', 'set -eu\n. "$(dirname "$0")/with-node"\nnode --version')
  for (const name of ['cat', 'dirname', 'flock', 'ln', 'mkdir', 'sha256sum', 'uname']) {
    symlinkSync(
      realpathSync(spawnSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).stdout.trim()),
      join(tools, name),
    )
  }
  return {
    path,
    program,
    /** The Node of the machine, as far as the scripts ask it. */
    machineNode: (version: string) => program('machine/node', `[ "$*" = --version ] && echo ${version}`),
    installed() {
      const hash = createHash('sha256').update(texts.join('')).digest('hex')
      writeFileSync(join(path, 'node_modules/.moorage-lock'), `${hash}  -\n`)
    },
    /** Our own Node as npm 9 leaves it: without its link. */
    ownNode() {
      mkdirSync(join(path, 'node_modules', ownPackage, 'bin'), { recursive: true })
      symlinkSync(process.execPath, join(path, 'node_modules', ownPackage, 'bin/node'))
    },
    show() {
      const { status, stdout, stderr } = spawnSync('/bin/sh', [join(path, 'scripts/show')], {
        encoding: 'utf8',
        env: { PATH: tools },
      })
      return { status, stdout, stderr }
    },
    [Symbol.dispose]: () => removeTree(path),
  }
}

t.test('our own Node is found where npm did not link it (E39)', async (t) => {
  using own = checkout()
  own.installed()
  own.ownNode()
  own.machineNode('v20.19.2')
  t.same(own.show(), { status: 0, stdout: `${process.version}\n`, stderr: '' })
})

t.test('it is found below tools/node, where npm does not hoist', async (t) => {
  using own = checkout()
  own.installed()
  mkdirSync(join(own.path, 'tools/node/node_modules', ownPackage, 'bin'), { recursive: true })
  symlinkSync(process.execPath, join(own.path, 'tools/node/node_modules', ownPackage, 'bin/node'))
  own.machineNode('v18.20.4')
  t.same(own.show(), { status: 0, stdout: `${process.version}\n`, stderr: '' })
})

for (const version of ['v20.19.2', 'v23.11.1', 'v9.0.0', 'v0.10.48', undefined]) {
  t.test(
    `a machine with ${version ?? 'no Node'} and none of our own is told in one line (E39)`,
    async (t) => {
      using own = checkout()
      own.installed()
      if (version !== undefined) own.machineNode(version)
      const { status, stdout, stderr } = own.show()
      t.equal(status, 1)
      t.equal(stdout, '')
      t.match(
        stderr,
        new RegExp(`^\\S+show: needs Node 24 or newer; this machine has ${version ?? 'none'}, .*\\n$`),
      )
    },
  )
}

for (const version of ['v24.0.0', 'v26.1.0', 'v100.0.0']) {
  t.test(`${version} of the machine does where there is none of our own`, async (t) => {
    using own = checkout()
    own.installed()
    own.machineNode(version)
    t.same(own.show(), { status: 0, stdout: `${version}\n`, stderr: '' })
  })
}

t.test('after npm ci, our own Node runs what follows, and has its link (E39)', async (t) => {
  using own = checkout()
  own.machineNode('v20.19.2')
  own.ownNode()
  own.program('machine/npm', '[ "$1" = ci ]')
  own.program('node_modules/.bin/tap', 'node --version >tapped')
  t.match(own.show(), { status: 0, stdout: `${process.version}\n` })
  const linked = spawnSync(join(own.path, 'node_modules/.bin/node'), ['--version'], { encoding: 'utf8' })
  t.equal(linked.stdout, `${process.version}\n`)
  t.equal(spawnSync('cat', [join(own.path, 'tapped')], { encoding: 'utf8' }).stdout, `${process.version}\n`)
  t.ok(existsSync(join(own.path, 'node_modules/.moorage-lock')), 'the next time nothing is installed')
})

t.test('an npm that fails, or none, is told, and nothing runs', async (t) => {
  using own = checkout()
  own.machineNode('v20.19.2')
  t.match(own.show(), { status: 1, stdout: '', stderr: /^\S+show: needs npm \(Debian: .*\n$/ })
  own.program('machine/npm', 'echo no registry >&2; exit 1')
  t.match(own.show(), { status: 1, stdout: '', stderr: /no registry\n\S+show: could not install from .*\n$/ })
  t.notOk(existsSync(join(own.path, 'node_modules/.moorage-lock')))
})

/**
 * The real thing: a root filesystem with the distribution's own nodejs and npm, and a checkout that was never installed. npm
 * talks to the registry, by this machine's settings.
 */
for (const suite of process.env.MOORAGE_LONG === '1' ? ['trixie', 'bookworm'] : []) {
  t.test(`${suite}’s own nodejs and npm lead to the command line (E39)`, { timeout: 900_000 }, async (t) => {
    await using own = await ownImages()
    const { rootfs } = await own.images.resolve(`mmdebstrap:${suite}?packages=ca-certificates,nodejs,npm`)
    const copy = mkdtempSync(join(tmpdir(), 'moorage-copy-'))
    t.teardown(() => removeTree(copy))
    const pack = 'git -C "$0" ls-files -z | tar -C "$0" --null -T - -cf - | tar -C "$1" -xf -'
    t.equal(spawnSync('sh', ['-c', pack, root, copy]).status, 0, 'a clean copy of this checkout')
    const registry = spawnSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8' }).stdout.trim()
    const { status, stdout, stderr } = spawnSync(
      'unshare',
      ['--mount', '--pid', '--fork', '--kill-child', 'sh', '-c', insideOf, rootfs, copy, registry],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] },
    )
    t.match(stdout, /^moorage \d+\.\d+\.\d+$/m, stderr)
    t.notMatch(stderr, /^\s+at /m, 'no stack trace')
    t.equal(status, 0)
  })
}

const insideOf = `set -e
cd "$0"
mount -t proc proc proc
mount --rbind /dev dev
mkdir -p srv/moorage
mount --bind "$1" srv/moorage
touch etc/resolv.conf
mount --bind /etc/resolv.conf etc/resolv.conf
mount --bind /etc/ssl/certs etc/ssl/certs
exec chroot . env -i PATH=/usr/bin:/bin:/usr/sbin:/sbin HOME=/root "npm_config_registry=$2" \
  npm_config_cafile=/etc/ssl/certs/ca-certificates.crt /srv/moorage/scripts/moorage version
`
