import { moorageError } from '../../../errors/index.ts'
import type { RootView } from '../rootfs/root-view.ts'

export interface ContainerUser {
  uid: number
  gid: number
  additionalGids: number[]
  home: string
}

/** Bytes of /etc/passwd or /etc/group that are read. */
const longestFile = 1024 * 1024
const largestId = 2 ** 31 - 1

/**
 * Finds the user that a container runs as (`name`, `number`, `name:group`, …) in the root filesystem's own /etc/passwd
 * and /etc/group, as Docker does. A number need not be in them; a name must.
 *
 * @throws MoorageError USER_NOT_FOUND
 */
export function resolveUser(root: RootView, requested: string, image: string): ContainerUser {
  const [name = '', group] = (requested || '0').split(':')
  const notFound = () => moorageError('USER_NOT_FOUND', { user: requested, image })
  const users = readTable(root, '/etc/passwd')
  const entry = users.find((fields) => fields[0] === name) ?? users.find((fields) => fields[2] === name)
  const uid = toId(entry?.[2]) ?? toId(name)
  if (uid === undefined) throw notFound()
  const home = entry?.[5] || '/'
  const groups = readTable(root, '/etc/group')
  if (group) {
    const groupEntry = groups.find((fields) => fields[0] === group)
    const gid = toId(groupEntry?.[2]) ?? toId(group)
    if (gid === undefined) throw notFound()
    return { uid, gid, additionalGids: [], home }
  }
  const gid = toId(entry?.[3]) ?? 0
  const memberOf = groups.filter(
    (fields) => entry !== undefined && fields[3]?.split(',').includes(entry[0] ?? ''),
  )
  const additionalGids = memberOf.flatMap((fields) => toId(fields[2]) ?? []).filter((id) => id !== gid)
  return { uid, gid, additionalGids, home }
}

function readTable(root: RootView, path: string): string[][] {
  const text = root.file(path, ({ stat, read }) => read(0, Math.min(stat.size, longestFile)).toString()) ?? ''
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(':'))
}

function toId(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,10}$/.test(text)) return undefined
  const id = Number(text)
  return id <= largestId ? id : undefined
}
