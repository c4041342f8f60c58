import { spawnSync } from 'node:child_process'
import t from 'tap'
import { cliPath } from '../e2e/own-daemon.ts'

/** Runs the CLI by a shell, which can pass on any bytes; no daemon is there, and none is needed to refuse. */
function shell(line: string) {
  const { status, stderr } = spawnSync('bash', ['-c', line], {
    env: { ...process.env, M: `${process.execPath} ${cliPath}`, MOORAGE_HOST: 'unix:///nonexistent/socket' },
    encoding: 'utf8',
  })
  return { status, stderr }
}

t.test('bytes that are not UTF-8 are refused by the name of the option or the variable (C03)', async (t) => {
  const cases: [line: string, name: RegExp][] = [
    ["$M run -q -e X=$'\\xff' img sh -c true", /-e X: it is not UTF-8/],
    ["$M run -q --env=X=$'a\\xffb' img true", /--env: it is not UTF-8/],
    ["X=$'\\xff' $M run -q -e X img true", /-e X: it is not UTF-8/],
    ["$M start --bind db=img --bind-env db:X=$'\\xc3' img", /--bind-env db:X: it is not UTF-8/],
    ["$M run img echo $'\\xff'", /argument .*: it is not UTF-8/],
    ["$M exec c1 cat $'caf\\xe9'", /argument "caf.*": it is not UTF-8/],
  ]
  for (const [line, name] of cases) {
    const { status, stderr } = shell(line)
    t.equal(status, 2, line)
    t.match(stderr, name, line)
  }
})

t.test('UTF-8 is passed on, the sign for what is none included', async (t) => {
  t.notMatch(shell("X=$'\\xef\\xbf\\xbd' $M exec c1 echo $'\\xef\\xbf\\xbd' grüße").stderr, /UTF-8/)
})
