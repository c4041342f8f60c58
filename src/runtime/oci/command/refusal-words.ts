import { type MoorageError, moorageError } from '../../../errors/index.ts'
import type { OciTool } from '../oci-tool.ts'

/** A command that was to be executed, for messages. */
interface Wanted {
  readonly command: string
  readonly image: string
  readonly workdir: string
}

/** The words of the OCI runtimes, each with the kernel's own at its end, for a command that they did not even try. */
const untried: readonly [pattern: RegExp, code: 'COMMAND_NOT_FOUND' | 'COMMAND_NOT_EXECUTABLE'][] = [
  [/executable file `[^`]*` not found in \$PATH/, 'COMMAND_NOT_FOUND'],
  [/exec: \\?"[^"]*": (?:executable file not found|stat .*no such file)/, 'COMMAND_NOT_FOUND'],
  [/open executable: ([^\n]+)/, 'COMMAND_NOT_EXECUTABLE'],
  [/exec: \\?"[^"]*": ([^\n"\\]+)/, 'COMMAND_NOT_EXECUTABLE'],
]
const noWorkdir = /\bchdir[^:]*:? .*?([^:"\n]+)"?\s*$/

/**
 * Returns the error for a command that an OCI runtime refused, from its log; undefined where something else was wrong. Most
 * such commands are refused before: see check-command.ts.
 */
export function untriedCommand(log: string, { command, image, workdir }: Wanted): MoorageError | undefined {
  for (const [pattern, code] of untried) {
    const match = pattern.exec(log)
    if (match) return moorageError(code, { command, image, reason: match[1]?.toLowerCase() ?? '' })
  }
  const reason = noWorkdir.exec(log.trim())?.[1]
  if (reason === undefined) return undefined
  const words = `the working directory ${workdir}: ${reason.trim().toLowerCase()}`
  return moorageError('COMMAND_NOT_EXECUTABLE', { command, image, reason: words })
}

/** What each OCI runtime writes in place of the command when execve(2) fails, with the kernel's words at its end. */
const lastWords: Readonly<Record<OciTool['kind'], RegExp>> = {
  crun: /^exec container process (?:\(missing dynamic library\?\) )?`[^\n]*`: ([^\n]+)\n?$/,
  runc: /^exec \/[^\n]*: ((?:no such file|permission|operation|exec format|argument list|text file|too many|input\/output|cannot allocate)[^\n]*)\n?$/,
}

/** Exit codes of a runtime's process that could not become the command. */
const codes = [1, 126, 127, 255]

/** Longer words are a program's. */
const longestWords = 8_192

/** Returns false when the next data must wait. */
type Append = (stream: 'stdout' | 'stderr', data: Buffer) => boolean

/**
 * Tells a program's output from the words of an OCI runtime that could not become that program: these stand alone, and
 * the process ends. Until it is clear whose they are they are held back.
 */
export class RefusalWatch {
  readonly #pattern: RegExp
  readonly #append: Append
  /** Undefined when something else was written: then all is a program's. */
  #held: Buffer | undefined = Buffer.alloc(0)

  constructor(kind: OciTool['kind'], append: Append) {
    this.#pattern = lastWords[kind]
    this.#append = append
  }

  take(stream: 'stdout' | 'stderr', data: Buffer): boolean {
    if (this.#held === undefined) return this.#append(stream, data)
    const held = Buffer.concat([this.#held, data])
    if (stream === 'stderr' && held.length <= longestWords && this.#pattern.test(held.toString())) {
      this.#held = held
      return true
    }
    this.#release()
    return this.#append(stream, data)
  }

  /** Returns the kernel's words if the command was not executed; otherwise what was held back is output. */
  end(code: number): string | undefined {
    const reason = codes.includes(code) ? this.#pattern.exec(this.#held?.toString() ?? '')?.[1] : undefined
    if (reason === undefined) this.#release()
    return reason?.toLowerCase()
  }

  #release(): void {
    const held = this.#held
    this.#held = undefined
    if (held !== undefined && held.length > 0) this.#append('stderr', held)
  }
}
