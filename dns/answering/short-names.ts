import { hashName, longestName } from '../wire/name.ts'
import { asSeen, type GrantedNames } from '../zones/granted-names.ts'
import type { NameNode } from '../zones/name-tree.ts'
import type { Knowledge } from './knowledge.ts'

/** Room for a label in front of the name of a zone. Used within one call only. */
const scratch = Buffer.alloc(2 * longestName)

/**
 * Finds the name that a label alone stands for: that of the zone of short names which begins with it, as this client
 * sees it. A name that exists only because of names below it has no short form.
 * @param start the offset of the label
 */
export function findShort(
  octets: Buffer,
  start: number,
  { names, shortNames: zone }: Knowledge,
  granted: GrantedNames | undefined,
): NameNode | undefined {
  if (zone === undefined) return undefined
  const label = (octets[start] as number) + 1
  const length = label + zone.length
  if (label === 1 || length > longestName) return undefined
  octets.copy(scratch, 0, start, start + label)
  zone.copy(scratch, label)
  const node = names.find(scratch, 0, length, hashName(scratch, 0, length))
  if (node === undefined || !node.named) return undefined
  if (granted === undefined) return node
  return granted.get(node.wire) === 'named' ? asSeen(node, granted) : undefined
}
