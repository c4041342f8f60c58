import { MoorageError } from '../../errors/index.ts'

/** Readers of the options of `moorage dns serve`. */

/** Reads `--listen`: `127.0.0.1:5353`, `[::1]:53`. */
export function listenOf(text: string): { address: string; port: number } {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? []
  const address = bracketed ?? plain
  if (address === undefined) throw invalid('--listen', text, '127.0.0.1:5353 or [::1]:5353')
  return { address, port: Number(port) }
}

/** Reads `--record`: `db=10.0.0.7`. */
export function recordOf(text: string): { name: string; address: string } {
  const [, name, address] = /^([^=]+)=([^=]+)$/.exec(text) ?? []
  if (name === undefined || address === undefined) throw invalid('--record', text, 'db=10.0.0.7')
  return { name, address }
}

/** Reads `--view`: `10.0.0.9/postgres=db`, `10.0.0.0/16/postgres=db`. */
export function viewOf(text: string): { client: string; alias: string; name: string } {
  const [, client, alias, name] = /^(.+)\/([^/=]+)=([^/=]+)$/.exec(text) ?? []
  if (client === undefined || alias === undefined || name === undefined) {
    throw invalid('--view', text, '10.0.0.9/postgres=db or 10.0.0.0/16/postgres=db')
  }
  return { client, alias, name }
}

/** Reads all of `--upstream`: `system`, `9.9.9.9:53`, `corp.example.com=10.1.1.1`. Without any, no upstream is asked. */
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
  const choice = (upstreams: string[]) =>
    upstreams.length === 1 && upstreams[0] === 'system' ? 'system' : upstreams
  return {
    upstreams: everything.length === 0 ? 'none' : choice(everything),
    routes: Object.fromEntries(
      Object.entries(routes).map(([domain, upstreams]) => [domain, choice(upstreams)]),
    ),
  }
}

function invalid(option: string, text: string, example: string): MoorageError {
  return new MoorageError('INVALID_OPTION', { option, reason: `"${text}" is not like ${example}` })
}
