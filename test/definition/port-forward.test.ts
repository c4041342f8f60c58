import t from 'tap'
import { portForwardText } from '../../src/definition/index.ts'

t.test('a port of the host is written with its address, and where it leads', async (t) => {
  t.equal(portForwardText({ host: 8080, service: 80 }), '127.0.0.1:8080->80/tcp')
  t.equal(portForwardText({ host: 1, service: 53, address: '::1', protocol: 'udp' }), '[::1]:1->53/udp')
})
