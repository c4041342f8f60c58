import type { Answer, ExecCheck } from '../../lifecycle/index.ts'
import type { ProbeTarget } from './target.ts'

/** How much of a command's last words an answer holds. */
const shown = 200

/** One run of the command in the container. */
export async function probeExec(
  { container }: ProbeTarget,
  { args }: ExecCheck,
  signal: AbortSignal,
): Promise<Answer> {
  const { code, signal: killedBy, output } = await container.exec({ args }, { signal })
  if (code === 0) return { ok: true }
  const words = output.trim().split('\n').at(-1)?.slice(-shown)
  const how = killedBy === null ? `exit code ${code}` : `killed by ${killedBy}`
  return { ok: false, answer: words ? `${how}: ${words}` : how }
}
