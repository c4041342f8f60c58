import type { ScopedKey } from './scoped-key.ts'

/** A container that holds services: it lets go of them when it ends. */
export interface ContainerHolder {
  readonly kind: 'run' | 'service'
  readonly key: ScopedKey
  readonly label: string
}

/** Who holds a lease on a service, or waits for one. It becomes text only in rows, events and messages. */
export type Holder =
  | ContainerHolder
  | { readonly kind: 'fetch'; readonly url: string }
  /** Somebody outside, who may go at any time: a session or a pin, by the name it gave itself. */
  | { readonly kind: 'caller'; readonly name: string }
  /** The restart of a service, which waits until that is healthy and keeps no lease. */
  | { readonly kind: 'restart' }

export function isContainer(holder: Holder): holder is ContainerHolder {
  return holder.kind === 'run' || holder.kind === 'service'
}

/** Formats a holder for people: `run <label>`, `service <label>`, `session …`, `pin`. */
export function holderText(holder: Holder): string {
  switch (holder.kind) {
    case 'run':
    case 'service':
      return `${holder.kind} ${holder.label}`
    case 'fetch':
      return `fetch ${holder.url}`
    case 'caller':
      return holder.name
    case 'restart':
      return 'restart'
  }
}
