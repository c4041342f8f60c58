/**
 * Steps that release what was acquired, to be run in the reverse order. Every step runs, and the failures are reported
 * together: a clean-up that stops half-way would leak the rest.
 */
export class Releases {
  readonly #steps: { what: string; run: () => unknown }[] = []

  add(what: string, run: () => unknown): void {
    this.#steps.push({ what, run })
  }

  async run(): Promise<void> {
    const failures: unknown[] = []
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        await step.run()
      } catch (error) {
        failures.push(
          new Error(`${step.what}: ${error instanceof Error ? error.message : error}`, { cause: error }),
        )
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, failures.map(String).join('; '))
  }
}
