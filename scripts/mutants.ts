import { stripTypeScriptTypes } from 'node:module'
import { type AnyNode, type Node, parse } from 'acorn'

/** A small change of a source that a careless colleague could make. */
export interface Mutant {
  /** Offsets into the source, of what is replaced. */
  readonly start: number
  readonly end: number
  readonly replacement: string
  /** The line, from 1 on. */
  readonly line: number
  readonly description: string
}

const swapped: Readonly<Record<string, string>> = {
  '<': '<=',
  '<=': '<',
  '>': '>=',
  '>=': '>',
  '===': '!==',
  '!==': '===',
  '+': '-',
  '-': '+',
}

/**
 * Returns every mutant of a TypeScript source, in the order of their places: conditions that always hold or never do, one
 * side of `&&`, `||` and `??`, comparisons off by one, numbers off by one, calls, throws and fields of an object left out.
 *
 * Types are replaced by blanks of the same length before the source is parsed, so that offsets stay what they were.
 */
export function mutantsOf(source: string): Mutant[] {
  const mutants: Mutant[] = []
  const tree = parse(stripTypeScriptTypes(source, { mode: 'strip' }), {
    ecmaVersion: 'latest',
    sourceType: 'module',
  })
  const text = ({ start, end }: Node) => source.slice(start, end)
  const add = ({ start, end }: Node, replacement: string, description: string) =>
    mutants.push({
      start,
      end,
      replacement,
      line: source.slice(0, start).split('\n').length,
      description: description.replaceAll(/\s+/g, ' ').slice(0, 160),
    })
  visit(tree, (node) => {
    switch (node.type) {
      case 'IfStatement':
      case 'ConditionalExpression':
        for (const value of ['true', 'false']) add(node.test, value, `${text(node.test)} is always ${value}`)
        return
      case 'WhileStatement':
        return add(node.test, 'false', `no round of while (${text(node.test)})`)
      case 'LogicalExpression':
        add(node, text(node.left), `without ${node.operator} ${text(node.right)}`)
        if (node.operator !== '??') add(node, text(node.right), `without ${text(node.left)} ${node.operator}`)
        return
      case 'BinaryExpression': {
        const operator = swapped[node.operator]
        // `+` of texts has no opposite.
        if (operator === undefined || (node.operator === '+' && /['"`]/.test(text(node)))) return
        const replacement = `${text(node.left)} ${operator} ${text(node.right)}`
        return add(node, replacement, `${text(node)} becomes ${replacement}`)
      }
      case 'Literal':
        if (typeof node.value !== 'number') return
        return add(node, `(${text(node)} + 1)`, `${text(node)} is one more`)
      case 'ThrowStatement':
        return add(node, ';', `without ${text(node)}`)
      case 'ExpressionStatement': {
        const { expression } = node
        const called = expression.type === 'AwaitExpression' ? expression.argument : expression
        if (called.type === 'CallExpression') add(node, ';', `without ${text(node)}`)
        return
      }
      case 'ObjectExpression':
        for (const property of node.properties) {
          // Without a function of its own nearly nothing works: that says little about the tests.
          if (property.type === 'Property' && /Function/.test(property.value.type)) continue
          const comma = /^\s*,/.exec(source.slice(property.end))?.[0].length ?? 0
          add({ ...property, end: property.end + comma }, '', `without ${text(property)}`)
        }
        return
    }
  })
  return mutants.sort((a, b) => a.start - b.start)
}

function visit(node: AnyNode, each: (node: AnyNode) => void): void {
  each(node)
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (typeof child === 'object' && child !== null && typeof child.type === 'string') visit(child, each)
    }
  }
}

/** Returns the source with the mutant in it; undefined if that is no program any more. */
export function applyMutant(source: string, { start, end, replacement }: Mutant): string | undefined {
  const mutated = source.slice(0, start) + replacement + source.slice(end)
  try {
    parse(stripTypeScriptTypes(mutated, { mode: 'strip' }), { ecmaVersion: 'latest', sourceType: 'module' })
    return mutated
  } catch {
    return undefined
  }
}
