/**
 * Names one instance of a run or a service: its scope, within which it is shared, and its label. The same label in
 * another scope is another instance. Only `scopedKey` makes keys, and nobody takes one apart.
 */
export type ScopedKey = `${string}/${string}`

/** @param scope - the engine's networks, or `*` for runs that all networks share */
export function scopedKey(scope: string, label: string): ScopedKey {
  return `${scope}/${label}`
}
