/** The few mounts of networks: the names of namespaces, and a procfs of one's own. */
import { closeSync } from 'node:fs'
import * as libc from './libc.ts'

const MS_BIND = 0x1000
const MNT_DETACH = 2

/** Makes `source` visible at `target`, which must exist. */
export function bindMount(source: string, target: string): void {
  libc.mount(source, target, MS_BIND)
}

/** Removes the mount from the tree at once; whoever still uses it keeps it until done with it. */
export function umount(target: string): void {
  libc.umount2(target, MNT_DETACH)
}

const FSOPEN_CLOEXEC = 1
const FSMOUNT_CLOEXEC = 1
const CMD_CREATE = 6

/** Opens a procfs that is mounted nowhere: its entries are looked up through the descriptor. */
export function openProc(): number {
  const doing = 'open a procfs'
  const context = libc.fsopen('proc', FSOPEN_CLOEXEC, doing)
  try {
    libc.fsconfig(context, CMD_CREATE, doing)
    return libc.fsmount(context, FSMOUNT_CLOEXEC, doing)
  } finally {
    closeSync(context)
  }
}
