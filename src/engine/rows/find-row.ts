import { MoorageError } from '../../errors/index.ts'

/**
 * Finds the row that a person means: by ID, label, one of its names, or a unique prefix of the label; a live one before
 * ended ones.
 *
 * @throws MoorageError SERVICE_NOT_FOUND, SERVICE_AMBIGUOUS
 */
export function findRow<Row extends { id: string; label: string; network: string }>(
  rows: readonly Row[],
  id: string,
  isLive: (row: Row) => boolean,
  namesOf: (row: Row) => readonly string[] = () => [],
): Row {
  const exact = rows.filter((row) => [row.id, row.label, ...namesOf(row)].includes(id))
  const matching = exact.length > 0 || id === '' ? exact : rows.filter((row) => row.label.startsWith(id))
  const live = matching.filter(isLive)
  const candidates = live.length > 0 ? live : matching.slice(0, 1)
  const [found, ...others] = candidates
  if (found === undefined) throw new MoorageError('SERVICE_NOT_FOUND', { id })
  if (others.length > 0) {
    throw new MoorageError('SERVICE_AMBIGUOUS', {
      id,
      candidates: candidates.map((row) => `${row.id} (network ${row.network})`),
    })
  }
  return found
}
