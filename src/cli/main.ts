/** The entry of the command `moorage`: run by Node itself from a checkout, imported by bin/moorage.js in a package. */
import { runCommandLine } from './command-line.ts'

// Whatever handle is still open, a command that has ended is over.
process.exit(await runCommandLine(process.argv.slice(2)))
