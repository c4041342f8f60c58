/** The names and numbers of one failure. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean | readonly string[] | null>>

/** The most characters of a detail that a sentence quotes; the details themselves hold all of it. */
const longestDetail = 4_000
const longest: Readonly<Record<string, number>> = { command: 200, image: 100, ref: 100 }

/** Puts the details into a sentence of the catalogue: `{name}` is replaced by the detail of that name, if there is one. */
export function fillSentence(template: string, details: ErrorDetails): string {
  return template.replace(/\{(\w+)\}/g, (placeholder, name: string) => {
    const value = details[name]
    if (value === undefined || value === null) return placeholder
    const text = Array.isArray(value) ? value.join(', ') : String(value)
    const most = longest[name] ?? longestDetail
    return text.length <= most ? text : `${text.slice(0, most - 1)}…`
  })
}

/** Anything thrown, in words. */
export function causeText(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
