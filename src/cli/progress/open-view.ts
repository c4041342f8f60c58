import type { Terminal } from '../terminal.ts'
import { lineView } from './line-view.ts'
import type { ProgressView } from './progress-view.ts'

/**
 * Opens a view: live on a terminal for people; lines elsewhere, which are for files and pipes, terminals that cannot
 * move the cursor, programs that asked for JSON, and people who asked for every step.
 */
export async function openProgressView(terminal: Terminal): Promise<ProgressView> {
  const { json, quiet, verbose } = terminal
  if (process.stderr.isTTY && process.env.TERM !== 'dumb' && !json && !quiet && !verbose) {
    const { liveView } = await import('./live-view.ts')
    return liveView(terminal)
  }
  return lineView(terminal)
}
