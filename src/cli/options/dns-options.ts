import { MoorageError } from '../../errors/index.ts'

/** How the options of `moorage dns serve` are written; each may be given several times. */

export function collect(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value]
}

/** `127.0.0.1:5353`, `[::1]:53` */
export function listenOf(text: string): { address: string; port: number } {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? []
  const address = bracketed ?? plain
  if (address === undefined) throw invalid('--listen', text, '127.0.0.1:5353 or [::1]:5353')
  return { address, port: Number(port) }
}

/** `db=10.0.0.7` */
export function recordOf(text: string): { name: string; address: string } {
  const [, name, address] = /^([^=]+)=([^=]+)$/.exec(text) ?? []
  if (name === undefined || address === undefined) throw invalid('--record', text, 'db=10.0.0.7')
  return { name, address }
}

/** `10.0.0.9/postgres=db`, `10.0.0.0/16/postgres=db` */
export function viewOf(text: string): { client: string; alias: string; name: string } {
  const [, client, alias, name] = /^(.+)\/([^/=]+)=([^/=]+)$/.exec(text) ?? []
  if (client === undefined || alias === undefined || name === undefined) {
    throw invalid('--view', text, '10.0.0.9/postgres=db or 10.0.0.0/16/postgres=db')
  }
  return { client, alias, name }
}

/** `system`, `9.9.9.9:53`, `corp.example.com=10.1.1.1`; nobody is asked unless somebody is named. */
export function upstreamsOf(texts: readonly string[]): {
  upstreams: 'system' | 'none' | string[]
  routes: Record<string, 'system' | string[]>
} {
  const everything: string[] = []
  const routes: Record<string, string[]> = {}
  for (const text of texts) {
    const [, domain, upstream] = /^([^=]+)=([^=]+)$/.exec(text) ?? []
    if (domain === undefined || upstream === undefined) everything.push(text)
    else routes[domain] = [...(routes[domain] ?? []), upstream]
  }
  const choice = (given: string[]) => (given.length === 1 && given[0] === 'system' ? 'system' : given)
  return {
    upstreams: everything.length === 0 ? 'none' : choice(everything),
    routes: Object.fromEntries(Object.entries(routes).map(([domain, given]) => [domain, choice(given)])),
  }
}

function invalid(option: string, text: string, example: string): MoorageError {
  return new MoorageError('INVALID_OPTION', { option, reason: `"${text}" is not like ${example}` })
}
