import type { ExecProgress } from '../../definition/index.ts'
import type { ImageNews } from '../../images/index.ts'
import type { NewsOf, ServiceNews } from '../../lifecycle/index.ts'
import type { PlannedExec } from '../plan/planned.ts'
import type { ServiceDescription } from '../rows/service-row.ts'
import type { EventLog } from './event-log.ts'

/** Says of a wait what is waited for. */
export interface Wait {
  exec: PlannedExec
  network: string
  holder: string
  alias?: string
  detail: string
}

/** Puts what the engine's parts tell into the log's words. */
export interface Teller {
  image(news: ImageNews): void
  exec(exec: PlannedExec, network: string, what: Pick<ExecProgress, 'state'> & Partial<ExecProgress>): void
  service(news: ServiceNews & NewsOf): void
  wait(wait: Wait): void
}

export function createTeller(log: EventLog): Teller {
  /** The first alias that a living service was asked for by. */
  const aliases = new Map<string, string>()
  const nameOf = ({ label, customName, root }: PlannedExec, network: string) =>
    customName ?? aliases.get(`${network}/${label}`) ?? root.name

  return {
    image: ({ ref, ...what }) => log.tell({ kind: 'image', id: ref, name: ref, ...what }),

    exec(exec, network, what) {
      log.tell({
        kind: 'exec',
        id: exec.label,
        name: exec.args.join(' '),
        // Without bindings a run is for all networks.
        ...(exec.bindings.length > 0 ? { network } : {}),
        ...what,
      })
    },

    service({ key: _key, label, describe, time, ...news }) {
      const { service, network } = describe as ServiceDescription
      const of = { id: label, name: nameOf(service.exec, network), network, time }
      if (news.kind === 'report') log.tell({ ...of, kind: 'service', state: 'starting', detail: news.detail })
      else if (news.kind === 'check') {
        const { name, kind, ...rest } = news
        log.tell({ ...of, kind, check: name, ...rest })
      } else if (news.kind === 'lease') {
        const { kind, action, ...rest } = news
        log.tell({ ...of, kind, state: action, ...rest })
      } else {
        const { kind: _kind, to, ...rest } = news
        log.tell({ ...of, kind: 'service', state: to, ...rest })
        if (to === 'stopped' || to === 'failed') aliases.delete(`${network}/${label}`)
      }
    },

    wait({ exec, network, holder, alias, detail }) {
      const key = `${network}/${exec.label}`
      if (alias !== undefined && !aliases.has(key)) aliases.set(key, alias)
      log.tell({
        kind: 'wait',
        id: exec.label,
        name: nameOf(exec, network),
        network,
        state: 'waiting',
        holder,
        ...(alias === undefined ? {} : { alias }),
        detail,
      })
    },
  }
}
