import t from 'tap'
import type { Networks } from '../../src/engine/networks/networks.ts'
import { createHostEndpoints } from '../../src/engine/registry/host-endpoints.ts'
import { PublishedIndex } from '../../src/engine/registry/published-ports.ts'
import type { ServiceNetwork } from '../../src/network/index.ts'

const port = (host: number) => ({ host, service: 80, address: '127.0.0.1', protocol: 'tcp' as const })

t.test('ports are listed for their service, until they are closed', async (t) => {
  const published = new PublishedIndex()
  const unlist = published.add('net/a', [port(1)])
  published.add('net/a', [port(2)])
  published.add('net/b', [port(3)])
  t.same(published.of('net/a'), [port(1), port(2)])
  unlist()
  unlist()
  t.same(published.of('net/a'), [port(2)])
  t.same(published.of('net/nobody'), [])
})

t.test('a tunnel is listed as long as its network is there', async (t) => {
  let last = 7000
  /** One that the host has no route to. */
  const unreachable = () =>
    ({
      name: 'ci',
      network: {
        hostRoute: { present: false },
        async forward() {
          last += 1
          return { port: last, address: '127.0.0.1', async [Symbol.asyncDispose]() {} }
        },
      },
    }) as unknown as ServiceNetwork
  let current: ServiceNetwork | undefined = unreachable()
  const published = new PublishedIndex()
  const networks = { get: () => current } as unknown as Networks
  const endpoints = createHostEndpoints({ networks, published })
  const reach = (network: ServiceNetwork) =>
    endpoints.reach({ network, key: 'ci/db', port: 80, protocol: 'tcp', address: () => '10.0.0.2' })
  t.equal(await reach(current), '127.0.0.1:7001')
  t.same(published.of('ci/db'), [port(7001)])
  current = undefined
  t.same(published.of('ci/db'), [], 'it went with the network')
  current = unreachable()
  t.equal(await reach(current), '127.0.0.1:7002')
  t.same(published.of('ci/db'), [port(7002)], 'another network of that name has its own')
  await endpoints.close()
})
