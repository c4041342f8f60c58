import { mkdtempSync, readdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { compileSeccomp } from '../../src/runtime/oci/seccomp/compile-profile.ts'
import { type CommonProfile, convertProfile, readProfile } from '../../src/runtime/oci/seccomp/profile.ts'
import { removeTree } from '../remove-tree.ts'

const profile: CommonProfile = {
  defaultAction: 'SCMP_ACT_ERRNO',
  defaultErrnoRet: 38,
  archMap: [
    { architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86'] },
    { architecture: 'SCMP_ARCH_AARCH64', subArchitectures: ['SCMP_ARCH_ARM'] },
  ],
  syscalls: [
    { names: ['read'], action: 'SCMP_ACT_ALLOW', args: null, includes: {}, excludes: {} },
    { names: ['arch_prctl'], action: 'SCMP_ACT_ALLOW', includes: { arches: ['amd64'] } },
    { names: ['cacheflush'], action: 'SCMP_ACT_ALLOW', includes: { arches: ['arm', 'arm64'] } },
    { names: ['bpf'], action: 'SCMP_ACT_ALLOW', includes: { caps: ['CAP_SYS_ADMIN'] } },
    { names: ['bpf'], action: 'SCMP_ACT_ERRNO', errnoRet: 1, excludes: { caps: ['CAP_SYS_ADMIN'] } },
    { names: ['ptrace'], action: 'SCMP_ACT_ALLOW', includes: { minKernel: '4.8' } },
    {
      names: ['personality'],
      action: 'SCMP_ACT_ALLOW',
      args: [{ index: 0, value: 0xffffffff, valueTwo: 0, op: 'SCMP_CMP_EQ' }],
    },
  ],
}

t.test(
  'of containers-common’s profile that applies which fits machine, kernel and capabilities',
  async (t) => {
    const rules = (arch: string, capabilities: string[], kernel: string) =>
      convertProfile(profile, { arch, capabilities, kernel }).syscalls.map(
        ({ names, action }) => `${names} ${action}`,
      )
    const [allow, refuse] = ['SCMP_ACT_ALLOW', 'SCMP_ACT_ERRNO']
    t.same(rules('x64', [], '6.1.0-13'), [
      `read ${allow}`,
      `arch_prctl ${allow}`,
      `bpf ${refuse}`,
      `ptrace ${allow}`,
      `personality ${allow}`,
    ])
    t.same(rules('arm64', ['CAP_SYS_ADMIN'], '4.4'), [
      `read ${allow}`,
      `cacheflush ${allow}`,
      `bpf ${allow}`,
      `personality ${allow}`,
    ])
    const { architectures, defaultErrnoRet } = convertProfile(profile, { arch: 'arm64', capabilities: [] })
    t.same([architectures, defaultErrnoRet], [['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'], 38])
    t.throws(() => convertProfile(profile, { arch: 'mips', capabilities: [] }), { code: 'RUNTIME_MISSING' })
  },
)

t.test('the host’s profile compiles to a filter that the kernel takes', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'moorage-seccomp-'))
  t.teardown(() => removeTree(directory))
  const filter = compileSeccomp(
    convertProfile(readProfile().profile, { capabilities: [] }),
    join(directory, 'bpf'),
  )
  // linux/filter.h: `struct sock_filter` has 8 bytes; BPF_MAXINSNS is 4096.
  t.equal(filter.length % 8, 0)
  t.ok(filter.length > 1_000 && filter.length / 8 <= 4_096, `${filter.length} bytes`)
  t.same(readdirSync(directory), [], 'nothing is left')
})

t.test('a profile that is missing or broken is told', async (t) => {
  t.throws(() => readProfile(['/nonesuch/a', '/nonesuch/b']), {
    code: 'RUNTIME_MISSING',
    message: /nonesuch/,
  })
  const broken = join(mkdtempSync(join(tmpdir(), 'moorage-seccomp-')), 'seccomp.json')
  t.teardown(() => removeTree(join(broken, '..')))
  writeFileSync(broken, '{')
  t.throws(() => readProfile([broken]), { code: 'RUNTIME_MISSING', message: /seccomp.json/ })
})
