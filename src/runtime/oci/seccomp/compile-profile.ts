import '../../../kernel/index.ts'

import { closeSync, openSync, readFileSync, unlinkSync } from 'node:fs'
import { constants } from 'node:os'
import koffi from 'koffi'
import { MoorageError } from '../../../errors/index.ts'
import type { OciSeccomp, OciSeccompArgument } from './profile.ts'

/** seccomp.h: the actions. SCMP_ACT_ERRNO takes an errno in its low bits. */
const actions: Record<string, number> = {
  SCMP_ACT_KILL: 0x00000000,
  SCMP_ACT_KILL_THREAD: 0x00000000,
  SCMP_ACT_KILL_PROCESS: 0x80000000,
  SCMP_ACT_TRAP: 0x00030000,
  SCMP_ACT_ERRNO: 0x00050000,
  SCMP_ACT_LOG: 0x7ffc0000,
  SCMP_ACT_ALLOW: 0x7fff0000,
}

/** seccomp.h: enum scmp_compare. */
const comparisons: Record<string, number> = {
  SCMP_CMP_NE: 1,
  SCMP_CMP_LT: 2,
  SCMP_CMP_LE: 3,
  SCMP_CMP_EQ: 4,
  SCMP_CMP_GE: 5,
  SCMP_CMP_GT: 6,
  SCMP_CMP_MASKED_EQ: 7,
}

/** seccomp.h: `struct scmp_arg_cmp { unsigned arg; enum op; u64 datum_a; u64 datum_b }`. */
const argumentLength = 24
const SCMP_FLTATR_CTL_OPTIMIZE = 8
/** Value of that attribute: a binary tree of comparisons instead of a list, so that all system calls cost the same. */
const optimizeTree = 2
const __NR_SCMP_ERROR = -1

/**
 * Compiles a seccomp profile to the kernel's BPF, with libseccomp, which crun needs anyway. crun itself would compile it
 * for each container, 15 ms each time; a compiled filter, given as an annotation, it only loads.
 *
 * @param scratch - path of a file that exists for a moment
 */
export function compileSeccomp(profile: OciSeccomp, scratch: string): Buffer {
  const seccomp = loadLibrary()
  const context = seccomp.init(actionOf(profile.defaultAction, profile.defaultErrnoRet))
  if (context === null) throw new Error('seccomp_init failed')
  try {
    check('seccomp_attr_set', seccomp.attrSet(context, SCMP_FLTATR_CTL_OPTIMIZE, optimizeTree))
    for (const architecture of profile.architectures) {
      const token = seccomp.archResolveName(architecture.replace('SCMP_ARCH_', '').toLowerCase())
      const result = seccomp.archAdd(context, token)
      // The native architecture is there from the start.
      if (result !== -constants.errno.EEXIST) check(`seccomp_arch_add ${architecture}`, result)
    }
    const defaultAction = actionOf(profile.defaultAction, profile.defaultErrnoRet)
    for (const { names, action, errnoRet, args = [] } of profile.syscalls) {
      const code = actionOf(action, errnoRet)
      // libseccomp refuses a rule that says what the default says.
      if (code === defaultAction) continue
      const encoded = encodeArguments(args)
      for (const name of names) {
        const number = seccomp.syscallResolveName(name)
        // A system call that is newer than this libseccomp gets the default action.
        if (number === __NR_SCMP_ERROR) continue
        check(`seccomp_rule_add ${name}`, seccomp.ruleAdd(context, code, number, args.length, encoded))
      }
    }
    return exportFilter((fd) => check('seccomp_export_bpf', seccomp.exportBpf(context, fd)), scratch)
  } finally {
    seccomp.release(context)
  }
}

function loadLibrary() {
  try {
    const library = koffi.load('libseccomp.so.2')
    return {
      init: library.func('void *seccomp_init(uint32_t action)'),
      release: library.func('void seccomp_release(void *context)'),
      attrSet: library.func('int seccomp_attr_set(void *context, int attribute, uint32_t value)'),
      archResolveName: library.func('uint32_t seccomp_arch_resolve_name(const char *name)'),
      archAdd: library.func('int seccomp_arch_add(void *context, uint32_t token)'),
      syscallResolveName: library.func('int seccomp_syscall_resolve_name(const char *name)'),
      ruleAdd: library.func(
        'int seccomp_rule_add_array(void *context, uint32_t action, int syscall, uint count, const void *arguments)',
      ),
      exportBpf: library.func('int seccomp_export_bpf(void *context, int fd)'),
    }
  } catch (error) {
    throw new MoorageError('RUNTIME_MISSING', { what: 'libseccomp.so.2' }, { cause: error })
  }
}

function actionOf(name: string, errno: number = constants.errno.EPERM): number {
  const action = actions[name]
  if (action === undefined) throw new Error(`the seccomp action ${name} is not known`)
  return name === 'SCMP_ACT_ERRNO' ? action | errno : action
}

function encodeArguments(args: readonly OciSeccompArgument[]): Buffer {
  const encoded = Buffer.alloc(Math.max(1, args.length) * argumentLength)
  for (const [i, { index, value, valueTwo = 0, op }] of args.entries()) {
    const comparison = comparisons[op]
    if (comparison === undefined) throw new Error(`the seccomp comparison ${op} is not known`)
    const at = i * argumentLength
    encoded.writeUInt32LE(index, at)
    encoded.writeUInt32LE(comparison, at + 4)
    encoded.writeBigUInt64LE(BigInt(value), at + 8)
    encoded.writeBigUInt64LE(BigInt(valueTwo), at + 16)
  }
  return encoded
}

/** libseccomp writes the filter to a descriptor only. */
function exportFilter(write: (fd: number) => void, scratch: string): Buffer {
  const fd = openSync(scratch, 'wx+', 0o600)
  try {
    write(fd)
    return readFileSync(scratch)
  } finally {
    closeSync(fd)
    unlinkSync(scratch)
  }
}

function check(what: string, result: number): void {
  if (result < 0) throw new Error(`${what}: error ${result}`)
}
