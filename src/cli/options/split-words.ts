import { MoorageError } from '../../errors/index.ts'

/**
 * Splits a command line into words as a POSIX shell does, without expanding anything: spaces separate words, quotes keep
 * them together, a backslash takes the next character as it is (within double quotes only `"`, `\`, `$` and `` ` ``).
 *
 * @throws MoorageError INVALID_OPTION when a quote is not closed or a backslash ends the line
 * @see POSIX.1-2017, Shell Command Language, 2.2
 */
export function splitWords(option: string, line: string): string[] {
  const words: string[] = []
  let word: string | undefined
  let quote = ''
  for (let at = 0; at < line.length; at += 1) {
    const character = line[at] as string
    if (character === '\\' && quote !== "'") {
      const next = line[at + 1]
      if (next === undefined)
        throw new MoorageError('INVALID_OPTION', { option, reason: 'a backslash ends it' })
      const escapes = quote === '' || '"\\$`'.includes(next)
      word = (word ?? '') + (escapes ? next : `\\${next}`)
      at += 1
    } else if (quote !== '') {
      if (character === quote) quote = ''
      else word = (word ?? '') + character
    } else if (character === "'" || character === '"') {
      quote = character
      // Quotes with nothing in them are an empty word.
      word ??= ''
    } else if (/\s/.test(character)) {
      if (word !== undefined) words.push(word)
      word = undefined
    } else word = (word ?? '') + character
  }
  if (quote !== '')
    throw new MoorageError('INVALID_OPTION', { option, reason: `the quote ${quote} is not closed` })
  return word === undefined ? words : [...words, word]
}
