/**
 * tap's reporter here: a line for each test file, failures in full, and a count that does not lie. A file that
 * crashes, is killed, exits otherwise than 0 or holds no test is a failure, whatever passed in it before; a test
 * that is skipped, or asserts nothing, is one too.
 *
 * Writes `{ passed, failed, files }` to the file named by MOORAGE_TEST_SUMMARY, for scripts/check.ts, which prints the last
 * line itself; without that variable the last line is printed here.
 */
import { writeFileSync } from 'node:fs'
import { Transform } from 'node:stream'
import { inspect } from 'node:util'
import { Parser } from 'tap-parser'

/** What a diagnostic holds besides what went wrong. */
const noise = new Set([
  'source',
  'compare',
  'cwd',
  'command',
  'args',
  'stdio',
  'jobId',
  'externalID',
  'tapCaught',
])

function indent(text) {
  return String(text).trimEnd().replaceAll(/^/gm, '      ')
}

/** One failure: where and what, readable without knowing TAP. */
function describe({ path, message, diag }) {
  const lines = [`  FAILED ${path.join(' > ')}`]
  if (message) lines.push(`    ${message}`)
  const { at, diff, stack, ...rest } = diag ?? {}
  if (at?.fileName) lines.push(`    at ${at.fileName}:${at.lineNumber}:${at.columnNumber}`)
  if (diff) lines.push(indent(diff))
  for (const [key, value] of Object.entries(rest)) {
    if (noise.has(key) || value === null) continue
    lines.push(
      indent(`${key}: ${typeof value === 'string' ? value : inspect(value, { depth: 6, breakLength: 100 })}`),
    )
  }
  if (stack) lines.push(indent(stack))
  return `${lines.join('\n')}\n`
}

/** Why a file as a whole failed, where none of its tests says it. */
function verdict({ skip, diag }) {
  if (skip) return 'holds no test'
  if (diag?.expired || diag?.signal === 'SIGALRM') return 'took longer than the timeout of .taprc'
  if (diag?.signal) return `was killed by ${diag.signal}`
  if (diag?.exitCode) return `exited with code ${diag.exitCode}`
  return 'failed as a whole'
}

/** Counts the leaves below one parser; a subtest's own line counts only when it fails for a reason of its own. */
function count(parser, path, tally) {
  let subtest
  parser.on('child', (child) => {
    subtest = { passed: 0, failed: 0, failures: [] }
    count(child, [...path, child.name], subtest)
  })
  parser.on('assert', (result) => {
    const inner = subtest
    subtest = undefined
    if (inner) {
      tally.passed += inner.passed
      tally.failed += inner.failed
      tally.failures.push(...inner.failures)
    }
    const fail = (message) => {
      tally.failed += 1
      tally.failures.push({ path: [...path, result.name], message, diag: result.diag })
    }
    if (result.skip || result.todo) {
      const reason = [result.skip, result.todo].find((word) => typeof word === 'string' && word !== '')
      fail(`${result.skip ? 'is skipped' : 'is still to do'}${reason ? `: ${reason}` : ''}`)
    } else if (result.ok) {
      if (!inner) tally.passed += 1
      else if (inner.passed + inner.failed === 0) fail('asserts nothing')
    } else if (!inner || inner.failed === 0) fail(undefined)
  })
  parser.on('bailout', (reason) => {
    tally.failed += 1
    tally.failures.push({ path, message: `bailed out: ${reason}` })
  })
}

export default class TapReporter extends Transform {
  #parser = new Parser()
  #total = { passed: 0, failed: 0 }
  /** The files that were heard of: scripts/check.ts compares them with those that were asked for. */
  #files = []
  #failedFiles = new Set()
  /** What the current file wrote besides TAP; the parser hands all of it to its root. */
  #printed = []

  constructor() {
    super({ encoding: 'utf8' })
    let file
    this.#parser.on('child', (child) => {
      file = { passed: 0, failed: 0, failures: [] }
      count(child, [child.name], file)
    })
    this.#parser.on('assert', (result) => {
      this.#file(result, file ?? { passed: 0, failed: 0, failures: [] })
      file = undefined
    })
    this.#parser.on('extra', (line) => this.#printed.push(line))
    this.#parser.on('bailout', (reason) => {
      if (this.#total.failed === 0) this.#total.failed += 1
      this.push(`tap bailed out: ${reason}\n`)
    })
  }

  /** The root's line for a file: `assert` there carries the exit code and signal that its tests cannot tell. */
  #file(result, { passed, failed, failures }) {
    const printed = this.#printed.splice(0).join('')
    // tap reports a file's timeout a second time, in the place of the verdict of whichever file ends last.
    const expired = result.diag?.expired
    if (this.#failedFiles.has(expired) && passed + failed === 0) {
      this.push(`       after the timeout of ${expired}, tap may leave the last file out\n`)
      return
    }
    const name = expired ?? result.name
    this.#files.push(name)
    const clean = result.ok && !result.skip && passed + failed > 0
    const own = expired || result.diag?.signal || !(result.diag?.exitCode === 1 && failed > 0)
    if (!clean && (failed === 0 || own)) {
      failed += 1
      failures.push({ path: [name], message: verdict(result) })
    }
    if (failed > 0) this.#failedFiles.add(name)
    this.#total.passed += passed
    this.#total.failed += failed
    const counts = `${passed} passed${failed > 0 ? `, ${failed} failed` : ''}`
    const time = result.time ? `${(result.time / 1000).toFixed(1)} s` : ''
    this.push(`${failed > 0 ? 'not ok' : 'ok    '} ${name.padEnd(48)} ${counts.padEnd(22)} ${time}\n`)
    for (const failure of failures) this.push(describe(failure))
    if (failed > 0 && printed.trim() !== '') this.push(`  it printed:\n${printed.slice(-8_192).trimEnd()}\n`)
  }

  _transform(chunk, _encoding, done) {
    this.#parser.write(chunk)
    done()
  }

  _flush(done) {
    this.#parser.end()
    const summary = process.env.MOORAGE_TEST_SUMMARY
    if (summary) writeFileSync(summary, JSON.stringify({ ...this.#total, files: this.#files }))
    else this.push(`${this.#total.passed} passed, ${this.#total.failed} failed\n`)
    done()
  }
}
