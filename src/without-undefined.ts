type Optional<T> = { [Key in keyof T]: undefined extends T[Key] ? Key : never }[keyof T]

/** `T` as it is without its undefined fields: a field that may be undefined becomes one that may be absent. */
export type WithoutUndefined<T> = Omit<T, Optional<T>> & {
  [Key in Optional<T>]?: Exclude<T[Key], undefined>
}

/**
 * Returns the fields of `fields` that are not undefined. An absent field and an undefined one differ for JSON, for
 * `Object.keys`, and for the compiler (exactOptionalPropertyTypes).
 */
export function withoutUndefined<T extends object>(fields: T): WithoutUndefined<T> {
  const given: Partial<T> = {}
  for (const name in fields) if (fields[name] !== undefined) given[name] = fields[name]
  return given as WithoutUndefined<T>
}
