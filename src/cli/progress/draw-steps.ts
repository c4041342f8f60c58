import { span } from '../printing/duration-text.ts'
import { printable, type Style } from '../terminal.ts'
import { columns, fit, pad } from './columns.ts'
import type { ProgressStep, Standing } from './steps.ts'

/** The place on which the steps are drawn. */
export interface Canvas {
  width: number
  /** Lines that the drawing may take. */
  height: number
  /** Milliseconds since the epoch. */
  now: number
  style: (style: Style, text: string) => string
  /** True if the terminal shows more than ASCII. */
  unicode: boolean
}

const marks = {
  unicode: { waiting: '◌', done: '✔', ending: '◍', failed: '✘' },
  ascii: { waiting: '.', done: '+', ending: '~', failed: 'x' },
} as const
const spinners = { unicode: [...'⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏'], ascii: [...'|/-\\'] } as const
/** Time of one picture of the spinner, in milliseconds. */
const spinnerStep = 100

const styles: Record<Standing, Style> = {
  waiting: 'dim',
  working: 'cyan',
  done: 'green',
  ending: 'yellow',
  failed: 'red',
}

/** The narrowest and the widest column of names. */
const nameColumn = { least: 8, most: 44 }
const timeWidth = 7
const barWidth = 20

/** Draws the steps as lines, each narrower than the terminal: a step stands below the one that needs it. */
export function drawSteps(steps: readonly ProgressStep[], canvas: Canvas): string[] {
  const lines = nested(steps)
  const shown = chosen(lines, canvas.height)
  const room = Math.max(1, canvas.width - 1)
  const widest = Math.max(0, ...shown.map(({ step, depth }) => 2 * depth + columns(printable(step.name))))
  const nameWidth = Math.min(
    Math.max(nameColumn.least, widest),
    nameColumn.most,
    Math.max(1, Math.floor(room * 0.45)),
  )
  const drawn = shown.map((line) => drawStep(line, canvas, { room, nameWidth }))
  const hidden = lines.filter((line) => !shown.includes(line))
  if (hidden.length > 0) drawn.push(canvas.style('dim', fit(`  and ${counted(hidden)}`, room)))
  return drawn
}

interface Line {
  step: ProgressStep
  depth: number
  words: string
}

/** Orders the steps: images, then commands, each followed by its services; a service that no shown step needs stands alone. */
function nested(steps: readonly ProgressStep[]): Line[] {
  const keys = new Set(steps.map(({ key }) => key))
  const below = new Map<string, ProgressStep[]>()
  const tops: ProgressStep[] = []
  for (const step of steps) {
    if (step.parent === undefined || !keys.has(step.parent)) tops.push(step)
    else below.set(step.parent, [...(below.get(step.parent) ?? []), step])
  }
  const lines: Line[] = []
  const add = (step: ProgressStep, depth: number) => {
    const children = below.get(step.key) ?? []
    const missing = children.filter(({ standing }) => standing !== 'done').map(({ name }) => name)
    const words =
      step.standing === 'waiting' && missing.length > 0 ? `waiting for ${missing.join(', ')}` : step.words
    lines.push({ step, depth, words })
    for (const child of children) add(child, depth + 1)
  }
  const images = tops.filter(({ kind }) => kind === 'image')
  for (const step of [...images, ...tops.filter((top) => !images.includes(top))]) add(step, 0)
  return lines
}

/** Chooses the lines that have room, in their order: failed steps first, then working, waiting and done ones. */
function chosen(lines: readonly Line[], height: number): readonly Line[] {
  if (lines.length <= height) return lines
  const rank: Record<Standing, number> = { failed: 0, working: 1, ending: 1, waiting: 2, done: 3 }
  const kept = lines
    .toSorted((a, b) => rank[a.step.standing] - rank[b.step.standing])
    .slice(0, Math.max(0, height - 1))
  return lines.filter((line) => kept.includes(line))
}

function counted(lines: readonly Line[]): string {
  const counts = new Map<string, number>()
  for (const { step } of lines) counts.set(step.standing, (counts.get(step.standing) ?? 0) + 1)
  return `${lines.length} more: ${[...counts].map(([standing, count]) => `${count} ${standing}`).join(', ')}`
}

function drawStep(
  { step, depth, words: lineWords }: Line,
  { now, style, unicode }: Canvas,
  { room, nameWidth }: { room: number; nameWidth: number },
): string {
  const set = unicode ? 'unicode' : 'ascii'
  const spinner = spinners[set]
  const mark =
    step.standing === 'working'
      ? (spinner[Math.floor(now / spinnerStep) % spinner.length] ?? '')
      : marks[set][step.standing]
  const indent = '  '.repeat(depth)
  if (room < 12) return style(styles[step.standing], fit(`${indent}${mark} ${printable(step.name)}`, room))
  const name = pad(printable(step.name), Math.max(1, nameWidth - indent.length))
  const took = span(Math.max(0, (step.ended ?? now) - step.begun))
  const left = room - indent.length - 2 - columns(name) - 2
  // A narrow terminal has no room for the time; a narrower one none for the words.
  const time = left >= 2 * timeWidth ? took.padStart(timeWidth) : ''
  const width = time === '' ? left : left - timeWidth - 1
  const words = width < 4 ? '' : pad(wordsWithin(step.bytes, lineWords, { width, unicode }), width)
  const parts = [
    `${indent}${style(styles[step.standing], mark)} ${step.standing === 'failed' ? style('red', name) : name}`,
    words === '' ? '' : `  ${style(step.standing === 'failed' ? 'red' : 'dim', words)}`,
    time === '' ? '' : ` ${style('dim', time)}`,
  ]
  return parts.join('').trimEnd()
}

function wordsWithin(
  bytes: ProgressStep['bytes'],
  words: string,
  { width, unicode }: { width: number; unicode: boolean },
): string {
  if (bytes === undefined || bytes.total === 0) return printable(words)
  const share = Math.min(1, bytes.done / bytes.total)
  const numbers = `${mebibytes(bytes.done)}/${mebibytes(bytes.total)} MiB`
  const length = Math.min(barWidth, width - numbers.length - 3)
  if (length < 4) return numbers
  const full = Math.round(share * length)
  const [on, off] = unicode ? ['█', '░'] : ['#', '-']
  return `[${on.repeat(full)}${off.repeat(length - full)}] ${numbers}`
}

function mebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1)
}
