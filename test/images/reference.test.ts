import t from 'tap'
import { parseReference } from '../../src/images/index.ts'

const digest = `sha256:${'0123456789abcdef'.repeat(4)}`

const registries: Record<string, string> = {
  redis: 'docker.io/library/redis:latest',
  'redis:7': 'docker.io/library/redis:7',
  'bitnami/redis:7': 'docker.io/bitnami/redis:7',
  'docker.io/redis': 'docker.io/library/redis:latest',
  'index.docker.io/library/redis:7': 'docker.io/library/redis:7',
  'ghcr.io/a/b/c:v1.2-x_y': 'ghcr.io/a/b/c:v1.2-x_y',
  'localhost/x': 'localhost/x:latest',
  'localhost:5000/x:1': 'localhost:5000/x:1',
  'registry:5000/x': 'registry:5000/x:latest',
  'registry/x': 'docker.io/registry/x:latest',
  '[::1]:5000/x': '[::1]:5000/x:latest',
  'EXAMPLE.com/x': 'example.com/x:latest',
  [`redis@${digest}`]: `docker.io/library/redis@${digest}`,
  [`redis:7@${digest}`]: `docker.io/library/redis@${digest}`,
  'a__b/c--d.e': 'docker.io/a__b/c--d.e:latest',
}
const packages: Record<string, string> = {
  'mmdebstrap:bookworm?packages=redis-server,redis-tools':
    'mmdebstrap:bookworm?packages=redis-server,redis-tools',
  'mmdebstrap:bookworm?packages=b2,a1,b2': 'mmdebstrap:bookworm?packages=a1,b2',
  'mmdebstrap:trixie?packages=libstdc++6,g++': 'mmdebstrap:trixie?packages=g++,libstdc++6',
  'mmdebstrap:sid?packages=redis-server=5:7.0.15-1~deb12u1':
    'mmdebstrap:sid?packages=redis-server=5:7.0.15-1~deb12u1',
  'mmdebstrap:bookworm-backports': 'mmdebstrap:bookworm-backports',
  'mmdebstrap:bookworm?unpacked': 'mmdebstrap:bookworm?unpacked',
  'mmdebstrap:bookworm?packages=b2,a1&unpacked': 'mmdebstrap:bookworm?packages=a1,b2&unpacked',
  'mmdebstrap:bookworm?unpacked&packages=libstdc++6=12.2.0-14':
    'mmdebstrap:bookworm?packages=libstdc++6=12.2.0-14&unpacked',
}
for (const [ref, whole] of Object.entries({ ...registries, ...packages })) {
  t.test(`${ref} is ${whole}`, async (t) => {
    t.equal(parseReference(ref).ref, whole)
    t.equal(parseReference(whole).ref, whole, 'which means itself')
  })
}

const invalid = [
  '',
  ':',
  '@',
  'Redis',
  'redis:',
  'redis:a b',
  'redis:-x',
  '-redis',
  '--help',
  'a//b',
  '/etc/passwd',
  '../up',
  'a/../b',
  'redis@sha256:123',
  `redis@${digest}@${digest}`,
  `redis@md5:${'0'.repeat(32)}`,
  'docker://redis',
  'redis\n',
  'redis\0',
  `${'a/'.repeat(200)}a`,
  `redis:${'x'.repeat(129)}`,
  'mmdebstrap:',
  'mmdebstrap:Bookworm',
  'mmdebstrap:-o',
  'mmdebstrap:../x',
  'mmdebstrap:bookworm?',
  'mmdebstrap:bookworm?packages',
  'mmdebstrap:bookworm?packages=',
  'mmdebstrap:bookworm?packages=a1,',
  'mmdebstrap:bookworm?packages=hostname,--help',
  'mmdebstrap:bookworm?packages=hostname --help',
  'mmdebstrap:bookworm?packages=-oDPkg::Pre-Invoke::=id',
  'mmdebstrap:bookworm?packages=~nhostname',
  'mmdebstrap:bookworm?packages=?name(x)',
  'mmdebstrap:bookworm?packages=/tmp/x.deb',
  'mmdebstrap:bookworm?packages=./x.deb',
  'mmdebstrap:bookworm?packages=hostname-',
  'mmdebstrap:bookworm?packages=hostname/sid',
  'mmdebstrap:bookworm?packages=hostname:i386',
  'mmdebstrap:bookworm?packages=hostname*',
  'mmdebstrap:bookworm?packages=hostname\n',
  'mmdebstrap:bookworm?packages=a1&mirror=http://x',
  'mmdebstrap:bookworm?packages=a1&',
  'mmdebstrap:bookworm?packages=a1&packages=b1',
  'mmdebstrap:bookworm?unpacked=yes',
  'mmdebstrap:bookworm?unpacked&unpacked',
  'mmdebstrap:bookworm?Unpacked',
  'mmdebstrap:bookworm?unpacked,a1',
  'mmdebstrap:bookworm?mirror=http://x',
  'mmdebstrap:bookworm?packages=a1?packages=b1',
]
for (const ref of invalid) {
  t.test(`${JSON.stringify(ref.slice(0, 80))} is refused`, async (t) => {
    t.throws(() => parseReference(ref), { code: 'INVALID_IMAGE', details: { ref } })
  })
}

for (const ref of [
  'oci:/layout:x',
  'docker-archive:/x.tar',
  'docker-daemon:redis:7',
  'oci-archive:x',
  'dir:/x',
]) {
  t.test(`${ref} is of a later version`, async (t) => {
    t.throws(() => parseReference(ref), { code: 'NOT_YET' })
  })
}
