/** Characters of two columns, and of none: enough for names and messages, without a table of all of Unicode. */
const wide =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}]/u
const none = /\p{M}|\u200d/u

function columnsOfCharacter(character: string): number {
  return none.test(character) ? 0 : wide.test(character) ? 2 : 1
}

/** Returns the columns of a terminal that a text takes. It must hold no control characters. */
export function columns(text: string): number {
  let count = 0
  for (const character of text) count += columnsOfCharacter(character)
  return count
}

/** Cuts a text to at most `width` columns, with a sign that it was cut. */
export function fit(text: string, width: number, sign = '…'): string {
  if (columns(text) <= width) return text
  if (width < columns(sign)) return ''
  let cut = ''
  let left = width - columns(sign)
  for (const character of text) {
    left -= columnsOfCharacter(character)
    if (left < 0) break
    cut += character
  }
  return cut + sign
}

/** Cuts or pads a text to exactly `width` columns. */
export function pad(text: string, width: number): string {
  const fitting = fit(text, width)
  return fitting + ' '.repeat(width - columns(fitting))
}
