/** Who asks. */
export interface Asker {
  /** Its address as views spell it; `undefined` is nobody in particular, who sees the zones. */
  readonly client: string | undefined
  readonly transport: 'udp' | 'tcp'
}
