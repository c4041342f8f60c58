import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { removeTree } from '../remove-tree.ts'

const program = join(import.meta.dirname, 'export-program.ts')

/** Runs the program as the user nobody. */
function exported(...args: string[]): string {
  const nobody = ['--reuid=65534', '--regid=65534', '--clear-groups', '--', process.execPath, program]
  return execFileSync('setpriv', [...nobody, ...args], { encoding: 'utf8', cwd: '/', timeout: 60_000 }).trim()
}

t.test('who is not root can export what nobody may write to', async (t) => {
  const here = mkdtempSync(join(tmpdir(), 'moorage-export-'))
  t.teardown(() => removeTree(here))
  const source = join(here, 'source')
  mkdirSync(join(source, 'closed/in'), { recursive: true })
  writeFileSync(join(source, 'closed/in/f'), 'f')
  writeFileSync(join(source, 'closed/g'), 'g', { mode: 0o400 })
  chmodSync(join(source, 'closed/in'), 0o500)
  chmodSync(join(source, 'closed'), 0o500)
  const tar = join(here, 'tar')
  execFileSync('tar', ['--create', `--file=${tar}`, `--directory=${source}`, './closed'])
  chmodSync(here, 0o755)
  const place = join(here, 'place')
  mkdirSync(place)
  execFileSync('chown', ['65534', place])
  const target = join(place, 'target')

  t.match(exported(tar, target, 'fail'), 'broke off')
  t.same(readdirSync(place), [], 'nothing is left of what broke off')
  for (const when of ['anew', 'where it is']) {
    if (when === 'where it is') rmSync(join(target, 'closed'), { recursive: true })
    t.equal(exported(tar, target), '', when)
    t.same(readdirSync(place), ['target'])
    const closed = statSync(join(target, 'closed'))
    t.same([closed.uid, closed.mode & 0o777], [65534, 0o500], 'it is the caller’s, and as closed as it was')
    t.same(readdirSync(join(target, 'closed')).sort(), ['g', 'in'])
  }
  t.match(exported(tar, '/nobody-may-write-here'), 'MoorageError')
  t.match(
    exported(tar, '/proc/nothing/x'),
    '/proc/nothing/x cannot be written: something on the way to it is not there, and cannot be made',
    'where no directory can be made',
  )
})
