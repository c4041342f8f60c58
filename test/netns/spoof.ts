/** Frames as a malicious root of a sandbox would send them: any MAC, any source. */
import { inside } from './support.ts'

const program = `
import socket, struct, sys
link, kind, mac, source, to_mac, to, word, patience = sys.argv[1:]
raw = lambda text: bytes.fromhex(text.replace(':', ''))
def checksum(data):
    data += b'\\0' * (len(data) % 2)
    total = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    while total >> 16: total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff
family = socket.AF_INET6 if ':' in source else socket.AF_INET
src, dst = socket.inet_pton(family, source), socket.inet_pton(family, to)
if kind == 'arp':
    frame = b'\\xff' * 6 + raw(mac) + struct.pack('!HHHBBH', 0x806, 1, 0x800, 6, 4, 1) + raw(mac) + src + b'\\0' * 6 + dst
else:
    data = word.encode()
    udp = struct.pack('!HHHH', 5353, 53, 8 + len(data), 0)
    if family == socket.AF_INET:
        pseudo = src + dst + struct.pack('!BBH', 0, 17, 8 + len(data))
    else:
        pseudo = src + dst + struct.pack('!IHBB', 8 + len(data), 0, 0, 17)
    udp = udp[:6] + struct.pack('!H', checksum(pseudo + udp + data)) + data
    if family == socket.AF_INET:
        head = struct.pack('!BBHHHBBH', 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0) + src + dst
        head = head[:10] + struct.pack('!H', checksum(head)) + head[12:]
    else:
        head = struct.pack('!IHBB', 6 << 28, len(udp), 17, 64) + src + dst
    ether = 0x800 if family == socket.AF_INET else 0x86dd
    frame = raw(to_mac) + raw(mac) + struct.pack('!H', ether) + head + udp
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x806))
s.bind((link, 0x806))
s.send(frame)
if kind == 'arp':
    s.settimeout(float(patience))
    try:
        while True:
            got = s.recv(64)
            if got[20:22] == b'\\0\\2' and got[28:32] == dst: print('answered'); break
    except TimeoutError:
        print('silence')
`

export interface Forgery {
  mac: string
  source: string
  toMac: string
  to: string
  word: string
}

/** A datagram to port 53. */
export function sendForged(namespace: string, { mac, source, toMac, to, word }: Forgery): void {
  inside(namespace, '/usr/bin/python3', '-c', program, 'eth0', 'udp', mac, source, toMac, to, word, '0')
}

/** Asks by ARP who has an address, as somebody; whether it was answered, within seconds. */
export function askArp(
  namespace: string,
  { mac, source, to }: Omit<Forgery, 'toMac' | 'word'>,
  patience = 0.5,
): string {
  return inside(
    namespace,
    '/usr/bin/python3',
    '-c',
    program,
    'eth0',
    'arp',
    mac,
    source,
    mac,
    to,
    '',
    String(patience),
  ).trim()
}
