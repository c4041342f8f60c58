import { printable, type Style, type Terminal } from '../terminal.ts'

/** A cell: its text, and its style on a terminal. */
export type Cell = string | { text: string; style: Style }

/**
 * Formats a table without borders: columns as wide as their widest cell, two spaces apart. The last column is not padded.
 *
 * @returns its lines, the heading first
 */
export function table(
  heading: readonly string[],
  rows: readonly (readonly Cell[])[],
  terminal: Pick<Terminal, 'style'>,
): string[] {
  const widths = heading.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => textOf(row[column]).length)),
  )
  const line = (cells: readonly Cell[]): string => {
    const last = cells.length - 1
    const padded = cells.map((cell, column) => {
      const text = textOf(cell)
      const shown = typeof cell === 'string' ? text : terminal.style(cell.style, text)
      return column === last ? shown : shown + ' '.repeat((widths[column] ?? 0) - text.length + 2)
    })
    return padded.join('').trimEnd()
  }
  return [line(heading.map((text) => ({ text, style: 'dim' }))), ...rows.map(line)]
}

/** Returns the text of a cell. An empty one is a dash: it would shift the columns of a program that reads the table. */
function textOf(cell: Cell | undefined): string {
  const text = typeof cell === 'object' ? cell.text : (cell ?? '')
  return printable(text) || '-'
}
