/**
 * What may pass: the rules inside a network, and those on the host. Rulesets are applied in one transaction each;
 * after that a network's own table is changed through one resident `nft -i`, since a process for each change takes
 * eight times as long.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { inNamespace, NetnsError } from './kernel/index.ts'
import { bridgeName, innerUplinkName, tableName, uplinkPrefix } from './names.ts'

/**
 * Refused at once, never dropped in silence. For TCP by a reset: of ICMP errors the kernel sends few to one place in a
 * second, and one that arrives while connect() still holds the socket is lost, which between two namespaces of one
 * machine is the rule. The connection would hang until its SYN is sent again.
 */
const refuse = `
    meta l4proto tcp reject with tcp reset
    reject with icmpx type admin-prohibited`

/** The rules of a network, inside its namespace. */
export function networkRuleset({ subnet, gateway }: { subnet: string; gateway: string }): string {
  return `
table bridge moorage {
  # link . address . MAC: what each sandbox may send as. Without it a view of the DNS could be stolen.
  set leases {
    type ifname . ipv4_addr . ether_addr
  }
  chain prerouting {
    type filter hook prerouting priority -300; policy drop;
    iifname . ip saddr . ether saddr @leases accept
    iifname . arp saddr ip . arp saddr ether @leases accept
  }
}
table inet moorage {
  chain input {
    type filter hook input priority filter; policy drop;
    iifname "lo" accept
    ct state established,related accept
    ip daddr ${gateway} meta l4proto { tcp, udp } th dport 53 accept
    ip daddr ${gateway} icmp type echo-request accept
    goto refused
  }
  chain forward {
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    iifname "${bridgeName}" oifname "${bridgeName}" accept
    # Each sandbox has a route of its own, so this address nobody has; the host would send it back.
    oifname "${innerUplinkName}" ip daddr ${subnet} goto refused
    ip daddr 169.254.0.0/16 goto refused
    iifname "${bridgeName}" oifname "${innerUplinkName}" accept
    iifname "${innerUplinkName}" oifname "${bridgeName}" accept
    goto refused
  }
  chain output {
    type filter hook output priority filter; policy accept;
    oifname "${innerUplinkName}" ip daddr ${subnet} goto refused
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    oifname "${innerUplinkName}" ip saddr ${subnet} masquerade
  }
  chain refused {${refuse}
  }
}
`
}

/**
 * The rules of an instance on the host. They match its uplinks by the beginning of their names, so that they are
 * written once, however many networks come and go. Other tables are left alone, and may refuse what this one accepts.
 */
export function hostRuleset(instance: string): string {
  const mine = `"${uplinkPrefix(instance)}*"`
  const anybodys = `"${uplinkPrefix()}*"`
  const table = tableName(instance)
  return `
table inet ${table}
delete table inet ${table}
table inet ${table} {
  chain input {
    type filter hook input priority filter - 10; policy accept;
    iifname != ${mine} accept
    ct state established,related accept
    goto refused
  }
  chain forward {
    type filter hook forward priority filter - 10; policy accept;
    ct state established,related accept
    # Neither from another network nor from a neighbour of this host: only the host itself opens a way in.
    oifname ${mine} goto refused
    iifname != ${mine} accept
    oifname ${anybodys} goto refused
    ip daddr 169.254.0.0/16 goto refused
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    iifname ${mine} masquerade
  }
  chain refused {${refuse}
  }
}
`
}

/**
 * Runs commands in one transaction: all of them or none.
 *
 * @param namespace - of the network they are for; without it, the host's
 * @returns what they print
 * @throws NetnsError `NFT_FAILED` with what nft said
 */
export async function applyRuleset(ruleset: string, namespace?: number): Promise<string> {
  const start = () => spawn('nft', ['-f', '-'], { stdio: 'pipe' })
  const nft = namespace === undefined ? start() : inNamespace(namespace, start)
  // It may end before it has read everything; what it said then is the better error.
  nft.stdin.on('error', () => {})
  nft.stdin.end(ruleset)
  const ended = Promise.all([text(nft.stdout), text(nft.stderr), once(nft, 'close')])
  const [printed, said, [code]] = await ended.catch((cause) => {
    throw new NetnsError(
      'NFT_FAILED',
      `nft cannot be run: ${cause.message}; is nftables installed, and in the PATH?`,
      {
        cause,
      },
    )
  })
  if (code !== 0) throw new NetnsError('NFT_FAILED', `nft refused: ${said.trim()}`)
  return printed
}

/** Removes a table of the host; false when it was not there. */
export async function removeTable(table: string): Promise<boolean> {
  try {
    await applyRuleset(`delete table inet ${table}\n`)
    return true
  } catch (error) {
    if (error instanceof NetnsError && error.message.includes('No such file or directory')) return false
    throw error
  }
}

interface Change {
  readonly mark: string
  readonly command: string
  readonly done: (said: string) => void
  readonly failed: (error: NetnsError) => void
}

/**
 * One `nft -i` inside a network's namespace. It says nothing of a change that succeeded, so each is followed by a
 * command that fails on purpose: what was said before that failure is the change's answer.
 */
export class Firewall implements AsyncDisposable {
  readonly #namespace: number
  readonly #waiting: Change[] = []
  #process: ChildProcessWithoutNullStreams | undefined
  #said = ''
  #marks = 0

  constructor(namespace: number) {
    this.#namespace = namespace
  }

  /** Lets a sandbox send as its address; resolves when it can. */
  admit(link: string, address: string, mac: string): Promise<void> {
    return this.#change(`add element bridge moorage leases { "${link}" . ${address} . ${mac} }`)
  }

  expel(link: string, address: string, mac: string): Promise<void> {
    return this.#change(`delete element bridge moorage leases { "${link}" . ${address} . ${mac} }`)
  }

  #change(command: string): Promise<void> {
    const nft = this.#running()
    const mark = `mark${this.#marks++}`
    return new Promise((resolve, reject) => {
      this.#waiting.push({
        mark,
        command,
        done: (said) => {
          if (said === '') resolve()
          else reject(new NetnsError('NFT_FAILED', `nft refused "${command}": ${said}`))
        },
        failed: reject,
      })
      nft.stdin.write(`${command}\nlist table bridge ${mark}\n`)
    })
  }

  #running(): ChildProcessWithoutNullStreams {
    if (this.#process !== undefined) return this.#process
    const nft = inNamespace(this.#namespace, () => spawn('nft', ['-i'], { stdio: 'pipe' }))
    this.#process = nft
    this.#said = ''
    // The echo of what it is told; unread it would fill the pipe.
    nft.stdout.resume()
    nft.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      this.#said += chunk
      this.#settle()
    })
    nft.stdin.on('error', () => {})
    nft.on('error', (cause) => this.#lost(nft, cause.message))
    nft.on('close', (code, signal) => this.#lost(nft, `it ended with ${signal ?? code}`))
    return nft
  }

  /** Each error ends with a line of carets below the command, so the mark's error has come when its carets have. */
  #settle(): void {
    for (let [change] = this.#waiting; change !== undefined; [change] = this.#waiting) {
      const echoed = `list table bridge ${change.mark}\n`
      const at = this.#said.indexOf(echoed)
      const end = at < 0 ? -1 : this.#said.indexOf('\n', at + echoed.length)
      if (end < 0) return
      const before = this.#said.slice(0, at)
      this.#said = this.#said.slice(end + 1)
      this.#waiting.shift()
      // What is left of `before` is the first line of the mark's own error.
      change.done(before.slice(0, before.lastIndexOf('Error: ')).trim())
    }
  }

  /** The next change starts another; those on their way may or may not have been made. */
  #lost(nft: ChildProcessWithoutNullStreams, why: string): void {
    if (this.#process !== nft) return
    this.#process = undefined
    for (const { command, failed } of this.#waiting.splice(0)) {
      failed(new NetnsError('NFT_FAILED', `nft was lost during "${command}": ${why}`))
    }
  }

  /** Resolves when the process has gone, and holds its namespace no more. */
  async [Symbol.asyncDispose](): Promise<void> {
    const nft = this.#process
    if (nft === undefined) return
    const closed = once(nft, 'close')
    nft.stdin.end()
    nft.kill('SIGKILL')
    await closed
  }
}
