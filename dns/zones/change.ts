/** One change: of a name of a zone, or of the view of a client. */
export type Change =
  | {
      readonly kind: 'zone'
      readonly zone: string
      /** Relative to the zone, in lower case; `@` is the zone itself. */
      readonly name: string
      readonly deleted: boolean
    }
  | {
      readonly kind: 'view'
      /** An address or a subnet. */
      readonly client: string
      readonly deleted: boolean
    }

/**
 * Called for each change as it is made, with a function that takes it back and one that describes it. The description
 * costs nothing unless there is a listener.
 */
export type Journal = (undo: () => void, describe: () => Change) => void
