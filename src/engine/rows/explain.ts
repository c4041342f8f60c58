import type { Difference } from '../../definition/index.ts'
import type { PlannedExec } from '../plan/planned.ts'

/** Texts that are longer are cut: it is which field that is asked for. */
const longest = 500

/**
 * In which fields two execs differ, of those that their processes can see. Where one differs from the other in what it
 * stands on, and that is an exec as well, in which fields those differ.
 */
export function explainDifference(a: PlannedExec, b: PlannedExec, prefix = ''): Difference[] {
  if (a.digest === b.digest) return []
  const [of, other] = [fieldsOf(a), fieldsOf(b)]
  const differences: Difference[] = []
  for (const field of [...new Set([...of.keys(), ...other.keys()])]) {
    const [one, two] = [of.get(field) ?? null, other.get(field) ?? null]
    if (one !== two) differences.push({ field: prefix + field, a: cut(one), b: cut(two) })
  }
  if (a.input.kind === 'exec' && b.input.kind === 'exec')
    return [...explainDifference(a.input, b.input, `${prefix}before it: `), ...differences]
  if (a.input.digest !== b.input.digest)
    differences.unshift({ field: `${prefix}filesystem`, a: a.input.digest, b: b.input.digest })
  return differences
}

/** Each thing that can differ, by name; of what has a digest that is enough. */
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
  return text === null || text.length <= longest ? text : `${text.slice(0, longest)}…`
}
