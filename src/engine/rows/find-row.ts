import { MoorageError } from '../../errors/index.ts'

interface FindRow<Row> {
  isLive: (row: Row) => boolean
  namesOf?: (row: Row) => readonly string[]
  /** Only rows of this network count. Without it, rows of `home` come before those of other networks. */
  network?: string | undefined
  /** The network that a person means who names none. */
  home: string
}

/**
 * Finds the row that a person means: by ID, label, one of its names, or a unique prefix of the label. A live one comes
 * before ended ones, of which the first of `rows` counts. Names belong to a network, so those of `home` come before an
 * ID elsewhere; what `home` does not know is looked for in all networks.
 *
 * @throws MoorageError SERVICE_NOT_FOUND, SERVICE_AMBIGUOUS
 */
export function findRow<Row extends { id: string; label: string; network: string }>(
  rows: readonly Row[],
  id: string,
  { isLive, namesOf = () => [], network, home }: FindRow<Row>,
): Row {
  const candidates = network === undefined ? rows : rows.filter((row) => row.network === network)
  const isHome = (row: Row) => row.network === (network ?? home)
  const isExact = (row: Row) => row.id === id || row.label === id
  const isNamed = (row: Row) => namesOf(row).includes(id)
  const ways: ((row: Row) => boolean)[] =
    id === ''
      ? []
      : [
          (row) => isExact(row) || (isHome(row) && isNamed(row)),
          (row) => isHome(row) && row.label.startsWith(id),
          (row) => row.label.startsWith(id),
          isNamed,
        ]
  for (const way of ways) {
    const matching = candidates.filter(way)
    if (matching.length > 0) return one(matching, id, { isLive, isHome })
  }
  throw new MoorageError('SERVICE_NOT_FOUND', { id })
}

/** Chooses among the rows that match: a live one before ended ones, and of one definition the row of `home`. */
function one<Row extends { id: string; label: string; network: string }>(
  matching: readonly Row[],
  id: string,
  { isLive, isHome }: { isLive: (row: Row) => boolean; isHome: (row: Row) => boolean },
): Row {
  const live = matching.filter(isLive)
  const [newest] = matching.toSorted((a, b) => Number(isHome(b)) - Number(isHome(a)))
  const candidates = live.length > 0 ? live : newest === undefined ? [] : [newest]
  const labels = new Set(candidates.map(({ label }) => label))
  const atHome = candidates.filter(isHome)
  const [found, ...others] = labels.size === 1 && atHome.length > 0 ? atHome.slice(0, 1) : candidates
  if (found === undefined) throw new MoorageError('SERVICE_NOT_FOUND', { id })
  if (others.length > 0) {
    throw new MoorageError('SERVICE_AMBIGUOUS', {
      id,
      candidates: candidates.map((row) => `${row.id} (network ${row.network})`),
    })
  }
  return found
}
