/** A host of a test's own: a program in a network namespace of its own, in which "the host" is that namespace. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type t from 'tap'
import { Parser } from 'tap-parser'

type Test = Pick<typeof t, 'equal' | 'ok' | 'comment' | 'teardown'>

/**
 * Runs a program of this folder there, which holds tap tests of its own; fails with its words if any of them fails.
 *
 * @param into - a process in whose network namespace it is to be; a new one unless said
 */
export async function onOwnHost(
  t: Test,
  program: string,
  { args = [], into, env = {} }: { args?: readonly string[]; into?: number; env?: NodeJS.ProcessEnv } = {},
): Promise<void> {
  const enter = into === undefined ? ['unshare', '--net'] : ['nsenter', `--net=/proc/${into}/ns/net`]
  const file = join(import.meta.dirname, program)
  const [command, ...rest] = [
    ...enter,
    'sh',
    '-c',
    'ip link set lo up && exec "$@"',
    'sh',
    process.execPath,
    file,
  ]
  const child = spawn(command as string, [...rest, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // Its report is for this test alone.
    env: { ...process.env, TAP: '1', ...env },
  })
  const ended = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await ended
  })
  const [said, complained, [code]] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  const { ok, count } = await summaryOf(said)
  const leftOut = /# (?:SKIP|TODO)\b.*/i.exec(said)?.[0]
  const passed = code === 0 && ok && count > 0 && leftOut === undefined
  if (!passed) t.comment(`${said}\n${complained}`)
  t.equal(code, 0, `${program} ${args.join(' ')}: exit code`)
  // One that ends early, or skips what it should do, exits with 0 as well.
  t.ok(ok && count > 0, `${program}: ${count} tests passed`)
  t.equal(leftOut, undefined, `${program}: nothing is left out`)
}

/** Reads what a program of tests said: whether all of it passed, to its plan's end, and how many tests it had. */
function summaryOf(said: string): Promise<{ ok: boolean; count: number }> {
  return new Promise((resolve) => {
    new Parser(({ ok, count }) => resolve({ ok, count })).end(said)
  })
}
