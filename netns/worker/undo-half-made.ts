import { NetnsError } from '../kernel/index.ts'

/**
 * Takes back what was half made. Returns the error to report: the one that stopped the making; if taking back fails as
 * well, one that says so and carries both.
 */
export async function takeBack(steps: AsyncDisposableStack, error: unknown): Promise<unknown> {
  try {
    await steps.disposeAsync()
    return error
  } catch (failure) {
    const reason = error instanceof Error ? error.message : String(error)
    const again = failure instanceof Error ? failure.message : String(failure)
    const code = error instanceof NetnsError ? error.code : 'KERNEL'
    return new NetnsError(code, `${reason}; and taking back what was made failed: ${again}`, {
      cause: new AggregateError([error, failure]),
    })
  }
}
