import type { ImageOperation, RootfsOperation, ScratchOperation } from '../../definition/index.ts'
import { withoutUndefined } from '../../without-undefined.ts'
import type { IndexOf, Node } from './graph.ts'

/** A root filesystem from an image reference. */
export class ImageNode implements Node {
  readonly inputs: readonly Node[] = []
  readonly ref: string
  readonly pull: 'always' | undefined
  readonly platform: string | undefined

  constructor(
    ref: string,
    { pull, platform }: { pull?: 'always' | undefined; platform?: string | undefined } = {},
  ) {
    this.ref = ref
    this.pull = pull
    this.platform = platform
  }

  operation(): ImageOperation {
    const { ref, pull, platform } = this
    return withoutUndefined({ op: 'image' as const, ref, pull, platform: platform || undefined })
  }
}

/** The root filesystem of a container, from a directory. */
export class RootfsNode implements Node {
  readonly inputs: readonly Node[]
  readonly #directory: Node

  constructor(directory: Node) {
    this.#directory = directory
    this.inputs = [directory]
  }

  operation(indexOf: IndexOf): RootfsOperation {
    return { op: 'rootfs', directory: indexOf(this.#directory) }
  }
}

/** The empty root filesystem. */
export class ScratchNode implements Node {
  readonly inputs: readonly Node[] = []

  operation(): ScratchOperation {
    return { op: 'scratch' }
  }
}
