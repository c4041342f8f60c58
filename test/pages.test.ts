/** The pages name files of this repository: each must be there, and each link must lead somewhere. */
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'

const root = join(import.meta.dirname, '..')
const pages = ['README.md', 'CONTRIBUTING.md', ...globSync('docs/*.md', { cwd: root })].sort()

/** A path below one of the repository's folders, with an ending. One with `NAME` in it is a pattern. */
const path =
  /`((?![^`]*NAME)(?:bin|dns|docs|examples|netns|scripts|src|test|tools)\/[\w./-]+\.(?:ts|js|mjs|md|json|txt))`/g
const folder = /`((?:dns|netns|src|test)\/(?:[\w-]+\/)*)`/g
const link = /\]\((?!https?:|#|mailto:)([^)#\s]+)(?:#[^)]*)?\)/g

t.ok(pages.length > 10, `${pages.length} pages`)
for (const page of pages) {
  t.test(page, async (t) => {
    const text = readFileSync(join(root, page), 'utf8')
    for (const [, file = ''] of [...text.matchAll(path), ...text.matchAll(folder)])
      t.ok(existsSync(join(root, file)), `${page} names ${file}`)
    for (const [, target = ''] of text.matchAll(link))
      t.ok(existsSync(join(root, dirname(page), target)), `${page} links to ${target}`)
    t.notMatch(text, /DESIGN\.md|STYLE\.md|CONTRACT\.md|FEATURES\.md/, 'refers to nothing outside')
  })
}
