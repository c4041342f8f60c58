import { createReadStream } from 'node:fs'
import { exportDirectory } from '../../src/client/files/export-directory.ts'

// Exports the content of TAR to TARGET, as the user that runs it; with FAIL it throws after the tar. Prints the error.
const [tar = '', target = '', fail] = process.argv.slice(2)
try {
  await exportDirectory(target, { wipe: false, signal: new AbortController().signal }, async (write) => {
    for await (const piece of createReadStream(tar)) await write(piece as Buffer)
    if (fail) throw new Error('broke off')
  })
} catch (error) {
  console.log(String(error))
}
