import type { Random } from './random.ts'

/** The offsets of the parts of a message, as far as it can be parsed. */
interface Parts {
  /** Lengths of labels, and pointers. */
  labels: number[]
  /** Fields of two octets: types, classes, lengths of data, of options. */
  words: number[]
  /** Whole records, from their owner to the end of their data. */
  records: [start: number, end: number][]
}

const interestingOctets = [0, 1, 0x3f, 0x40, 0x7f, 0x80, 0xbf, 0xc0, 0xff]
const interestingWords = [
  0, 1, 2, 3, 10, 12, 16, 28, 33, 41, 65, 127, 128, 250, 255, 256, 512, 1232, 32768, 65535,
]

/** Walks through a message, up to the first octets that cannot be parsed. */
function partsOf(message: Buffer): Parts {
  const parts: Parts = { labels: [], words: [], records: [] }
  if (message.length < 12) return parts
  let at = 12
  const name = () => {
    for (;;) {
      const length = message[at]
      if (length === undefined) return false
      parts.labels.push(at)
      if (length === 0) return ++at <= message.length
      if (length >= 0xc0) {
        at += 2
        return at <= message.length
      }
      at += length + 1
    }
  }
  for (let left = Math.min(message.readUInt16BE(4), 4); left > 0; left--) {
    if (!name() || at + 4 > message.length) return parts
    parts.words.push(at, at + 2)
    at += 4
  }
  const records = message.readUInt16BE(6) + message.readUInt16BE(8) + message.readUInt16BE(10)
  for (let left = Math.min(records, 64); left > 0; left--) {
    const start = at
    if (!name() || at + 10 > message.length) return parts
    const data = at + 10
    const end = data + message.readUInt16BE(at + 8)
    parts.words.push(at, at + 2, at + 4, at + 6, at + 8)
    // Options of OPT, and numbers at the beginning of other data.
    for (let option = data; option + 4 <= Math.min(end, message.length); ) {
      parts.words.push(option, option + 2)
      option += 4 + message.readUInt16BE(option + 2)
    }
    if (end > message.length) return parts
    parts.records.push([start, end])
    at = end
  }
  return parts
}

type Mutation = (message: Buffer, parts: Parts, random: Random, seeds: readonly Buffer[]) => Buffer

function pick<T>(all: readonly T[], random: Random): T | undefined {
  return all.length === 0 ? undefined : all[random(all.length)]
}

const octet: Mutation = (message, _parts, random) => {
  if (message.length > 0) message[random(message.length)] = random(256)
  return message
}

const bit: Mutation = (message, _parts, random) => {
  const at = random(message.length || 1)
  if (message.length > 0) message[at] = (message[at] as number) ^ (1 << random(8))
  return message
}

const headerWord: Mutation = (message, _parts, random) => {
  if (message.length >= 12) message.writeUInt16BE(pick(interestingWords, random) ?? 0, 2 * (1 + random(5)))
  return message
}

const label: Mutation = (message, { labels }, random) => {
  const at = pick(labels, random)
  if (at !== undefined) message[at] = pick(interestingOctets, random) ?? 0
  return message
}

/** A pointer to itself, forwards, backwards, into the header, or beyond the end. */
const pointer: Mutation = (message, { labels }, random) => {
  const at = pick(labels, random)
  if (at === undefined || at + 2 > message.length) return message
  const targets = [at, at + 2, at - 1, 12, 0, message.length, random(0x4000), pick(labels, random) ?? 12]
  message.writeUInt16BE(0xc000 | (Math.max(0, pick(targets, random) ?? 0) & 0x3fff), at)
  return message
}

const word: Mutation = (message, { words }, random) => {
  const at = pick(words, random)
  if (at === undefined || at + 2 > message.length) return message
  const now = message.readUInt16BE(at)
  message.writeUInt16BE(
    (pick([...interestingWords, now + 1, now - 1, random(65536)], random) ?? 0) & 0xffff,
    at,
  )
  return message
}

/** Repeats a record, with or without counting it. */
const repeat: Mutation = (message, { records }, random) => {
  const [start, end] = pick(records, random) ?? [0, 0]
  if (end === 0) return message
  const longer = Buffer.concat([
    message.subarray(0, end),
    message.subarray(start, end),
    message.subarray(end),
  ])
  if (random(2) === 0) longer.writeUInt16BE((longer.readUInt16BE(10) + 1) & 0xffff, 10)
  return longer
}

const drop: Mutation = (message, { records }, random) => {
  const [start, end] = pick(records, random) ?? [0, 0]
  if (end === 0) return message
  return Buffer.concat([message.subarray(0, start), message.subarray(end)])
}

/** Replaces a part of this seed by a part of another. */
const splice: Mutation = (message, _parts, random, seeds) => {
  const other = pick(seeds, random) ?? message
  return Buffer.concat([
    message.subarray(0, random(message.length + 1)),
    other.subarray(random(other.length + 1)),
  ])
}

const cut: Mutation = (message, _parts, random) => message.subarray(0, random(message.length + 1))

const insert: Mutation = (message, _parts, random) => {
  const at = random(message.length + 1)
  const more = Buffer.from(Array.from({ length: 1 + random(20) }, () => random(256)))
  return Buffer.concat([message.subarray(0, at), more, message.subarray(at)])
}

/** Replaces the question’s name by one that is as long as names may be, or a little longer. */
const longName: Mutation = (message, { labels }, random) => {
  const first = labels[0]
  if (first === undefined || message.length < 17) return message
  const octets = 240 + random(24)
  const name = Buffer.alloc(octets + 1)
  for (let at = 0; at < octets; ) {
    const length = Math.min(1 + random(63), octets - at - 1)
    if (length < 1) break
    name[at] = length
    name.fill(0x61 + random(26), at + 1, at + 1 + length)
    at += length + 1
  }
  return Buffer.concat([message.subarray(0, 12), name, message.subarray(-4)])
}

/** Changes the type, and nothing else. */
const questionType: Mutation = (message, { words }, random) => {
  const at = words[0]
  if (at !== undefined) message.writeUInt16BE(pick(interestingWords, random) ?? 0, at)
  return message
}

/** Takes the question’s name of another seed, and nothing else; perhaps in another case. */
const questionName: Mutation = (message, parts, random, seeds) => {
  const other = pick(seeds, random) ?? message
  const [end, otherEnd] = [parts.words[0], partsOf(other).words[0]]
  if (end === undefined || otherEnd === undefined) return message
  const name = Buffer.from(other.subarray(12, otherEnd))
  for (const [at, letter] of name.entries()) {
    if (letter >= 0x61 && letter <= 0x7a && random(4) === 0) name[at] = letter - 0x20
  }
  return Buffer.concat([message.subarray(0, 12), name, message.subarray(end)])
}

const mutations: readonly Mutation[] = [
  ...[octet, bit, headerWord, label, pointer, word, word],
  ...[repeat, drop, splice, cut, insert, longName],
  ...[questionType, questionType, questionName, questionName],
]

/** Changes a seed in a few of the ways that DNS parsers stumble over. */
export function mutate(seeds: readonly Buffer[], random: Random): Buffer {
  let message: Buffer = Buffer.from(pick(seeds, random) ?? Buffer.alloc(0))
  for (let left = pick([0, 1, 1, 1, 2, 2, 3, 4], random) ?? 0; left > 0 && message.length < 70_000; left--) {
    const mutation = mutations[random(mutations.length)] as Mutation
    message = Buffer.from(mutation(message, partsOf(message), random, seeds))
  }
  return message
}
