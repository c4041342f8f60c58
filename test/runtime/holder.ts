/**
 * A process that holds a runtime, for tests that kill it. Prints the container's pid, then waits.
 *
 * Usage: node holder.ts INSTANCE RUN_DIRECTORY SPEC
 */
import { createOciRuntime } from '../../src/runtime/oci/index.ts'

const [instance = '', runDirectory = '', spec = ''] = process.argv.slice(2)
const runtime = await createOciRuntime({ instance, runDirectory })
const container = await runtime.start(JSON.parse(spec))
console.log(container.pid)
await container.exited
