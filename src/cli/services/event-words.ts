import type { ProgressEvent, ServiceProgress, ServiceReason } from '../../definition/index.ts'
import { age, span } from '../printing/duration-text.ts'

/** The words for why a service is in its state. */
const reasons: Record<ServiceReason, string> = {
  wanted: 'it is wanted',
  healthy: 'its checks passed',
  unused: 'nobody uses it',
  'grace-over': 'its grace is over',
  hurried: 'somebody waits for a volume that it has locked',
  'called-off': 'nobody waits for it any more',
  'not-healthy-in-time': 'it was not healthy in time',
  exited: 'it exited',
  'start-failed': 'it could not be started',
  requested: 'somebody asked for it',
  restart: 'it is started again',
  'daemon-stopping': 'the daemon stops',
}

/** Returns in words why a service is in its state: `run h1u8v0k2m4p6 wants it`. */
export function reasonOf({ because, by, exitCode }: ServiceProgress): string {
  if (because === undefined) return ''
  if (because === 'wanted' && by !== undefined) return `${holderText(by)} wants it`
  if (because === 'exited' && exitCode !== undefined) return `it exited with code ${exitCode}`
  return reasons[because]
}

/** Returns a holder as people know it: an ID, which is the beginning of a label, instead of the label. */
export function holderText(holder: string): string {
  return holder.replace(/^(run|service) (\w{12})\w*$/, '$1 $2')
}

/** Returns an event in a few words, without the name of its subject. */
export function wordsOf(event: ProgressEvent): string {
  switch (event.kind) {
    case 'image':
      return joined(event.state === 'running' ? undefined : event.state, event.detail)
    case 'http':
      return joined(event.state, event.detail)
    case 'exec': {
      if (event.state === 'cached') return `cached, the result of a run ${age(event.age ?? 0)} ago`
      const code =
        event.exitCode === undefined || event.state === 'failed' ? '' : ` with code ${event.exitCode}`
      const place = event.address === undefined ? '' : ` at ${event.address}`
      return joined(`${event.state}${code}${place}`, event.detail)
    }
    case 'service': {
      if (event.detail !== undefined) return event.detail
      const place = event.state === 'ready' && event.address !== undefined ? ` at ${event.address}` : ''
      const left = event.stopsAt === undefined ? '' : `, stops in ${span(event.stopsAt - event.time)}`
      return joined(`${event.state}${place}${left}`, event.error ?? reasonOf(event))
    }
    case 'check': {
      const times = event.count === 1 ? '' : ` (${event.count} checks)`
      return joined(`${event.check} ${event.state}${times}`, event.answer)
    }
    case 'wait':
      return `${holderText(event.holder)}${alias(event.alias)} waits for it: ${event.detail}`
    case 'lease':
      return `lease of ${holderText(event.holder)}${alias(event.alias)} ${event.state}`
  }
}

function alias(name: string | undefined): string {
  return name === undefined ? '' : ` (as ${name})`
}

function joined(first: string | undefined, second: string | undefined): string {
  return [first, second].filter((part) => part !== undefined && part !== '').join(': ')
}
