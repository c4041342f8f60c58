/** One place in a file that names another module. */
export interface Import {
  readonly specifier: string
  /** True if only types are taken: nothing of it is left when the file runs. */
  readonly typeOnly: boolean
  /** True for imports and re-exports, whether of values or types; false for a mere `new URL(…)`, which loads nothing. */
  readonly loads: boolean
}

/**
 * Every way to name another module, by its tail alone, so that nothing before it (comments, line breaks, `type`) can
 * hide it: `from '…'`, `import '…'`, `import('…')`, `new URL('…', import.meta.url)`, `require('…')`.
 */
const importPattern =
  /(?<how>\bfrom|\bimport|\bimport\s*\(|\bnew URL\s*\(|\brequire\s*\()\s*(?<quote>['"`])(?<specifier>[^'"`\n]+)\k<quote>/g

/** Returns what a TypeScript file imports, in order. Comments are passed over: TSDoc's examples import what users import. */
export function importsOf(text: string): Import[] {
  return [...text.matchAll(importPattern)].flatMap(({ index, groups }) => {
    if (isComment(text, index)) return []
    const how = groups?.how ?? ''
    return {
      specifier: groups?.specifier ?? '',
      typeOnly: isTypeOnly(text.slice(0, index), how),
      loads: !how.startsWith('new URL'),
    }
  })
}

/**
 * True for `import type … from` and `export type … from`, and for `typeof import(…)`. `import { type A } from` is none:
 * the module is loaded all the same (verbatimModuleSyntax).
 */
function isTypeOnly(before: string, how: string): boolean {
  if (how.startsWith('import')) return how.endsWith('(') && /\btypeof\s+$/.test(before)
  if (how !== 'from') return false
  // The statement's begin is the last word `import` or `export`; names in between are neither.
  const begin = Math.max(before.lastIndexOf('import'), before.lastIndexOf('export'))
  return /^(?:import|export)\s+type\b(?!\s*,)/.test(before.slice(begin))
}

function isComment(text: string, index: number): boolean {
  return /^\s*(?:\*(?!\/)|\/\/|\/\*(?!.*\*\/))/.test(text.slice(text.lastIndexOf('\n', index) + 1, index))
}
