import { argumentProblem, sumProblem, textProblem } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import type { ExecFields } from './exec-node.ts'

/** @throws MoorageError INVALID_OPTION, naming the argument by its number from 1 */
export function checkArguments(what: string, args: readonly string[]): void {
  for (const [index, argument] of args.entries()) {
    const reason = argumentProblem(argument)
    if (reason !== undefined)
      throw new MoorageError('INVALID_OPTION', { option: `argument ${index + 1} of ${what}`, reason })
  }
}

/** @throws MoorageError INVALID_OPTION, naming the variable */
export function checkVariable(name: string, value: string): void {
  const reason = argumentProblem(`${name}=${value}`)
  if (reason !== undefined) throw new MoorageError('INVALID_OPTION', { option: `variable "${name}"`, reason })
}

/** @throws MoorageError INVALID_OPTION */
export function checkText(option: string, text: string): void {
  const reason = textProblem(text)
  if (reason !== undefined) throw new MoorageError('INVALID_OPTION', { option, reason })
}

/** Checks what a command's process begins with, as far as it is described here. @throws MoorageError INVALID_OPTION */
export function checkProcess({ args = [], env = [], stdin, resources }: ExecFields): void {
  checkArguments('the command', args)
  if (stdin !== undefined) checkText('stdin', stdin)
  const stack = resources?.ulimits?.stack
  const reason = sumProblem(args, [...new Map(env)], typeof stack === 'object' ? stack.soft : stack)
  if (reason !== undefined) throw new MoorageError('INVALID_OPTION', { option: 'the command', reason })
}
