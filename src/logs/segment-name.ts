/** Files of a log are named by the offset of their first byte in the whole log, so that missing bytes can be counted. */
export function segmentName(offset: number): string {
  return `${String(offset).padStart(16, '0')}.log`
}

/** The offset in a segment's name; undefined for any other file. */
export function segmentOffset(name: string): number | undefined {
  const match = /^(\d{16})\.log$/.exec(name)
  return match ? Number(match[1]) : undefined
}
