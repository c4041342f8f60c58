import { spawn } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import t from 'tap'
import { peerCredentials } from '../../src/kernel/index.ts'
import { ownDirectory } from './own-directory.ts'

t.test('who is at the other end of a unix socket', async (t) => {
  const at = ownDirectory(t)
  const server = net.createServer().listen(at('socket'))
  await once(server, 'listening')
  const client = spawn(process.execPath, ['-e', `require('net').connect('${at('socket')}')`], {
    uid: 0,
    gid: 0,
  })
  const [connection] = await once(server, 'connection')
  t.same(peerCredentials(connection._handle.fd), { pid: client.pid, uid: 0, gid: 0 })
  connection.destroy()
  server.close()
  await once(client, 'exit')
})
