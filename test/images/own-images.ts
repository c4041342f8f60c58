import { mkdtempSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { createImages, type Images, type ImagesOptions } from '../../src/images/index.ts'
import { openStore, type Store } from '../../src/store/index.ts'
import { removeTree } from '../remove-tree.ts'

export interface OwnImages extends AsyncDisposable {
  readonly images: Images
  readonly store: Store
  /** Waits until nothing is left in tmp/; fails when something stays. */
  tidied(): Promise<void>
}

/** Images in a state directory of a test's own. */
export async function ownImages(
  registries: ImagesOptions['registries'] = {},
  directory: string = mkdtempSync(join(tmpdir(), 'moorage-images-')),
  onNews: ImagesOptions['onNews'] = () => undefined,
): Promise<OwnImages> {
  const store = await openStore(directory)
  const images = createImages({ store, registries, onNews })
  return {
    images,
    store,
    async tidied() {
      const deadline = Date.now() + 5_000
      for (;;) {
        const left = readdirSync(join(directory, 'tmp'))
        if (left.length === 0) return
        if (Date.now() > deadline) throw new Error(`left in tmp/: ${left}`)
        await wait(10)
      }
    },
    async [Symbol.asyncDispose]() {
      await images.close()
      await store.close()
      removeTree(directory)
    },
  }
}
