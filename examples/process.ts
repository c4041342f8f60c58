/**
 * Names and aliases for a process that was started by hand, in namespaces of its own:
 *     unshare --net --mount sh          (and `echo $$` there tells its pid)
 * Usage: node examples/process.ts PID. Until it ends it reaches a server as `postgres`, and as db.moorage.internal.
 */
import { execFileSync } from 'node:child_process'
import { readlinkSync } from 'node:fs'
import { createServiceNetwork } from '../src/network/index.ts'

const pid = Number(process.argv[2])
if (readlinkSync(`/proc/${pid}/ns/mnt`) === readlinkSync('/proc/self/ns/mnt'))
  throw new Error(`process ${pid} has no mount namespace of its own: its /etc/hosts is everybody’s`)
await using web = await createServiceNetwork({ name: 'process-example' })
const db = await web.join({ name: 'db' })
const server = await db.sandbox.listenTcp(5432)
server.on('connection', (client) => client.end('hello from db\n'))
const member = await web.adopt({ pid }, { name: 'shell', aliases: { postgres: 'db' } })
const files = { '/etc/hosts': member.hostsFile, '/etc/resolv.conf': member.resolvConf }
for (const [path, file] of Object.entries(files))
  execFileSync('nsenter', ['--mount', '--target', String(pid), 'mount', '--bind', file, path])
console.log(`process ${pid} has the address ${member.address}`)
await member.ended
server.close()
