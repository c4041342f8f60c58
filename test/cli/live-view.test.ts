import { spawn } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'
import { columns, fit, pad } from '../../src/cli/progress/columns.ts'
import { type Canvas, drawSteps } from '../../src/cli/progress/draw-steps.ts'
import { Screen, type ScreenStream } from '../../src/cli/progress/screen.ts'
import { Steps } from '../../src/cli/progress/steps.ts'
import type { ProgressEvent, StreamEvent } from '../../src/definition/index.ts'
import { cliPath } from '../e2e/own-daemon.ts'
import { failure, fakeDaemon, logEvent } from './fake-daemon.ts'

type Said = {
  [Kind in ProgressEvent['kind']]: Omit<Extract<ProgressEvent, { kind: Kind }>, 'type' | 'seq' | 'time'>
}[ProgressEvent['kind']]

const run = { kind: 'exec', id: 'run', name: 'redis-cli ping', network: 'default' } as const
const db = { kind: 'service', id: 'db', name: 'redis', network: 'default' } as const

function told(...events: [time: number, event: Said][]): Steps {
  const steps = new Steps()
  events.forEach(([time, event], index) => {
    steps.apply({ type: 'progress', seq: index + 1, time, ...event } as ProgressEvent)
  })
  return steps
}

function drawn(steps: Steps, canvas: Partial<Canvas> = {}): string[] {
  return drawSteps(steps.all, {
    width: 60,
    height: 20,
    now: 2_000,
    style: (_, text) => text,
    unicode: true,
    ...canvas,
  })
}

const wait: Said = {
  kind: 'wait',
  id: 'db',
  name: 'db',
  state: 'waiting',
  holder: 'run run',
  alias: 'db',
  detail: 'its start',
}

t.test('a run with its service, from the start to the end', async (t) => {
  const steps = told([0, { ...run, state: 'waiting' }], [0, wait], [100, { ...db, state: 'starting' }])
  t.strictSame(drawn(steps), [
    '◌ redis-cli ping  waiting for db                      2.0 s',
    '  ⠋ db            starting                            2.0 s',
  ])
  for (const event of [
    { kind: 'check', id: 'db', name: 'db', check: '6379/tcp', state: 'waiting', count: 1, answer: 'refused' },
  ] as Said[])
    steps.apply({ type: 'progress', seq: 9, time: 200, ...event } as ProgressEvent)
  t.match(drawn(steps)[1], '6379/tcp refused')
  const later: [number, Said][] = [
    [1_000, { ...db, state: 'ready', address: '10.0.0.2' }],
    [1_000, { kind: 'lease', id: 'db', name: 'db', state: 'taken', holder: 'run run', alias: 'db' }],
    [1_100, { ...run, state: 'running' }],
  ]
  for (const [time, event] of later)
    steps.apply({ type: 'progress', seq: 1, time, ...event } as ProgressEvent)
  t.match(drawn(steps), [/^⠋ redis-cli ping +2\.0 s$/, /^ {2}✔ db +ready, 10\.0\.0\.2 +1\.0 s$/])
  steps.apply({
    type: 'progress',
    seq: 1,
    time: 1_500,
    ...run,
    state: 'failed',
    detail: 'exited with code 3',
  })
  t.match(drawn(steps)[0], /^✘ redis-cli ping {2}exited with code 3 +1\.5 s$/)
  t.match(drawn(steps, { unicode: false })[0], /^x redis-cli/)
})

t.test('a download has a bar, as wide as there is room', async (t) => {
  const steps = told([
    0,
    {
      kind: 'image',
      id: 'img',
      name: 'docker.io/library/redis:7',
      state: 'running',
      bytes: { done: 10 * 2 ** 20, total: 40 * 2 ** 20 },
    },
  ])
  t.match(drawn(steps, { width: 80 })[0], /\[█{4,5}░{12,15}\] 10\.0\/40\.0 MiB/)
  t.match(drawn(steps, { width: 80, unicode: false })[0], /\[#{4,5}-{12,15}\] 10\.0\/40\.0 MiB/)
  t.match(drawn(steps, { width: 50 })[0], '10.0/40.0 MiB')
  t.notMatch(drawn(steps, { width: 50 })[0], '[')
})

t.test('no line is wider than the terminal, however narrow, whatever the names are', async (t) => {
  const names = [
    'x'.repeat(300),
    '漢字のとても長い名前'.repeat(9),
    'é'.repeat(99),
    '\x1b[2Jevil\n\r',
    '🚀🚀🚀',
    '',
  ]
  const steps = told(
    ...names.map((name, index): [number, Said] => [
      0,
      { ...run, id: `${index}`, name, state: 'failed', detail: `what ${name} said\n` },
    ]),
  )
  for (let width = 1; width <= 140; width += 1) {
    for (const line of drawn(steps, { width })) {
      t.ok(columns(line) < Math.max(2, width), `${width}: ${line}`)
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
      t.notMatch(line, /[\u0000-\u001f]/)
    }
  }
})

t.test('more rows than the screen has: what failed and what goes on stay, the rest is counted', async (t) => {
  const states = ['ready', 'starting', 'ready', 'failed', 'ready'] as const
  const steps = told(
    ...Array.from({ length: 500 }, (_, n): [number, Said] => [
      0,
      { ...db, id: `${n}`, name: `service-${n}`, state: n < 5 ? (states[n] ?? 'ready') : 'ready' },
    ]),
  )
  const lines = drawn(steps, { height: 6 })
  t.equal(lines.length, 6)
  t.match(lines.slice(0, 5).join('\n'), /service-1[\s\S]*service-3/)
  t.match(lines.at(-1), '  and 495 more: 495 done')
  t.equal(drawn(steps, { height: 1 }).length, 1)
  t.equal(drawn(steps, { height: 1_000 }).length, 500)
})

t.test('services that refer to each other in a circle are drawn once each', async (t) => {
  const of = (id: string, holder: string): Said => ({
    kind: 'wait',
    id,
    name: id,
    state: 'waiting',
    holder: `service ${holder}`,
    detail: 'x',
  })
  const steps = told([0, of('a', 'b')], [0, of('b', 'a')], [0, of('a', 'b')])
  t.equal(drawn(steps).length, 2)
})

t.test('columns: what is wide, what takes none, and cutting', async (t) => {
  t.same(['abc', '漢字', 'e\u0301', '🚀', ''].map(columns), [3, 4, 1, 2, 0])
  t.same([fit('abcdef', 4), fit('漢字漢字', 6), fit('abc', 3), fit('abc', 0)], ['abc…', '漢字…', 'abc', ''])
  t.same([pad('漢字漢字', 6), pad('ab', 4)].map(columns), [6, 4])
})

/** Emulates the part of a terminal that the screen uses: rows, the cursor's row, and the text in each. */
class FakeTerminal implements ScreenStream {
  columns = 20
  rows = 10
  #lines: string[] = ['']
  #row = 0
  cursorShown = true
  #listeners = new Set<() => void>()

  get text(): string[] {
    return this.#lines.filter((line, index) => line !== '' || index < this.#lines.length - 1)
  }

  resize(columns: number): void {
    // Longer lines are broken anew, as most terminals do.
    const before = this.#lines
    this.columns = columns
    this.#lines = before.flatMap((line) =>
      line.length <= columns ? [line] : (line.match(new RegExp(`.{1,${columns}}`, 'g')) ?? ['']),
    )
    this.#row = this.#lines.length - 1
    for (const listener of this.#listeners) listener()
  }

  write(text: string | Uint8Array): boolean {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the terminal's own language
    for (const [token] of String(text).matchAll(/\x1b\[\??\d*[A-Za-z]|\n|\r|[^\x1b\n\r]+/g)) {
      if (token === '\n') {
        this.#row += 1
        this.#lines[this.#row] ??= ''
      } else if (token.endsWith('A') && token.startsWith('\x1b'))
        this.#row -= Number.parseInt(token.slice(2), 10)
      else if (token === '\x1b[J') {
        this.#lines.length = this.#row
        this.#lines.push('')
      } else if (token === '\x1b[?25l') this.cursorShown = false
      else if (token === '\x1b[?25h') this.cursorShown = true
      else if (token !== '\r' && !token.startsWith('\x1b')) this.#lines[this.#row] += token
    }
    return true
  }

  on(_: 'resize', listener: () => void): void {
    this.#listeners.add(listener)
  }

  off(_: 'resize', listener: () => void): void {
    this.#listeners.delete(listener)
  }
}

t.test('the screen draws in place, below what is written, and gives the cursor back', async (t) => {
  const terminal = new FakeTerminal()
  let resized = 0
  const screen = new Screen(terminal, () => {
    resized += 1
  })
  const draw = (...lines: string[]) => screen.draw(lines, lines)
  terminal.write('$ moorage run\n')
  draw('one', 'two')
  t.same(terminal.text, ['$ moorage run', 'one', 'two'])
  t.equal(terminal.cursorShown, false)
  draw('one', 'two', 'three')
  screen.erase()
  terminal.write('a log line\n')
  draw('one')
  t.same(terminal.text, ['$ moorage run', 'a log line', 'one'])
  draw('fifteen columns', 'x')
  terminal.resize(8)
  t.equal(resized, 1)
  draw('new')
  t.same(terminal.text.slice(-2), ['ne', 'new'], 'what the narrower terminal broke is taken away as a whole')
  screen.erase()
  screen.close()
  t.equal(terminal.cursorShown, true)
  terminal.resize(30)
  t.equal(resized, 1)
})

/** Runs the command on a terminal of its own, with script(1); returns all of its output. */
async function onTerminal(
  args: string[],
  env: NodeJS.ProcessEnv,
  {
    columns: width = 100,
    rows = 30,
    typeAt,
  }: { columns?: number; rows?: number; typeAt?: [seen: string, keys: string] } = {},
) {
  // Node shows no colours where CI is set.
  const { NO_COLOR, FORCE_COLOR, CI, ...rest } = process.env
  const command = [process.execPath, cliPath, ...args].map((word) => `'${word}'`).join(' ')
  const child = spawn(
    'script',
    ['--quiet', '--return', '--command', `stty cols ${width} rows ${rows}; exec ${command}`, '/dev/null'],
    { env: { ...rest, LC_ALL: 'C.UTF-8', TERM: 'xterm-256color', SHELL: '/bin/sh', ...env }, stdio: 'pipe' },
  )
  let text = ''
  let typed = false
  child.stdout.on('data', (piece) => {
    text += piece
    if (typeAt && !typed && text.includes(typeAt[0])) {
      typed = true
      child.stdin.write(typeAt[1])
    }
  })
  const [code] = await once(child, 'exit')
  child.stdin.destroy()
  return { text, code }
}

const progress = (event: Said): StreamEvent =>
  ({ type: 'progress', seq: 1, time: Date.now(), ...event }) as StreamEvent
const begun = [progress({ ...run, state: 'waiting' }), progress(wait), progress({ ...db, state: 'starting' })]
const [hide, show] = ['\x1b[?25l', '\x1b[?25h']

t.test('on a terminal there is a live tree; Ctrl-C gives the cursor back', async (t) => {
  await using daemon = await fakeDaemon({
    'POST evaluate': { events: [...begun, logEvent('a line\nno end')], open: true },
  })
  const env = { MOORAGE_HOST: daemon.host }
  const { text, code } = await onTerminal(['run', 'img'], env, { typeAt: ['waiting for db', '\x03'] })
  t.equal(code, 130)
  t.match(text, 'a line\r\n')
  t.match(text, 'no end', 'shown before its end')
  t.match(text, '\x1b[36m', 'in colours')
  t.ok(text.includes(hide))
  t.ok(text.lastIndexOf(show) > text.lastIndexOf(hide), 'the cursor is back')
  await daemon.left
})

t.test('what is over soon shows no tree, and its output is whole', async (t) => {
  await using daemon = await fakeDaemon({
    'POST evaluate': {
      events: [...begun, logEvent('out\nrest'), { type: 'result', value: 3, exitCode: 3 }],
    },
  })
  const { text, code } = await onTerminal(['run', 'img'], { MOORAGE_HOST: daemon.host })
  t.equal(code, 3)
  t.equal(text, 'out\r\nrest')
})

t.test('of a failure the tree stays', async (t) => {
  await using daemon = await fakeDaemon({
    'POST evaluate': {
      events: [
        ...begun,
        progress({ ...db, state: 'failed', error: 'it is broken' }),
        { type: 'error', error: failure('SERVICE_NOT_FOUND', { id: 'x' }).error.toJSON() },
      ],
    },
  })
  const { text, code } = await onTerminal(['run', 'img'], { MOORAGE_HOST: daemon.host, NO_COLOR: '1' })
  t.equal(code, 125)
  t.match(text, / {2}✘ db +it is broken/)
  t.notMatch(text, '\x1b[3', 'NO_COLOR')
  t.ok(text.lastIndexOf(show) > text.lastIndexOf(hide))
})

t.test(
  'elsewhere there are plain lines: with --quiet none, with --verbose all, on a dumb terminal too',
  async (t) => {
    await using daemon = await fakeDaemon({
      'POST evaluate': {
        events: [...begun, progress({ ...db, state: 'ready' }), { type: 'result', value: 0, exitCode: 0 }],
      },
    })
    const env = { MOORAGE_HOST: daemon.host, NO_COLOR: '1' }
    t.equal((await onTerminal(['run', '--quiet', 'img'], env)).text, '')
    t.match(
      (await onTerminal(['run', '--verbose', 'img'], env)).text,
      'moorage: exec redis-cli ping: waiting',
    )
    const dumb = await onTerminal(['run', 'img'], { ...env, TERM: 'dumb' })
    t.match(dumb.text, /^moorage: service redis: ready after [\d.]+ m?s\r\n$/)
    const json = await onTerminal(['run', '--json', 'img'], env)
    t.equal(json.text.trim().split('\n').length, 5)
    for (const line of json.text.trim().split('\n'))
      t.match(JSON.parse(line), { apiVersion: 'v1', type: String })
  },
)
