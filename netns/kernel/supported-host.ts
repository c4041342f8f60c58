/** Refuses hosts on which nothing here can work, before native code is loaded there. Imported before koffi. */
import { readFileSync } from 'node:fs'
import { NetnsError } from './errors.ts'

/** @param host - what this one is: `darwin` */
export function unsupportedHost(host: string, cause?: unknown): NetnsError {
  const message = `moorage needs Linux with glibc, and this is ${host}; run it in a virtual machine with Linux`
  return new NetnsError('UNSUPPORTED_HOST', message, cause === undefined ? {} : { cause })
}

if (process.platform !== 'linux') throw unsupportedHost(process.platform)
if (hasMusl()) throw unsupportedHost('Linux with musl')

/** Looks whether this process has musl's loader in its memory: then there is no libc.so.6 that it could load, too. */
function hasMusl(): boolean {
  try {
    return readFileSync('/proc/self/maps', 'utf8').includes('/ld-musl-')
  } catch {
    // Without /proc nobody can tell; loading libc.so.6 will.
    return false
  }
}
