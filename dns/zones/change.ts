/** One change that somebody made: to a name of a zone, or to what a client sees. */
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
 * Is told of each change as it is made: how to take it back, and how to tell others of it. Nobody describes a change
 * to whom nobody listens.
 */
export type Journal = (undo: () => void, describe: () => Change) => void
