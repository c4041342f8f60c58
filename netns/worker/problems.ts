/** Something that is wrong with a network, though it works on as well as it can. */
export interface NetworkProblem {
  kind: 'subnet-conflict' | 'firewall'
  message: string
}

/** News of a network while it lives. */
export type NetworkEvent =
  | { type: 'problems'; problems: NetworkProblem[] }
  /** Somebody changed the rules; they were put back. */
  | { type: 'firewall-restored'; where: 'network' | 'host'; by: string }

/** The present problems of a network, by what they are about; the listener is told when they change. */
export class Problems {
  readonly #tell: (event: NetworkEvent) => void
  readonly #present = new Map<string, NetworkProblem[]>()

  constructor(tell: (event: NetworkEvent) => void) {
    this.#tell = tell
  }

  set(about: string, problems: NetworkProblem[]): void {
    if (JSON.stringify(this.#present.get(about) ?? []) === JSON.stringify(problems)) return
    this.#present.set(about, problems)
    this.#tell({ type: 'problems', problems: [...this.#present.values()].flat() })
  }

  /** Makes an `onRestored` for a firewall. */
  restored(where: 'network' | 'host') {
    return (by: string, failure?: Error): void => {
      if (failure === undefined) this.#tell({ type: 'firewall-restored', where, by })
      const message = `the rules of the ${where} were changed by ${by} and could not be put back: ${failure?.message}`
      this.set(where, failure === undefined ? [] : [{ kind: 'firewall', message }])
    }
  }
}
