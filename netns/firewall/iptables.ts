/** Runs `iptables`, for the chains of others: Docker's. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { NetnsError } from '../kernel/index.ts'
import { runNft } from './nft.ts'

type Family = 'ip' | 'ip6'

/**
 * Finds the programs that reach a chain of the filter table, one for each kind of rules that has it. There are two
 * kinds, nf_tables and the older one, which do not see one another; `iptables` is the one or the other, by host.
 */
export async function programsWith(chain: string): Promise<string[]> {
  const programs: string[] = []
  const listed = await runNft('list chains\n').catch(() => '')
  for (const family of ['ip', 'ip6'] as const) {
    if (hasChain(listed, family, chain)) programs.push(await firstThatWorks(nftPrograms[family]))
    const legacy = legacyPrograms[family]
    if (inLegacyUse(family) && (await listChain(legacy, chain)) !== undefined) programs.push(legacy)
  }
  return programs
}

const nftPrograms = { ip: ['iptables-nft', 'iptables'], ip6: ['ip6tables-nft', 'ip6tables'] } as const
const legacyPrograms = { ip: 'iptables-legacy', ip6: 'ip6tables-legacy' } as const

/** Tells whether there is a filter table of the older kind; its program is not asked, since that would make one. */
export function inLegacyUse(family: Family): boolean {
  try {
    return readFileSync(`/proc/thread-self/net/${family}_tables_names`, 'utf8').split('\n').includes('filter')
  } catch {
    return false
  }
}

/** @param listed - the output of `nft list chains`: `table ip filter {`, and in it `chain DOCKER-USER {` */
function hasChain(listed: string, family: Family, chain: string): boolean {
  const table = listed.split(/^table /m).find((part) => part.startsWith(`${family} filter {`))
  return table?.split('\n').some((line) => line.trim() === `chain ${chain} {`) ?? false
}

async function firstThatWorks(programs: readonly string[]): Promise<string> {
  for (const program of programs) if ((await run(program, ['--version'])).code === 0) return program
  return programs[0] as string
}

/**
 * Lists the rules of a chain, or of all chains, as `iptables -S` prints them; undefined where there is no such chain,
 * or no such program.
 */
export async function listChain(program: string, chain?: string): Promise<string[] | undefined> {
  const { code, printed } = await run(program, ['-w', '5', '-S', ...(chain === undefined ? [] : [chain])])
  return code === 0 ? printed.split('\n').filter(Boolean) : undefined
}

/**
 * Changes chains and rules in one transaction, and leaves all others alone.
 *
 * @throws NetnsError `NFT_FAILED` with the program's words
 */
export async function restoreRules(program: string, rules: string): Promise<void> {
  const restore = program.replace(/^(ip6?tables)(.*)$/, '$1$2-restore')
  const { code, said } = await run(restore, ['-w', '5', '--noflush'], rules)
  if (code !== 0) throw new NetnsError('NFT_FAILED', `${restore} refused: ${said.trim()}`)
}

/** Runs a program; one that is not there counts as one that fails. */
async function run(program: string, args: readonly string[], input = '') {
  const child = spawn(program, args, { stdio: 'pipe' })
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  try {
    const [printed, said, [code]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'close'),
    ])
    return { code: code as number | null, printed, said }
  } catch (error) {
    return { code: null, printed: '', said: String(error) }
  }
}
