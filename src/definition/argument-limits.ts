/** The bounds that execve(2) sets to the arguments and the environment of a process. */

/** The longest argument or `NAME=value`, in bytes with its NUL: MAX_ARG_STRLEN. */
export const longestArgument = 131_072

/** RLIMIT_STACK where nothing else was asked for, in bytes; arguments and environment may take a quarter of it. */
const usualStack = 8 * 1024 * 1024

/** The bounds of that quarter, in bytes: ARG_MAX, and three quarters of the kernel's own default. */
const leastSum = 131_072
const greatestSum = 6 * 1024 * 1024

/** Bytes of the pointer to each string. */
const pointer = 8

/** Says why a text cannot be an argument, or a variable as `NAME=value`; undefined when it can. */
export function argumentProblem(text: string): string | undefined {
  if (text.includes('\0')) return 'it holds a NUL byte'
  const problem = textProblem(text)
  if (problem !== undefined) return problem
  const size = Buffer.byteLength(text) + 1
  if (size <= longestArgument) return undefined
  return `it takes ${size} bytes, and the kernel takes ${longestArgument} of one argument or variable (MAX_ARG_STRLEN), name, "=" and NUL included; pass it as a file or as stdin`
}

/** Says why a text cannot be turned into bytes; undefined when it can. */
export function textProblem(text: string): string | undefined {
  return text.isWellFormed() ? undefined : 'it holds half of a surrogate pair, which no UTF-8 has'
}

/**
 * Says why a command and its environment are too long together; undefined when they are not.
 *
 * @param env - names and values
 * @param stack - the stack limit of the process in bytes
 */
export function sumProblem(
  args: readonly string[],
  env: readonly (readonly [name: string, value: string | null])[],
  stack: number = usualStack,
): string | undefined {
  const limit = Math.max(leastSum, Math.min(greatestSum, Math.floor(stack / 4)))
  let size = 0
  for (const argument of args) size += Buffer.byteLength(argument) + 1 + pointer
  for (const [name, value] of env) {
    if (value !== null) size += Buffer.byteLength(name) + Buffer.byteLength(value) + 2 + pointer
  }
  if (size <= limit) return undefined
  return `the arguments and the environment take ${size} bytes together, and the kernel takes ${limit} (ARG_MAX, a quarter of the stack limit); pass some as a file or as stdin`
}
