import { createReadStream } from 'node:fs'
import { exportDirectory } from '../../src/client/files/export-directory.ts'

// Writes the tar TAR to TARGET, as whoever runs it; with FAIL it breaks off after the tar. Prints what went wrong.
const [tar = '', target = '', fail] = process.argv.slice(2)
try {
  await exportDirectory(target, { wipe: false, signal: new AbortController().signal }, async (write) => {
    for await (const piece of createReadStream(tar)) await write(piece as Buffer)
    if (fail) throw new Error('broke off')
  })
} catch (error) {
  console.log(String(error))
}
