import { closeSync } from 'node:fs'
import t from 'tap'
import { createNamespace, NetlinkSocket, rtnetlink } from '../../../netns/kernel/index.ts'
import { decodeAttributes, encodeAttributes, readText, text, u8, u32 } from '../../../netns/kernel/netlink.ts'
import { inside } from '../support.ts'

t.test('attributes are padded to four bytes, and nested ones say so', async (t) => {
  t.equal(encodeAttributes([[3, text('br0')]]).toString('hex'), '0800030062723000')
  t.equal(
    encodeAttributes([
      [23, u8(1)],
      [4, u32(1400)],
    ]).toString('hex'),
    '0500170001000000080004007805' + '0000',
  )
  t.equal(encodeAttributes([[12, [[33, u8(1)]]]]).toString('hex'), '0c000c800500210001000000')
  t.equal(encodeAttributes([]).length, 0)
})

t.test('what was encoded is decoded; what is cut off is not read', async (t) => {
  const bytes = encodeAttributes([
    [3, text('eth0')],
    [4, u32(1500)],
  ])
  const found = decodeAttributes(bytes)
  t.equal(readText(found.get(3) as Uint8Array), 'eth0')
  t.equal(found.size, 2)
  t.equal(decodeAttributes(bytes.subarray(0, 3)).size, 0)
  t.equal(decodeAttributes(Buffer.alloc(64)).size, 0, 'a length of zero ends it')
})

/** A namespace with a netlink socket, and what iproute2 sees in it. */
function place(t: { teardown(fn: () => void): unknown }) {
  const { fd, value: socket } = createNamespace(() => new NetlinkSocket())
  t.teardown(() => {
    socket.close()
    closeSync(fd)
  })
  const ip = (...args: string[]) => inside(`/proc/${process.pid}/fd/${fd}`, 'ip', ...args)
  return { fd, socket, ip }
}

const mac = Buffer.of(2, 0, 0, 0, 0, 1)

t.test('many requests are one send, and a later one knows what an earlier one made', async (t) => {
  const { socket, ip } = place(t)
  const address = Buffer.of(10, 9, 8, 7)
  socket.apply(
    [
      rtnetlink.bringLoopbackUp(),
      rtnetlink.addBridge({ index: 7, name: 'br7', mac, mtu: 1400 }),
      ...rtnetlink.bringUp(7, 'br7'),
      rtnetlink.addAddress(7, address),
      rtnetlink.addRoute({ to: { address: Buffer.of(10, 20, 0, 0), length: 16 }, index: 7 }),
      rtnetlink.addRoute({ index: 7, via: address.with(3, 7) }),
      rtnetlink.addNeighbour(7, Buffer.of(10, 20, 0, 1), mac),
    ].filter((_, index) => index !== 6),
  )
  t.match(ip('-o', 'link', 'show', 'br7'), /^7: br7: <.*UP.* mtu 1400 .*02:00:00:00:00:01/)
  t.match(ip('-d', 'link', 'show', 'br7'), 'addrgenmode none')
  t.match(ip('-o', 'addr', 'show', 'br7'), 'inet 10.9.8.7/32')
  t.match(ip('route'), '10.20.0.0/16 dev br7 proto static scope link')
  t.match(ip('neigh'), '10.20.0.1 dev br7 lladdr 02:00:00:00:00:01 PERMANENT')
  t.match(
    rtnetlink.listLinks(socket).find(({ name }) => name === 'br7'),
    { index: 7, mtu: 1400 },
  )
  t.match(
    rtnetlink.listRoutes(socket).find(({ length }) => length === 16),
    { address: Buffer.of(10, 20, 0, 0), length: 16, index: 7 },
  )

  socket.apply([
    rtnetlink.removeNeighbour(7, Buffer.of(10, 20, 0, 1)),
    rtnetlink.removeRoute({ to: { address: Buffer.of(10, 20, 0, 0), length: 16 }, index: 7 }),
    rtnetlink.removeLink(7, 'br7'),
  ])
  t.notMatch(ip('link'), 'br7')
})

t.test(
  'IPv6 addresses, routes and neighbours are as IPv4’s, and an address can be used at once',
  async (t) => {
    const { socket, ip } = place(t)
    const own = Buffer.from('fd000001000200000000000000000007', 'hex')
    const gateway = Buffer.from('fd000001000200000000000000000001', 'hex')
    socket.apply([
      rtnetlink.addBridge({ index: 7, name: 'br7', mac, mtu: 1400 }),
      ...rtnetlink.bringUp(7, 'br7'),
      rtnetlink.addAddress(7, own),
      rtnetlink.addRoute({ to: { address: gateway, length: 128 }, index: 7 }),
      rtnetlink.addRoute({ index: 7, via: gateway }),
      rtnetlink.addNeighbour(7, gateway, mac),
    ])
    t.match(ip('-6', '-o', 'addr', 'show', 'br7'), /inet6 fd00:1:2::7\/128 scope global nodad/)
    t.notMatch(ip('-6', '-o', 'addr', 'show', 'br7'), /tentative|fe80/)
    t.match(ip('-6', 'route'), /default via fd00:1:2::1 dev br7/)
    t.match(ip('-6', 'neigh'), 'fd00:1:2::1 dev br7 lladdr 02:00:00:00:00:01')
    t.match(
      rtnetlink.listRoutes(socket, 'ipv6').find(({ length }) => length === 0),
      { address: Buffer.alloc(16), index: 7 },
    )
  },
)

t.test('of several that are refused the first is told, with what the kernel says of it', async (t) => {
  const { socket, ip } = place(t)
  const bridge = rtnetlink.addBridge({ index: 7, name: 'br7', mac, mtu: 1500 })
  const refuse = () => socket.apply([bridge, bridge, rtnetlink.removeLink(99, 'nobody')])
  t.throws(refuse, {
    name: 'NetnsError',
    code: 'KERNEL',
    errno: 'EEXIST',
    message: /^make the bridge br7: EEXIST/,
  })
  t.match(ip('link'), 'br7', 'the others were done')
  t.throws(() => socket.apply([rtnetlink.addAddress(99, Buffer.of(10, 0, 0, 1))]), {
    errno: 'ENODEV',
    message: /^give a link the address 10\.0\.0\.1: ENODEV/,
  })
  t.same(
    rtnetlink
      .listLinks(socket)
      .map(({ name }) => name)
      .sort(),
    ['br7', 'lo'],
    'and the socket goes on',
  )
})

t.test('a group of links goes as one', async (t) => {
  const { socket, ip } = place(t)
  const other = createNamespace(() => undefined)
  t.teardown(() => closeSync(other.fd))
  socket.apply(
    [1, 2, 3].map((count) =>
      rtnetlink.addVeth({
        index: 10 + count,
        name: `v${count}`,
        mtu: 1500,
        group: count === 3 ? 2 : 1,
        peer: { index: 10 + count, name: `e${count}`, namespace: other.fd, mac },
      }),
    ),
  )
  socket.apply([rtnetlink.removeLinkGroup(1)])
  t.same(ip('-o', 'link').match(/v\d/g), ['v3'])
})
