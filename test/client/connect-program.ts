/**
 * A process that prints a line when it is loaded, connects when it reads a line, prints the outcome as one line of JSON,
 * and closes the connection when its standard input ends. Usage: connect-program.ts OPTIONS-AS-JSON
 */
import { once } from 'node:events'
import { connect, type MoorageError } from '../../src/index.ts'

console.log('loaded')
await once(process.stdin, 'data')
try {
  const moorage = await connect(JSON.parse(process.argv[2] ?? '{}'))
  console.log(JSON.stringify({ connected: true }))
  process.stdin.resume()
  await once(process.stdin, 'end')
  await moorage.close()
} catch (error) {
  const { code, message } = error as MoorageError
  console.log(JSON.stringify({ code, message }))
  process.stdin.destroy()
}
