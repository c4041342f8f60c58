/**
 * Names and aliases for two containers started by plain crun. The client knows the server as `postgres`.
 * Usage: node examples/crun.ts BUNDLE, a directory with a rootfs that holds busybox, and the config.json of `crun spec`.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServiceNetwork, type Member } from '../src/network/index.ts'

const bundle = process.argv[2] as string
await using web = await createServiceNetwork({ name: 'crun-example' })
function crun(name: string, { namespace, hostsFile, resolvConf }: Member, command: string) {
  const config = JSON.parse(readFileSync(`${bundle}/config.json`, 'utf8'))
  Object.assign(config.process, { args: ['sh', '-c', command], terminal: false })
  config.linux.namespaces.find(({ type }: { type: string }) => type === 'network').path = namespace
  const files = { '/etc/hosts': hostsFile, '/etc/resolv.conf': resolvConf }
  for (const [destination, source] of Object.entries(files))
    config.mounts.push({ destination, source, type: 'bind', options: ['bind', 'ro'] })
  writeFileSync(`${bundle}/${name}.json`, JSON.stringify(config))
  const id = `${name}-${process.pid}`
  return spawn('crun', ['run', '--bundle', bundle, '--config', `${bundle}/${name}.json`, id], {
    stdio: 'inherit',
  })
}
const server = crun('db', await web.join({ name: 'db' }), 'echo hello from db | nc -l -p 5432')
const client = await web.join({ aliases: { postgres: 'db' } })
const ended = once(crun('client', client, 'until nc postgres 5432 </dev/null; do sleep 0.1; done'), 'exit')
await Promise.all([ended, once(server, 'exit')])
