/** The entry of the command `moorage`: run by Node itself from a checkout, imported by bin/moorage.js in a package. */
import { runCommandLine } from './command-line.ts'
import { flushStandardStreams } from './standard-streams.ts'

const code = await runCommandLine(process.argv.slice(2))
await flushStandardStreams()
// A command that has ended is over, even if a handle is still open.
process.exit(code)
