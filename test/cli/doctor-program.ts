/** Runs `moorage doctor` as the user 65534. Everything is loaded first: that user may be unable to read this folder. */
import { runCommandLine } from '../../src/cli/command-line.ts'
import '../../src/cli/commands/doctor.ts'

process.seteuid?.(65_534)
process.exitCode = await runCommandLine(process.argv.slice(2))
