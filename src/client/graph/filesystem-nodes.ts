import type { ImageOperation } from '../../definition/index.ts'
import { withoutUndefined } from '../../without-undefined.ts'
import type { Node } from './graph.ts'

/** A root filesystem from an image reference. */
export function imageNode(
  ref: string,
  { pull, platform }: { pull?: 'always' | undefined; platform?: string | undefined } = {},
): Node {
  const operation: ImageOperation = withoutUndefined({
    op: 'image' as const,
    ref,
    pull,
    platform: platform || undefined,
  })
  return { inputs: [], operation: () => operation }
}

/** The root filesystem of a container, from a directory. */
export function rootfsNode(directory: Node): Node {
  return {
    inputs: [directory],
    operation: (indexOf) => ({ op: 'rootfs', directory: indexOf(directory) }),
  }
}

/** The empty root filesystem. */
export function scratchNode(): Node {
  return { inputs: [], operation: () => ({ op: 'scratch' }) }
}
