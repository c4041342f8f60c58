import type { CheckAnswer, ExecCheck } from '../../lifecycle/index.ts'
import type { ProbeTarget } from './target.ts'

/** Number of characters of the command's last line that an answer shows. */
const shownCharacters = 200

/** Runs the command in the container once. */
export async function probeExec(
  { container }: ProbeTarget,
  { args }: ExecCheck,
  signal: AbortSignal,
): Promise<CheckAnswer> {
  const { code, signal: killedBy, output } = await container.exec({ args }, { signal })
  if (code === 0) return { ok: true }
  const words = output.trim().split('\n').at(-1)?.slice(-shownCharacters)
  const how = killedBy === null ? `exit code ${code}` : `killed by ${killedBy}`
  return { ok: false, answer: words ? `${how}: ${words}` : how }
}
