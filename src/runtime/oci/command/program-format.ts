import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { readIfThere } from '../read-if-there.ts'
import type { RootFile } from '../rootfs/root-view.ts'

/** The kernel decides by as many bytes at a file's beginning (BINPRM_BUF_SIZE). */
const headLength = 256

/** What the kernel would do with a file that is to be executed. */
export type ProgramFormat =
  /** A program, or whatever only the kernel can tell; with the dynamic loader that it needs. */
  | { readonly kind: 'program'; readonly interpreter?: string }
  | { readonly kind: 'script'; readonly interpreter: string }
  /** execve(2) would say ENOEXEC; `reason` is a clause about `it`. */
  | { readonly kind: 'none'; readonly reason: string }

/** Tells a program from a script, and both from anything else, as execve(2) does by the first bytes. */
export function programFormat(file: RootFile): ProgramFormat {
  const head = file.read(0, headLength)
  if (head.subarray(0, 2).toString('latin1') === '#!') return scriptFormat(head)
  if (head.length >= 4 && head.readUInt32BE(0) === 0x7f454c46) return elfFormat(file, head)
  if (isRegisteredFormat(head)) return { kind: 'program' }
  return {
    kind: 'none',
    reason: file.stat.size === 0 ? 'it is an empty file' : 'it is neither a program nor a script (no #!)',
  }
}

/** As fs/binfmt_script.c: blanks are spaces and tabs, and nothing else ends the name: a carriage return is part of it. */
function scriptFormat(head: Buffer): ProgramFormat {
  const text = head.toString('latin1')
  const [line = ''] = text.slice(2).split('\n', 1)
  const isWhole = text.includes('\n') || head.length < headLength
  const [, name = '', rest = ''] = /^[ \t]*([^ \t\0]*)(.*)$/s.exec(line) ?? []
  if (name === '') return { kind: 'none', reason: 'its first line, #!, names no interpreter' }
  if (!isWhole && rest === '')
    return { kind: 'none', reason: `the interpreter in its first line has more than ${headLength} bytes` }
  return { kind: 'script', interpreter: Buffer.from(name, 'latin1').toString() }
}

/** Values of e_machine (elf(5)) that this machine runs, some of them by a part of the kernel that it may lack. */
const ownMachines: Readonly<Record<string, readonly number[]>> = {
  x64: [62, 3],
  arm64: [183, 40],
}
const machineNames: Readonly<Record<number, string>> = {
  3: 'x86',
  8: 'MIPS',
  20: 'PowerPC',
  21: 'PowerPC 64',
  22: 's390x',
  40: 'arm',
  62: 'x86-64',
  183: 'arm64',
  243: 'RISC-V',
  258: 'LoongArch',
}

function elfFormat(file: RootFile, head: Buffer): ProgramFormat {
  if (head.length < 52) return { kind: 'none', reason: 'it is a program that was cut off' }
  const isLittle = head[5] === 1
  const machine = isLittle ? head.readUInt16LE(18) : head.readUInt16BE(18)
  const own = ownMachines[process.arch]
  if (own !== undefined && !(isLittle && own.includes(machine))) {
    if (isRegisteredFormat(head)) return { kind: 'program' }
    const named = machineNames[machine] ?? `machine ${machine}`
    return { kind: 'none', reason: `it is a program for ${named}, and this machine is ${process.arch}` }
  }
  const type = head.readUInt16LE(16)
  if (type !== 2 && type !== 3)
    return { kind: 'none', reason: 'it is an object file or a core dump, not a program' }
  const interpreter = elfInterpreter(file, head)
  return interpreter === undefined ? { kind: 'program' } : { kind: 'program', interpreter }
}

/** Bytes of program headers that are read: the kernel refuses a program with more (ELF_MIN_ALIGN is 64 KiB at most). */
const longestTable = 65_536

/** Reads the PT_INTERP segment of a little-endian program of 64 or 32 bits (elf(5)). */
function elfInterpreter(file: RootFile, head: Buffer): string | undefined {
  const isWide = head[4] === 2
  if (isWide && head.length < 64) return undefined
  const entryLength = head.readUInt16LE(isWide ? 54 : 42)
  const count = head.readUInt16LE(isWide ? 56 : 44)
  const smallest = isWide ? 56 : 32
  const start = isWide ? Number(head.readBigUInt64LE(32)) : head.readUInt32LE(28)
  if (entryLength < smallest || entryLength * count > longestTable || !Number.isSafeInteger(start))
    return undefined
  const table = file.read(start, entryLength * count)
  for (let at = 0; at + smallest <= table.length; at += entryLength) {
    if (table.readUInt32LE(at) !== 3) continue
    const offset = isWide ? Number(table.readBigUInt64LE(at + 8)) : table.readUInt32LE(at + 4)
    const length = isWide ? Number(table.readBigUInt64LE(at + 32)) : table.readUInt32LE(at + 16)
    if (!Number.isSafeInteger(offset)) return undefined
    return file.read(offset, Math.min(4096, length)).toString().split('\0')[0]
  }
  return undefined
}

const binfmt = '/proc/sys/fs/binfmt_misc'

/** True if the host has a helper for files that begin like this (binfmt_misc): qemu, Java, … */
function isRegisteredFormat(head: Buffer): boolean {
  let entries: string[]
  try {
    entries = readdirSync(binfmt)
  } catch {
    // It is not mounted.
    return false
  }
  return entries
    .filter((name) => name !== 'register' && name !== 'status')
    .some((name) => matchesFormat(readIfThere(join(binfmt, name)), head))
}

/** @param entry - as the kernel shows it: Documentation/admin-guide/binfmt-misc.rst */
export function matchesFormat(entry: string, head: Buffer): boolean {
  const lines = entry.split('\n')
  if (lines[0] !== 'enabled') return false
  const fieldOf = (key: string) => lines.find((line) => line.startsWith(`${key} `))?.slice(key.length + 1)
  // One by the file's name: whether it fits is left to the kernel.
  if (lines.some((line) => line.startsWith('extension '))) return true
  const offset = Number(fieldOf('offset') ?? 0)
  const magic = Buffer.from(fieldOf('magic') ?? '', 'hex')
  const mask = Buffer.from(fieldOf('mask') ?? '', 'hex')
  if (magic.length === 0 || head.length < offset + magic.length) return false
  return magic.every((byte, index) => (((head[offset + index] ?? 0) ^ byte) & (mask[index] ?? 0xff)) === 0)
}
