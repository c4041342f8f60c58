/**
 * Opens the way out on a host with Docker, which drops all that it does not know. An accept in a table of ours does not
 * outweigh that; Docker leaves one chain to others, DOCKER-USER, and so there is one marked rule of ours in it.
 */

import { uplinkPrefix } from '../addressing/kernel-names.ts'
import { Monitor, NETLINK_NETFILTER, NFNLGRP_NFTABLES, NftTransactions } from '../kernel/index.ts'
import { inLegacyUse, listChain, programsWith, restoreRules } from './iptables.ts'

const dockerChain = 'DOCKER-USER'
const ownChain = (instance: string) => `MOORAGE-${instance}`
const mark = (instance: string) => `moorage ${instance}`

/** Packets to Docker's own bridges are left to Docker's judgement: its networks are not for our containers. */
const dockerBridges = ['docker0', 'docker_gwbridge', 'br-+']

function ownRules(instance: string): string {
  const [chain, uplinks] = [ownChain(instance), `${uplinkPrefix(instance)}+`]
  return [
    `:${chain} - [0:0]`,
    ...dockerBridges.map((bridge) => `-A ${chain} -i ${uplinks} -o ${bridge} -j RETURN`),
    `-A ${chain} -i ${uplinks} -j ACCEPT`,
    `-A ${chain} -o ${uplinks} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
  ].join('\n')
}

const jump = (instance: string) =>
  `${dockerChain} -m comment --comment "${mark(instance)}" -j ${ownChain(instance)}`

/** Adds the rule wherever there is Docker's chain without it. */
async function addDockerRules(instance: string): Promise<void> {
  for (const program of await programsWith(dockerChain)) {
    const [rules = [], own = []] = [
      await listChain(program, dockerChain),
      await listChain(program, ownChain(instance)),
    ]
    if (isFirst(rules, instance) && own.length === ownRules(instance).split('\n').length) continue
    const removal = rules.filter((rule) => isOurs(rule, instance)).map(() => `-D ${jump(instance)}\n`)
    const addition = `${ownRules(instance)}\n${removal.join('')}-I ${jump(instance)}`
    await restoreRules(program, `*filter\n${addition}\nCOMMIT\n`)
  }
}

/**
 * Removes the rule wherever it is.
 *
 * @returns the places where it was, in words
 */
export async function removeDockerRules(instance: string): Promise<string[]> {
  const removed: string[] = []
  for (const program of await programsWith(ownChain(instance))) {
    const rules = (await listChain(program, dockerChain)) ?? []
    const jumps = rules.filter((rule) => isOurs(rule, instance)).map(() => `-D ${jump(instance)}\n`)
    const chain = `-F ${ownChain(instance)}\n-X ${ownChain(instance)}\n`
    await restoreRules(program, `*filter\n${jumps.join('')}${chain}COMMIT\n`)
    removed.push(`${program} rule in ${dockerChain}`)
  }
  return removed
}

const isOurs = (rule: string, instance: string) => rule.includes(`-j ${ownChain(instance)}`)

/** Tells whether our rule is the first, and there once: a rule before it may have said no already. */
const isFirst = (rules: readonly string[], instance: string) =>
  rules.filter((rule) => isOurs(rule, instance)).length === 1 &&
  isOurs(rules.find((rule) => rule.startsWith('-A ')) ?? '', instance)

/** The polling interval for rules of the older kind, whose changes nobody announces, in milliseconds. */
const legacyInterval = 3_000
/** The pause before changes are looked at, in milliseconds: Docker changes much at once when it starts. */
const settling = 50

/** Keeps the rule in place, even if Docker starts later or makes its chain anew, until this is disposed of. */
export class DockerWayOut implements AsyncDisposable {
  readonly #instance: string
  readonly #failed: (error: Error) => void
  readonly #monitor: Monitor
  readonly #transactions = new NftTransactions()
  readonly #poll: NodeJS.Timeout
  #timer: NodeJS.Timeout | undefined
  #adding: Promise<void> = Promise.resolve()
  #closed = false

  /** Listens in the namespace that the calling thread is in; adds the rule before it resolves. */
  static async open(instance: string, failed: (error: Error) => void): Promise<DockerWayOut> {
    const wayOut = new DockerWayOut(instance, failed)
    await wayOut.#add()
    return wayOut
  }

  private constructor(instance: string, failed: (error: Error) => void) {
    this.#instance = instance
    this.#failed = failed
    this.#monitor = new Monitor(NETLINK_NETFILTER, [NFNLGRP_NFTABLES], () => this.#look())
    this.#poll = setInterval(() => {
      if (inLegacyUse('ip') || inLegacyUse('ip6')) void this.#add()
    }, legacyInterval).unref()
  }

  #look(): void {
    if (this.#closed) return
    const { notices, lost } = this.#monitor.drain()
    const touched = this.#transactions.read(notices).some(({ tables }) => tables.has('filter'))
    if (!touched && !lost) return
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      void this.#add()
    }, settling).unref()
  }

  /** Adds the rule, one call after the other; a failure is reported, and the next change tries again. */
  #add(): Promise<void> {
    this.#adding = this.#adding.then(async () => {
      if (this.#closed) return
      await addDockerRules(this.#instance).catch((error) => this.#failed(error))
    })
    return this.#adding
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    clearInterval(this.#poll)
    this.#monitor.close()
    await this.#adding
    await removeDockerRules(this.#instance)
  }
}
