/** Runs `nft`: for whole rulesets, each in one transaction. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { inNamespace, NetnsError } from '../kernel/index.ts'

/**
 * Runs commands in one transaction: all of them or none.
 *
 * @param namespace - the network's namespace that they are for. @defaultValue the host's
 * @returns their output
 * @throws NetnsError `NFT_FAILED` with nft's words
 */
export async function runNft(commands: string, namespace?: number): Promise<string> {
  const start = () => spawn('nft', ['-f', '-'], { stdio: 'pipe' })
  const nft = namespace === undefined ? start() : inNamespace(namespace, start)
  // It may end before it has read everything; its own words are the better error then.
  nft.stdin.on('error', () => {})
  nft.stdin.end(commands)
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
