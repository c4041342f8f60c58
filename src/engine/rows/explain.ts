import type { Difference } from '../../definition/index.ts'
import type { PlannedExec } from '../plan/planned.ts'

/** Longer values are cut, to so many characters: the question is which field differs. */
const longestValue = 500

/**
 * Lists the fields in which two execs differ, of those that their processes can see. Where the filesystems that they
 * start from differ, and were both made by execs, lists the fields in which those execs differ as well.
 */
export function explainDifference(a: PlannedExec, b: PlannedExec, prefix = ''): Difference[] {
  if (a.digest === b.digest) return []
  const [fieldsA, fieldsB] = [fieldsOf(a), fieldsOf(b)]
  const differences: Difference[] = []
  for (const field of [...new Set([...fieldsA.keys(), ...fieldsB.keys()])]) {
    const [valueA, valueB] = [fieldsA.get(field) ?? null, fieldsB.get(field) ?? null]
    if (valueA !== valueB) differences.push({ field: prefix + field, a: cut(valueA), b: cut(valueB) })
  }
  if (a.input.kind === 'exec' && b.input.kind === 'exec')
    return [...explainDifference(a.input, b.input, `${prefix}before it: `), ...differences]
  if (a.input.digest !== b.input.digest)
    differences.unshift({ field: `${prefix}filesystem`, a: a.input.digest, b: b.input.digest })
  return differences
}

/** Returns the value of each field that can differ, as text; a vertex is shown as its digest. */
function fieldsOf(exec: PlannedExec): Map<string, string> {
  const { kind, digest, label, hostname, input, noCache, customName, root, env, bindings, ...rest } = exec
  const fields = new Map<string, string>([['image', root.ref]])
  if (customName !== undefined) fields.set('hostname', customName)
  for (const [name, value] of env) fields.set(`env ${name}`, value)
  for (const { alias, service } of bindings) fields.set(`binding ${alias}`, service.exec.label)
  for (const [field, value] of Object.entries(rest)) {
    const text = JSON.stringify(value, (_, part) => (typeof part?.digest === 'string' ? part.digest : part))
    if (text !== undefined && text !== '[]' && text !== '{}') fields.set(field, text)
  }
  return fields
}

function cut(text: string | null): string | null {
  return text === null || text.length <= longestValue ? text : `${text.slice(0, longestValue)}…`
}
