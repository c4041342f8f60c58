/** The client that asks. */
export interface Asker {
  /** Its address as views spell it; `undefined` for no particular client: that sees the zones and no view. */
  readonly client: string | undefined
  readonly transport: 'udp' | 'tcp'
}
