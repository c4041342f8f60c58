/** The names and numbers of one failure. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean | readonly string[] | null>>

/** Puts the details into a sentence of the catalogue: `{name}` is replaced by the detail of that name, if there is one. */
export function fillSentence(template: string, details: ErrorDetails): string {
  return template.replace(/\{(\w+)\}/g, (placeholder, name: string) => {
    const value = details[name]
    if (value === undefined || value === null) return placeholder
    return Array.isArray(value) ? value.join(', ') : String(value)
  })
}

/** Anything thrown, in words. */
export function causeText(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
