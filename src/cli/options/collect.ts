/** Collects the values of an option that may be given several times: commander's parser of such an option. */
export function collect(value: string, earlier: string[] = []): string[] {
  return [...earlier, value]
}
