import type { ExecProgress } from '../../definition/index.ts'
import type { ImageNews } from '../../images/index.ts'
import {
  type Holder,
  holderText,
  type NewsOf,
  type ScopedKey,
  type ServiceNews,
  scopedKey,
} from '../../lifecycle/index.ts'
import { withoutUndefined } from '../../without-undefined.ts'
import type { PlannedExec } from '../plan/planned.ts'
import type { ServiceInNetwork } from '../rows/service-row.ts'
import { shownName } from '../shown-name.ts'
import type { EventLog } from './event-log.ts'

/** A holder that waits for a service. */
interface ServiceWait {
  exec: PlannedExec
  network: string
  holder: Holder
  alias?: string
  detail: string
}

/** Turns the news of the engine's parts into events, and appends them to the log. */
export interface EventReporter {
  image(news: ImageNews): void
  exec(exec: PlannedExec, network: string, fields: Pick<ExecProgress, 'state'> & Partial<ExecProgress>): void
  service(news: ServiceNews & NewsOf): void
  wait(wait: ServiceWait): void
}

export function createEventReporter(log: EventLog): EventReporter {
  /** The first alias under which each living service was asked for. */
  const aliases = new Map<ScopedKey, string>()
  const nameOf = (exec: PlannedExec, network: string) =>
    shownName(exec, aliases.get(scopedKey(network, exec.label)))

  return {
    image: ({ ref, ...fields }) => log.append({ kind: 'image', id: ref, name: ref, ...fields }),

    exec(exec, network, fields) {
      log.append({
        kind: 'exec',
        id: exec.label,
        name: exec.args.join(' '),
        // A run without bindings is shared by all networks.
        ...(exec.bindings.length > 0 ? { network } : {}),
        ...fields,
      })
    },

    service({ key: _key, label, describe, time, ...news }) {
      const { service, network } = describe as ServiceInNetwork
      const subject = { id: label, name: nameOf(service.exec, network), network, time }
      if (news.kind === 'report')
        log.append({ ...subject, kind: 'service', state: 'starting', detail: news.detail })
      else if (news.kind === 'check') {
        const { name, kind, ...rest } = news
        log.append({ ...subject, kind, check: name, ...rest })
      } else if (news.kind === 'lease') {
        const { kind, action, holder, ...rest } = news
        log.append({ ...subject, kind, state: action, holder: holderText(holder), ...rest })
      } else {
        const { kind: _kind, to, by, ...rest } = news
        log.append({
          ...subject,
          kind: 'service',
          state: to,
          ...withoutUndefined({ by: by && holderText(by) }),
          ...rest,
        })
        if (to === 'stopped' || to === 'failed') aliases.delete(scopedKey(network, label))
      }
    },

    wait({ exec, network, holder, alias, detail }) {
      const key = scopedKey(network, exec.label)
      if (alias !== undefined && !aliases.has(key)) aliases.set(key, alias)
      log.append({
        kind: 'wait',
        id: exec.label,
        name: nameOf(exec, network),
        network,
        state: 'waiting',
        holder: holderText(holder),
        ...withoutUndefined({ alias }),
        detail,
      })
    },
  }
}
