/** Keeps one thing after another, and says the number of each that is kept; killed from outside. */
import { writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { openStore } from '../../src/store/index.ts'
import { digest } from './own-state.ts'

const [directory = '', from = '0'] = process.argv.slice(2)
const store = await openStore(directory)
for (let number = Number(from); ; number += 1) {
  const directories = []
  for (let i = 0; i < 4; i += 1) {
    const one = await store.temporary()
    writeFileSync(join(one, 'number'), String(number))
    directories.push(one)
  }
  const [rootfs = '', tree = '', upper = '', logs = ''] = directories
  const config = { entrypoint: [], cmd: [], env: [], user: '', workdir: '/', exposedPorts: [] }
  await store.images.adopt({ digest: digest(number), config, rootfs, source: 'x' })
  store.images.setPin(`x:${number}`, digest(number))
  await store.trees.adopt(digest(number), tree)
  await store.results.adopt({ digest: digest(number), upper, logs, exitCode: 0 })
  writeSync(1, `${number}\n`)
  if (number % 3 === 2) {
    await store.results.remove(digest(number - 1))
    writeSync(1, `-${number - 1}\n`)
  }
}
