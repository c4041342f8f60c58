import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { removeTree } from './remove-tree.ts'

t.test('a directory is gone, whoever else removes it or adds to it at the same time', async (t) => {
  for (const others of ['rm -rf d*', 'for d in d*; do for i in 1 2 3; do : > $d/more$i; done; done']) {
    for (let round = 0; round < 4; round++) {
      const path = mkdtempSync(join(tmpdir(), 'moorage-remove-'))
      for (let index = 0; index < 400; index++) {
        const directory = join(path, `d${index % 20}`)
        mkdirSync(directory, { recursive: true })
        writeFileSync(join(directory, `${index}`), '')
      }
      const child = spawn('sh', ['-c', `echo now; { ${others}; } 2>/dev/null`], { cwd: path })
      const ended = once(child, 'exit')
      await once(child.stdout, 'data')
      removeTree(path)
      await ended
      if (existsSync(path)) t.fail(`${path} is still there`)
    }
  }
  t.pass()
})
