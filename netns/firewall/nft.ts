/** Running `nft`: for whole rulesets, each in one transaction. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { inNamespace, NetnsError } from '../kernel/index.ts'

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
      { cause },
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
