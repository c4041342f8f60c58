/** What Node itself takes for a question and an answer over a unix socket: it parses, answers and does nothing else. */
import { createServer } from 'node:http'
import { json } from 'node:stream/consumers'

const server = createServer(async (request, response) => {
  await json(request)
  response.writeHead(200, { 'content-type': 'application/x-ndjson', 'moorage-version': '0' })
  response.end('{"type":"result","value":"hello\\n","exitCode":0,"cachedAge":1}\n')
})
server.listen(process.argv[2], () => process.stdout.write('listening\n'))
process.once('SIGTERM', () => {
  server.close()
  server.closeAllConnections()
})
